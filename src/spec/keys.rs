//! Every key that a spec may have: its kind, its range, and a sentence about it.
//!
//! A new field of a settings struct needs a line here and one in `defaults.toml`.

use crate::{
    device::Backend,
    eval::benchmark::{Flavour, Repairs},
    model::{AdapterKind, ChatFormat, Dtype},
    reward::{Normalizer, Variant},
    train::{AdvantageScale, Aggregation, FinalCheckpoint, RowOrder, Schedule},
};

use super::{
    benchmark,
    schema::{Key, Kind, Range, algorithms},
    table::Show,
    variants::variants,
};

const fn from_to(low: f64, high: f64) -> Kind {
    Kind::Number(Range {
        low,
        high,
        is_open_below: false,
        is_open_above: false,
    })
}

const fn from_below(low: f64, high: f64) -> Kind {
    Kind::Number(Range {
        low,
        high,
        is_open_below: false,
        is_open_above: true,
    })
}

const fn above_to(low: f64, high: f64) -> Kind {
    Kind::Number(Range {
        low,
        high,
        is_open_below: true,
        is_open_above: false,
    })
}

const fn key(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { path, kind, doc }
}

const COUNT: Kind = Kind::Whole(1, 1_000_000_000);
const COUNT_OR_ZERO: Kind = Kind::Whole(0, 1_000_000_000);
const SEED: Kind = Kind::Whole(0, i64::MAX);
const BENCHMARK: Kind = Kind::Choice("benchmark", benchmark::names);

fn backends() -> Vec<&'static str> {
    Backend::NAMES.to_vec()
}

fn algorithms_or_none() -> Vec<&'static str> {
    std::iter::once("none").chain(algorithms()).collect()
}

fn stages_before() -> Vec<&'static str> {
    vec!["none", "sft"]
}

/// The keys outside `[train]`.
pub(super) const GENERAL: &[Key] = &[
    key(
        "include",
        Kind::List(&Kind::Text),
        "Specs that this one builds on, relative to this file; later ones win, and this file wins over all.",
    ),
    key(
        "name",
        Kind::Name,
        "The experiment's name, and the folder of its tables below `results/tables/`.",
    ),
    key(
        "description",
        Kind::Text,
        "What the experiment is to show, in a sentence; printed above the table.",
    ),
    key(
        "model.base",
        Kind::Model,
        "A model of `datasets/manifest.toml`, a folder in the Hugging Face layout, `scratch` for random weights in the shape of `[model.scratch]`, or `remote` for the model behind the endpoint of `[model.remote]`.",
    ),
    key(
        "model.dtype",
        Kind::Choice("dtype", variants::<Dtype>),
        "The type of the weights in memory.",
    ),
    key(
        "model.chat",
        Kind::Choice("chat format", variants::<ChatFormat>),
        "How conversations are laid out: `chatml` for every model, as the paper's code does it, by the model's own `template`, or with `none` as texts alone.",
    ),
    key(
        "model.kv_cache",
        Kind::Memory(1),
        "The memory for keys and values while sampling, without their room to grow (at most half as much again): it decides how many completions run side by side, at least one, and not what they are.",
    ),
    key(
        "model.adapter.kind",
        Kind::Choice("adapter kind", variants::<AdapterKind>),
        "What is trained: a LoRA or DoRA adapter, or with `none` all weights.",
    ),
    key(
        "model.adapter.r",
        Kind::Whole(1, 65_536),
        "The adapter's rank.",
    ),
    key(
        "model.adapter.alpha",
        above_to(0.0, 1e6),
        "The numerator of the adapter's scale `alpha / r`.",
    ),
    key(
        "model.adapter.dropout",
        from_below(0.0, 1.0),
        "The probability of dropping an element of the adapter's input in training.",
    ),
    key(
        "model.adapter.targets",
        Kind::Targets,
        "The projections that carry an adapter: `attention`, `all_linear`, or a list such as `[\"q_proj\", \"v_proj\"]`.",
    ),
    key(
        "model.scratch.tokenizer",
        Kind::File,
        "A `tokenizer.json`, whose vocabulary is the model's.",
    ),
    key(
        "model.scratch.hidden_size",
        Kind::Whole(1, 1_000_000),
        "The width of the residual stream.",
    ),
    key(
        "model.scratch.intermediate_size",
        Kind::Whole(1, 1_000_000),
        "The width of the gated feed-forward layer.",
    ),
    key(
        "model.scratch.num_hidden_layers",
        Kind::Whole(1, 10_000),
        "The number of blocks.",
    ),
    key(
        "model.scratch.num_attention_heads",
        Kind::Whole(1, 10_000),
        "The number of query heads.",
    ),
    key(
        "model.scratch.num_key_value_heads",
        Kind::Whole(1, 10_000),
        "The number of key and value heads.",
    ),
    key(
        "model.scratch.rope_theta",
        above_to(0.0, 1e12),
        "The base of the rotary embedding's wave lengths.",
    ),
    key(
        "model.scratch.max_position_embeddings",
        Kind::Whole(2, 10_000_000),
        "The longest sequence, in tokens.",
    ),
    key(
        "model.scratch.init_seed",
        SEED,
        "The seed of the initial weights, the same for all seeds of a run.",
    ),
    key(
        "model.remote.base_url",
        Kind::Text,
        "The address of an OpenAI-compatible endpoint before `/chat/completions`, such as `http://localhost:8000/v1`.",
    ),
    key(
        "model.remote.model",
        Kind::Text,
        "The model's name at the endpoint.",
    ),
    key(
        "model.remote.key_variable",
        Kind::Text,
        "The environment variable with the key, which is written nowhere; `none` sends no key.",
    ),
    key(
        "model.remote.concurrency",
        Kind::Whole(1, 1_024),
        "The most requests in flight; not part of a job's identity, as all that follows.",
    ),
    key(
        "model.remote.requests_per_minute",
        Kind::Whole(0, 1_000_000),
        "The most requests a minute, those of further attempts included; 0 sets no bound.",
    ),
    key(
        "model.remote.attempts",
        Kind::Whole(1, 1_000),
        "Requests for one completion before the job fails; the pause between them doubles, or is what the server asks for.",
    ),
    key(
        "model.remote.longest_pause_seconds",
        Kind::Whole(1, 86_400),
        "No pause between two attempts is longer.",
    ),
    key(
        "model.remote.timeout_seconds",
        Kind::Whole(1, 86_400),
        "How long one answer may take.",
    ),
    key(
        "model.remote.dollars_per_million_prompt_tokens",
        from_to(0.0, 1e6),
        "The price of a million tokens of prompts, for the cost in the provenance; 0 if it is not known.",
    ),
    key(
        "model.remote.dollars_per_million_completion_tokens",
        from_to(0.0, 1e6),
        "The price of a million tokens of completions; 0 if it is not known.",
    ),
    key(
        "data.train",
        Kind::DataSet,
        "The migrations to train on: a name of `datasets/manifest.toml`, or a JSON-lines file.",
    ),
    key(
        "data.prompts.migration",
        Kind::File,
        "The template of the prompt for a migration.",
    ),
    key(
        "data.prompts.code_update_arena",
        Kind::File,
        "The template of the prompt for a task of CodeUpdateArena.",
    ),
    key(
        "data.prompts.human_eval",
        Kind::File,
        "The template of the prompt for a task of HumanEval.",
    ),
    key(
        "reward.normalizer",
        Kind::Choice("normalizer", variants::<Normalizer>),
        "How code is prepared before it is compared: `published` as the paper's code does it, faults included, or `fixed` as it was meant.",
    ),
    key(
        "eval.benchmarks",
        Kind::List(&BENCHMARK),
        "The benchmarks; each is one job on each model.",
    ),
    key(
        "eval.sampling.temperature",
        from_to(0.0, 100.0),
        "Divides the logits; 0 takes the most likely token.",
    ),
    key(
        "eval.sampling.top_k",
        COUNT_OR_ZERO,
        "Keeps so many of the most likely tokens; 0 keeps all.",
    ),
    key(
        "eval.sampling.top_p",
        above_to(0.0, 1.0),
        "Keeps the smallest set of tokens whose probabilities sum to this; 1 keeps all.",
    ),
    key(
        "eval.sampling.min_p",
        from_to(0.0, 1.0),
        "Keeps tokens that are at least this likely in comparison with the likeliest; 0 keeps all.",
    ),
    key(
        "eval.sampling.max_completion_tokens",
        COUNT,
        "The longest completion, in tokens.",
    ),
    key(
        "eval.max_prompt_tokens",
        COUNT,
        "Longer prompts lose tokens on the left.",
    ),
    key(
        "eval.batch_size",
        Kind::Whole(1, 100_000),
        "How many completions are generated side by side.",
    ),
    key(
        "eval.limit",
        COUNT_OR_ZERO,
        "Only the first so many tasks of a benchmark; 0 takes all.",
    ),
    key(
        "eval.strict",
        Kind::Flag,
        "Whether HumanEval and HumanEval+ compare values in another process than the one that made them.",
    ),
    key(
        "eval.evalplus",
        Kind::Choice("version of EvalPlus", variants::<Flavour>),
        "Whose rules HumanEval+ follows: the development version's, or those of 0.3.1, which fails every solution of HumanEval/32.",
    ),
    key(
        "eval.repairs",
        Kind::Choice("set of repairs", variants::<Repairs>),
        "What is mended in the data of CodeUpdateArena: nothing, or with `paper` what the paper says it has mended (`datasets/overlays`).",
    ),
    key(
        "eval.python",
        Kind::Text,
        "The Python that judges; with `auto` RECODE_PYTHON, the environment of `recode python --setup`, or python3. Not part of a job's identity.",
    ),
    key(
        "eval.allow_unsandboxed",
        Kind::Flag,
        "Whether to run completions where the system lacks a safeguard.",
    ),
    key(
        "run.backend",
        Kind::Choice("backend", backends),
        "What computes: `cpu`, `wgpu` (any GPU) or `cuda`.",
    ),
    key(
        "run.seeds",
        Kind::List(&SEED),
        "The seeds; each is a training and its evaluations of its own.",
    ),
    key(
        "run.slots",
        Kind::Whole(1, 10_000),
        "How many jobs run side by side.",
    ),
    key(
        "run.needs.gpus",
        Kind::Whole(0, 1_024),
        "How many GPUs a job needs.",
    ),
    key(
        "run.needs.gpu_mem",
        Kind::Memory(0),
        "How much memory each of them must have.",
    ),
    key(
        "run.needs.time",
        Kind::Time,
        "How long a job may take; `0h` sets no limit.",
    ),
    key(
        "table.rows",
        Kind::TextOrList,
        "The axes that make the rows; all axes if left out.",
    ),
    key(
        "table.cols",
        Kind::List(&Kind::Text),
        "The columns, as `benchmark.metric`; pass@1 of every benchmark if left out.",
    ),
    key(
        "table.show",
        Kind::Choice("way to show a table", variants::<Show>),
        "Show the values, or with `delta` the changes against the baseline.",
    ),
    key(
        "table.baseline",
        Kind::Assignments,
        "What rows are compared with: `{ method = \"untrained\" }`, or values of axes.",
    ),
    key(
        "table.reference",
        Kind::Text,
        "A table of `datasets/reference/`, such as `recode.table1`, to print beside ours.",
    ),
];

/// The keys of `[train]` that each algorithm's table may repeat for itself.
pub(super) const SHARED: &[Key] = &[
    key(
        "reward",
        Kind::Choice("reward", variants::<Variant>),
        "The correctness part of the reward (paper, Table 2).",
    ),
    key(
        "max_steps",
        COUNT,
        "Optimiser updates for SFT, rollout steps for the others.",
    ),
    key(
        "batch_size",
        Kind::Whole(1, 1_000_000),
        "Rows a step for SFT; prompts a step for the others.",
    ),
    key(
        "group_size",
        Kind::Whole(2, 100_000),
        "Completions a prompt.",
    ),
    key("lr.peak", above_to(0.0, 10.0), "The highest step size."),
    key("lr.warmup_steps", COUNT_OR_ZERO, "Updates until the peak."),
    key(
        "lr.schedule",
        Kind::Choice("schedule", variants::<Schedule>),
        "What follows the warm-up.",
    ),
    key(
        "lr.floor",
        from_to(0.0, 1.0),
        "The share of the peak at which warm-up starts and the schedule ends.",
    ),
    key(
        "optimizer.beta1",
        from_below(0.0, 1.0),
        "The decay of the first moment.",
    ),
    key(
        "optimizer.beta2",
        from_below(0.0, 1.0),
        "The decay of the second moment.",
    ),
    key(
        "optimizer.epsilon",
        above_to(0.0, 1.0),
        "Added to the root of the second moment.",
    ),
    key(
        "optimizer.weight_decay",
        from_to(0.0, 10.0),
        "The decoupled weight decay.",
    ),
    key(
        "optimizer.max_grad_norm",
        above_to(0.0, 1e9),
        "The largest global norm of the gradients.",
    ),
    key(
        "sampling.temperature",
        above_to(0.0, 100.0),
        "Divides the logits, in sampling and in the loss.",
    ),
    key(
        "sampling.top_k",
        COUNT_OR_ZERO,
        "Keeps so many of the most likely tokens; 0 keeps all.",
    ),
    key(
        "sampling.top_p",
        above_to(0.0, 1.0),
        "Keeps the smallest set of tokens whose probabilities sum to this; 1 keeps all.",
    ),
    key(
        "sampling.min_p",
        from_to(0.0, 1.0),
        "Keeps tokens that are at least this likely in comparison with the likeliest; 0 keeps all.",
    ),
    key(
        "sampling.max_completion_tokens",
        COUNT,
        "The longest completion, in tokens.",
    ),
    key(
        "max_prompt_tokens",
        COUNT,
        "Longer prompts lose tokens on the left.",
    ),
    key(
        "micro_batch_tokens",
        COUNT,
        "The most tokens in one forward and backward pass; changes memory, not results beyond rounding.",
    ),
    key(
        "gradient_checkpointing",
        Kind::Flag,
        "Keeps the graph of one block at a time and runs each block twice: less memory, more time.",
    ),
    key(
        "save_every",
        COUNT,
        "A checkpoint after so many steps; not part of a job's identity.",
    ),
    key(
        "keep_checkpoints",
        Kind::Whole(1, 1_000_000),
        "How many checkpoints stay, besides the best; not part of a job's identity.",
    ),
    key(
        "samples_every",
        COUNT_OR_ZERO,
        "Writes down all completions of every so many steps (`samples.jsonl`); 0 writes none; not part of a job's identity.",
    ),
    key(
        "eval.every",
        COUNT_OR_ZERO,
        "Measures the model after so many steps each time, and after the last; 0 never does.",
    ),
    key(
        "eval.benchmark",
        BENCHMARK,
        "What it is measured on, otherwise as `[eval]` says; the figures of a report show the course.",
    ),
    key(
        "eval.limit",
        COUNT_OR_ZERO,
        "Only the first so many tasks; 0 takes all.",
    ),
    key(
        "eval.samples",
        Kind::Whole(1, 100_000),
        "Completions a task.",
    ),
    key(
        "checkpoint",
        Kind::Choice("checkpoint", variants::<FinalCheckpoint>),
        "The weights that the trained model has: the `last` step's, or those of the `best` evaluation by `eval.every`.",
    ),
];

pub(super) const TRAIN: &[Key] = &[key(
    "algorithm",
    Kind::Choice("algorithm", algorithms_or_none),
    "How the model is trained; `none` measures it as it is.",
)];

pub(super) const SFT: &[Key] = &[
    key(
        "prompt_weight",
        from_to(0.0, 1.0),
        "The weight of the prompt's tokens in the loss; 0 trains on completions only.",
    ),
    key(
        "order",
        Kind::Choice("order", variants::<RowOrder>),
        "In which order the rows come: another one each time, or as they stand in the file.",
    ),
];

const AFTER: Key = key(
    "after",
    Kind::Choice("stage", stages_before),
    "With `sft`, SFT runs first, as `[train.sft]` says, and this algorithm starts from its result.",
);

const CLIP_LOW: Key = key(
    "clip_low",
    from_to(0.0, 1.0),
    "The ratio of the policies is clipped below at 1 minus this.",
);

const CLIP_HIGH: Key = key(
    "clip_high",
    from_to(0.0, 1e3),
    "The ratio of the policies is clipped above at 1 plus this.",
);

const ADVANTAGE_EPSILON: Key = key(
    "advantage_epsilon",
    from_to(0.0, 1.0),
    "Added to the divisor of the advantages.",
);

const MINI_BATCH_SIZE: Key = key(
    "mini_batch_size",
    Kind::Whole(1, 1_000_000),
    "Prompts an update; `batch_size / mini_batch_size` updates follow one rollout.",
);

pub(super) const GRPO: &[Key] = &[
    AFTER,
    key(
        "beta",
        from_to(0.0, 1e3),
        "The weight of the KL divergence from the frozen start.",
    ),
    CLIP_LOW,
    CLIP_HIGH,
    key(
        "aggregation",
        Kind::Choice("aggregation", variants::<Aggregation>),
        "How the losses of tokens become one number.",
    ),
    key(
        "advantage_scale",
        Kind::Choice("advantage scale", variants::<AdvantageScale>),
        "What a group's centred rewards are divided by.",
    ),
    ADVANTAGE_EPSILON,
    key(
        "mask_truncated",
        Kind::Flag,
        "Whether completions without a stop token are left out of the loss.",
    ),
];

pub(super) const DAPO: &[Key] = &[
    AFTER,
    CLIP_LOW,
    CLIP_HIGH,
    key(
        "clip_ratio_c",
        Kind::Number(Range {
            low: 1.0,
            high: 1e6,
            is_open_below: true,
            is_open_above: false,
        }),
        "The bound of the dual clip: with a negative advantage the loss is at most this times it.",
    ),
    ADVANTAGE_EPSILON,
    MINI_BATCH_SIZE,
    key(
        "dynamic_sampling",
        Kind::Flag,
        "Whether groups without a spread of rewards are replaced by sampling more prompts.",
    ),
    key(
        "max_generation_batches",
        Kind::Whole(1, 100_000),
        "The most generation batches a step.",
    ),
    key(
        "overlong_buffer",
        COUNT_OR_ZERO,
        "Tokens before the limit over which the overlong penalty grows; 0 turns it off.",
    ),
    key(
        "overlong_factor",
        from_to(0.0, 1e3),
        "The penalty at the limit.",
    ),
];

pub(super) const GSPO: &[Key] = &[
    AFTER,
    CLIP_LOW,
    CLIP_HIGH,
    ADVANTAGE_EPSILON,
    MINI_BATCH_SIZE,
];

pub(super) const CISPO: &[Key] = &[
    AFTER,
    key(
        "largest_ratio",
        above_to(0.0, 1e3),
        "The largest ratio of the policies that a token is weighted with.",
    ),
    ADVANTAGE_EPSILON,
    MINI_BATCH_SIZE,
];

pub(super) const SAMPLES: Key = key(
    "samples",
    Kind::Whole(1, 100_000),
    "Completions a task of this benchmark.",
);

pub(super) const BENCHMARK_FILE: Key = key(
    "benchmarks",
    Kind::File,
    "A file that replaces this benchmark's.",
);
