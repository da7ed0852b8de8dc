//! The benchmarks that a spec can name.

/// Their names, in alphabetical order.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = crate::eval::benchmark::names().collect();
    names.sort_unstable();
    names
}

/// The measures of a benchmark that a column can show besides its tests.
pub(super) fn measures(name: &str) -> &'static [&'static str] {
    crate::eval::benchmark::find(name).map_or(&[], |benchmark| benchmark.measures)
}
