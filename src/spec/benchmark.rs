//! The benchmarks that a spec can name.

/// A benchmark as a spec sees it.
struct Benchmark {
    name: &'static str,
    /// The template in `[data.prompts]` that puts its tasks.
    prompt: &'static str,
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "code_update_arena",
        prompt: "code_update_arena",
    },
    Benchmark {
        name: "humaneval",
        prompt: "human_eval",
    },
    Benchmark {
        name: "humaneval_plus",
        prompt: "human_eval",
    },
    Benchmark {
        name: "mini_arena",
        prompt: "code_update_arena",
    },
];

/// Their names.
pub(super) fn names() -> Vec<&'static str> {
    BENCHMARKS.iter().map(|benchmark| benchmark.name).collect()
}

/// The template in `[data.prompts]` that puts the tasks of a benchmark.
pub fn prompt_of(benchmark: &str) -> &'static str {
    BENCHMARKS
        .iter()
        .find(|candidate| candidate.name == benchmark)
        .map_or("code_update_arena", |found| found.prompt)
}
