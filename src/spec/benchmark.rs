//! The benchmarks that a spec can name.

/// Their names, in alphabetical order.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = crate::eval::benchmark::names().collect();
    names.sort_unstable();
    names
}
