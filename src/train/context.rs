//! The position of a step, and of an update, in a training.

/// A step, and what is fixed before it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepContext {
    /// The step, counted from 0.
    pub(super) step: usize,
    /// The position of its first row in the order of the data.
    pub(super) first_row: usize,
    pub(super) learning_rate: f64,
}

/// An update of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpdateContext {
    pub(super) step: StepContext,
    /// The update within the step, counted from 0.
    pub(super) update: usize,
    /// The divisor of the logits.
    pub(super) temperature: f64,
}
