//! The benchmarks that a spec can name.

/// Their names.
pub(super) fn names() -> Vec<&'static str> {
    vec![
        "code_update_arena",
        "humaneval",
        "humaneval_plus",
        "mini_arena",
    ]
}
