//! Stack for recursion over a tree.

/// The stack that one step of the walk may need, and the stack that is added if there is less.
const STEP_BYTES: usize = 64 << 10;
const STACK_BYTES: usize = 1 << 20;

/// Runs a step of a recursion with enough stack.
pub(super) fn with_room<T>(step: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STEP_BYTES, STACK_BYTES, step)
}
