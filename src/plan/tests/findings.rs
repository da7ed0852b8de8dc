//! What a spec says in vain, and what it does not.

use super::fixture::{experiment_of, experiment_with, plan_with};

/// The warnings of a spec, each in one line: its code, its title and the text at its caret.
fn warnings(lines: &str) -> Vec<String> {
    let experiment = experiment_of(&format!("name = \"t\"\n{lines}\n"));
    let plan = plan_with(&experiment);
    let text = experiment
        .warnings(plan.findings(&experiment))
        .details(false);
    let carets = text.lines().filter(|line| line.contains('^'));
    let labels = carets.map(|line| line.rsplit('^').next().unwrap_or_default().trim());
    let titles = text.lines().filter(|line| line.starts_with("warning["));
    titles
        .zip(labels)
        .map(|(title, label)| format!("{title}: {label}"))
        .collect()
}

const MINI: &str = "eval.benchmarks = [\"mini_arena\"]\n";

#[test]
#[expect(clippy::too_many_lines, reason = "most lines are specs and sentences")]
fn a_setting_that_no_job_reads_is_named_with_its_reason() {
    let cases = [
        (
            "model.adapter = { kind = \"none\", r = 8 }",
            "warning[W201]: `model.adapter.r` changes nothing: all weights are trained: `model.adapter.kind` is \"none\"",
        ),
        (
            "train.dapo.clip_high = 0.5",
            "warning[W201]: `train.dapo.clip_high` changes nothing: nothing is trained by dapo, but by `grpo`",
        ),
        (
            "train.algorithm = \"sft\"\ntrain.group_size = 4\ntrain.sampling.top_k = 3",
            "warning[W201]: `group_size` and `sampling.top_k` of [train] change nothing: `sft` does not read it",
        ),
        (
            "train.algorithm = \"none\"\nmodel.adapter.r = 8",
            "warning[W201]: `model.adapter.r` changes nothing: nothing is trained: `train.algorithm` is \"none\"",
        ),
        (
            "eval.samples.humaneval = 3",
            "warning[W201]: `eval.samples.humaneval` changes nothing: `humaneval` is in no `eval.benchmarks`",
        ),
        (
            "reward.tests.hidden_share = 0.5",
            "warning[W201]: `reward.tests.hidden_share` changes nothing: no reward has the part `tests`",
        ),
        (
            "train.algorithm = \"sft\"\ntrain.reward = { es = 1.0, ast = 1.0 }",
            "warning[W201]: `train.reward` changes nothing: `sft` does not read it",
        ),
        (
            "model.scratch.hidden_size = 64",
            "warning[W201]: `model.scratch.hidden_size` changes nothing: it is read only if `model.base` is \"scratch\"",
        ),
        (
            "model.remote.concurrency = 2",
            "warning[W201]: `model.remote.concurrency` changes nothing: it is read only if `model.base` is \"remote\"",
        ),
        (
            "train.algorithm = \"distill\"\ntrain.distill.teacher = \"large\"\n\
             train.distill.remote.model = \"larger\"",
            "warning[W201]: `train.distill.remote.model` changes nothing: it is read only if `train.distill.teacher` is \"remote\"",
        ),
        (
            "train.eval.limit = 3",
            "warning[W201]: `train.eval.limit` changes nothing: there are no evaluations during training: `train.eval.every` is 0",
        ),
        (
            "eval.benchmarks = [\"mini_arena\"]\neval.in_process = true",
            "warning[W201]: `eval.in_process` changes nothing: `mini_arena` does not read it",
        ),
        (
            "train.max_steps = 1000\ntrain.grpo.max_steps = 2000",
            "warning[W201]: `train.max_steps` changes nothing: the tables of `grpo` set it as well",
        ),
        (
            "train.algorithm = \"sft\"\n[grid]\n\"train.algorithm\" = [\"none\", \"grpo\"]",
            "warning[W201]: `train.algorithm` changes nothing: the axis of [grid] sets it at every point",
        ),
        (
            "train.grpo.clip_high = 0.28",
            "warning[W201]: `train.grpo.clip_high` changes nothing: with one update a rollout the ratio of the policies is 1, and nothing is clipped",
        ),
        (
            "train.algorithm = \"dapo\"\ntrain.dapo.overlong_factor = 2.0",
            "warning[W201]: `train.dapo.overlong_factor` changes nothing: there is no penalty: `overlong_buffer` is 0",
        ),
        (
            "train.algorithm = \"dapo\"\n[train.dapo]\ndynamic_sampling = false\nmax_generation_batches = 3",
            "warning[W201]: `train.dapo.max_generation_batches` changes nothing: `dynamic_sampling` is off",
        ),
        (
            "train.algorithm = \"none\"\nmodel.base = \"remote\"\n\
             model.remote = { base_url = \"http://localhost:1/v1\", model = \"m\" }\nmodel.dtype = \"f32\"",
            "warning[W201]: `model.dtype` changes nothing: a model at an endpoint does not read it",
        ),
        (
            "eval.sampling = { temperature = 0, top_p = 0.9 }",
            "warning[W201]: `eval.sampling.top_p` changes nothing: with a temperature of 0 the most likely token is taken",
        ),
    ];
    for (lines, warning) in cases {
        assert_eq!(warnings(lines), [warning], "{lines}");
    }
}

#[test]
fn a_setting_that_is_set_twice_names_the_second_place() {
    let sets = ["train.max_steps=1000", "train.max_steps=2000"];
    let experiment = experiment_with("name = \"t\"\n", &sets);

    let plan = plan_with(&experiment);
    let text = experiment
        .warnings(plan.findings(&experiment))
        .details(false);

    assert!(
        text.contains("[W201]: `train.max_steps` changes nothing\n"),
        "{text}"
    );
    let second = "it is set again, by the command line: --set train.max_steps=2000\n";
    assert!(text.contains(second), "{text}");
}

#[test]
fn a_setting_that_a_job_reads_or_that_says_how_to_run_it_is_none() {
    for lines in [
        "",
        "train.save_every = 7\ntrain.keep_checkpoints = 7\ntrain.samples_every = 7",
        "eval.python = \"p\"\nmodel.kv_cache = \"1GiB\"\nrun.slots = 2\nrun.needs.gpu_mem = \"7GiB\"",
        "train.algorithm = \"none\"\nmodel.base = \"remote\"\n\
         model.remote = { base_url = \"http://localhost:1/v1\", model = \"m\", concurrency = 2, key_variable = \"K\" }",
        "train.reward = { es = 1.0, tests = 0.5 }\nreward.tests.timeout_seconds = 2.0",
        "train.reward = \"em\"\nreward.normalizer = \"published\"\nmodel.chat = \"none\"",
        "train.grpo.beta = 0.0\ntrain.grpo.after = \"sft\"\ntrain.sft.prompt_weight = 0.5",
        "train.micro_batch_tokens = 77\ntrain.gradient_checkpointing = true",
        "train.eval = { every = 5, benchmark = \"humaneval\", limit = 3, samples = 2 }",
        "train.algorithm = \"dapo\"\n[train.dapo]\noverlong_buffer = 4\noverlong_factor = 2.0\nclip_high = 0.5",
        "eval.in_process = true\neval.repairs = \"paper\"\neval.evalplus = \"0.3.1\"\neval.limit = 3",
        // Saying what holds anyway is a way to say so.
        "model.adapter = { kind = \"none\", r = 64 }\ntrain.dapo.clip_high = 0.28",
        // One point that reads a setting is enough.
        "train.sft.order = \"file\"\n[grid]\n\"train.algorithm\" = [\"sft\", \"grpo\"]",
        "model.adapter.r = 8\n[grid]\n\"model.adapter.kind\" = [\"none\", \"dora\"]",
    ] {
        assert_eq!(warnings(lines), [""; 0], "{lines}");
    }
}

#[test]
fn an_axis_whose_values_are_the_same_jobs_is_named() {
    let sft = "train.algorithm = \"sft\"\n[grid]\n\"train.reward\" = [\"em\", \"es\"]";
    let saving = "[grid]\n\"train.save_every\" = [10, 20]";
    let label = "several rows of the table would be the same jobs";
    for (lines, axis) in [(sft, "train.reward"), (saving, "train.save_every")] {
        assert_eq!(
            warnings(lines),
            [format!(
                "warning[W202]: `{axis}` makes no difference: all of its values are the same jobs: {label}"
            )]
        );
    }

    let partly = "[grid]\n\"train.algorithm\" = [\"none\", \"sft\", \"grpo\"]\n\"train.reward\" = [\"em\", \"es\"]";
    assert_eq!(
        warnings(partly),
        [format!(
            "warning[W202]: `train.reward` makes no difference where `train.algorithm` is \"none\" or \"sft\": {label}"
        )]
    );
}

#[test]
fn axes_that_move_together_or_make_a_difference_are_fine() {
    for lines in [
        "[grid]\n\"train.reward\" = [\"em\", \"es\"]\n\"model.chat\" = [\"none\", \"chatml\"]",
        "[[grid.zip]]\n\"train.reward\" = [\"em\", \"es\"]\n\"train.save_every\" = [10, 20]",
        "[grid]\n\"train.algorithm\" = [\"none\", \"sft\", \"grpo\"]",
        "run.seeds = [1, 2]",
    ] {
        assert_eq!(warnings(lines), [""; 0], "{lines}");
    }
}

#[test]
fn a_baseline_that_no_row_is_compared_with_is_named() {
    let baseline = "[table]\nbaseline = { method = \"untrained\" }";
    let warning = "warning[W204]: no row of the table is compared with the baseline: every row is the baseline itself, or has none";

    assert_eq!(
        warnings(&format!("{MINI}train.algorithm = \"none\"\n{baseline}")),
        [warning]
    );
    assert_eq!(warnings(&format!("{MINI}{baseline}")), [""; 0]);
    let one_row =
        "[grid]\n\"train.reward\" = [\"em\"]\n[table]\nbaseline = { \"train.reward\" = \"em\" }";
    assert_eq!(warnings(one_row), [warning]);
}

#[test]
fn a_benchmark_without_a_column_is_named() {
    let found = warnings(
        "eval.benchmarks = [\"mini_arena\", \"mini_general\"]\n[table]\ncols = [\"mini_arena.pass@1\"]",
    );
    assert_eq!(
        found,
        [
            "warning[W203]: `mini_general` is measured, but is in no column of the table: its evaluations would run for nothing"
        ]
    );
    assert_eq!(
        warnings(&format!("{MINI}[table]\ncols = [\"mini_arena.pass@1\"]")),
        [""; 0]
    );
}
