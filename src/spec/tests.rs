//! What a person reads who has mistyped something: one test a section of the spec.

#![expect(
    clippy::too_many_lines,
    reason = "most lines are the texts that users see"
)]

use std::fs;

use proptest::prelude::*;

use super::*;

const MANIFEST: &str = "\
[\"qwen2.5-coder-7b-instruct\"]
kind = \"model\"
description = \"d\"
licence = \"l\"
host = \"hub_model\"
repository = \"a/b\"
revision = \"main\"
files = [\"f\"]
[recode-train]
kind = \"migrations\"
description = \"d\"
licence = \"l\"
host = \"hub_dataset\"
repository = \"a/b\"
revision = \"main\"
files = [\"f\"]
";

/// A project with everything that specs name by default.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("datasets/manifest.toml", MANIFEST),
        ("datasets/reference/recode.toml", "[table1]\n[table2]\n"),
        ("datasets/prompts/migration.jinja", ""),
        ("datasets/prompts/code_update_arena.jinja", ""),
        ("datasets/prompts/human_eval.jinja", ""),
        ("datasets/quickstart/tokenizer.json", "{}"),
    ] {
        write(folder.path(), name, text);
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn load_in(
    folder: &Path,
    environment: &[(&str, &str)],
    overrides: &[&str],
) -> Result<Experiment, String> {
    let around = Surroundings::at(folder).unwrap();
    let environment: Vec<(String, String)> = environment
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    let request = Request {
        file: &folder.join("x.toml"),
        overrides: &overrides,
        environment: &environment,
        around: &around,
    };
    load(&request).map_err(|mistakes| {
        let text = mistakes
            .to_string()
            .replace(&format!("{}/", folder.display()), "");
        without_lines_of_the_defaults(&text)
    })
}

/// The text without places in the built-in defaults, which move when a default is added.
fn without_lines_of_the_defaults(text: &str) -> String {
    let mut parts = text.split("defaults.toml):");
    let mut redacted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        redacted.push_str("defaults.toml):…");
        redacted.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':'));
    }
    redacted
}

fn experiment(text: &str) -> Experiment {
    let folder = project();
    write(folder.path(), "x.toml", text);
    load_in(folder.path(), &[], &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The mistakes of a spec.
fn mistakes(text: &str) -> String {
    let folder = project();
    write(folder.path(), "x.toml", text);
    load_in(folder.path(), &[], &[]).expect_err("the spec has mistakes")
}

#[test]
fn text_that_is_no_toml() {
    insta::assert_snapshot!(mistakes("name = \"x\"\n[train\nmax_steps = 3\n"), @r"
    error[E100]: this is not TOML
     --> x.toml:2:7
      |
    2 | [train
      |       ^ unclosed table, expected `]`

    x.toml: 1 problem
    ");
}

#[test]
fn a_spec_that_is_not_there() {
    insta::assert_snapshot!(load_in(project().path(), &[], &[]).unwrap_err(), @r"
    error[E113]: the spec `x.toml` cannot be read
    --> x.toml
     = note: No such file or directory (os error 2)
     = help: give the path of a spec, such as `experiments/quickstart.toml`

    x.toml: 1 problem
    ");
}

#[test]
fn typos_at_the_top() {
    insta::assert_snapshot!(mistakes("nmae = \"x\"\nbackend = \"cpu\"\n[trian]\nmax_steps = 0\n"), @r#"
    error[E101]: unknown key `nmae`
     --> x.toml:1:1
      |
    1 | nmae = "x"
      | ^^^^ not a key of a spec
      |
    help: a key with a similar name exists: `name`
      |
    1 - nmae = "x"
    1 + name = "x"
      |

    error[E101]: unknown key `backend`
     --> x.toml:2:1
      |
    2 | backend = "cpu"
      | ^^^^^^^ not a key of a spec
      |
      = help: it belongs in [run]: write `run.backend`

    error[E101]: unknown section `trian`
     --> x.toml:3:2
      |
    3 | [trian]
      |  ^^^^^ not a section of a spec
      |
    help: a section with a similar name exists: `train`
      |
    3 - [trian]
    3 + [train]
      |

    error[E104]: `train.max_steps` is out of range
     --> x.toml:4:13
      |
    4 | max_steps = 0
      |             ^ expected a whole number from 1

    x.toml: 4 problems
    "#);
}

#[test]
fn a_name_that_is_missing_or_no_folder() {
    insta::assert_snapshot!(mistakes("description = \"d\"\n"), @r#"
    error[E105]: the key `name` is missing
     --> x.toml:1:1
      |
    1 | description = "d"
      | ^ the folder of the tables needs a name
      |
      = help: write at the top: name = "x"

    x.toml: 1 problem
    "#);
    insta::assert_snapshot!(mistakes("name = \"../tables/my table\"\n"), @r#"
    error[E111]: `name` cannot be the name of a folder
     --> x.toml:1:8
      |
    1 | name = "../tables/my table"
      |        ^^^^^^^^^^^^^^^^^^^^ expected 1 to 64 of `a-z A-Z 0-9 _ - .`, the first a letter or a digit
      |
    help: for instance `tables_my_table`
      |
    1 - name = "../tables/my table"
    1 + name = "tables_my_table"
      |

    x.toml: 1 problem
    "#);
}

#[test]
fn typos_in_model() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[model]
base = \"qwen2.5-coder-7b-instrct\"
dtype = \"bf32\"
adapter = { kind = \"dorra\", r = 64.0, dropout = 1.0, targets = \"q_proj\" }
"), @r#"
    error[E107]: unknown model `qwen2.5-coder-7b-instrct`
     --> x.toml:3:8
      |
    3 | base = "qwen2.5-coder-7b-instrct"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^ neither a name of datasets/manifest.toml nor a folder
      |
    help: did you mean `qwen2.5-coder-7b-instruct`?
      |
    3 | base = "qwen2.5-coder-7b-instruct"
      |                               +

    error[E102]: unknown dtype `bf32`
     --> x.toml:4:9
      |
    4 | dtype = "bf32"
      |         ^^^^^^ expected `f32`, `f16` or `bf16`
      |
    help: did you mean `f32`?
      |
    4 - dtype = "bf32"
    4 + dtype = "f32"
      |

    error[E102]: unknown adapter kind `dorra`
     --> x.toml:5:20
      |
    5 | adapter = { kind = "dorra", r = 64.0, dropout = 1.0, targets = "q_proj" }
      |                    ^^^^^^^ expected `none`, `lora` or `dora`
      |
    help: did you mean `dora`?
      |
    5 - adapter = { kind = "dorra", r = 64.0, dropout = 1.0, targets = "q_proj" }
    5 + adapter = { kind = "dora", r = 64.0, dropout = 1.0, targets = "q_proj" }
      |

    error[E103]: `model.adapter.r` must be a whole number
     --> x.toml:5:33
      |
    5 | adapter = { kind = "dorra", r = 64.0, dropout = 1.0, targets = "q_proj" }
      |                                 ^^^^ this is a number
      |
    help: write it as a whole number
      |
    5 - adapter = { kind = "dorra", r = 64.0, dropout = 1.0, targets = "q_proj" }
    5 + adapter = { kind = "dorra", r = 64, dropout = 1.0, targets = "q_proj" }
      |

    error[E104]: `model.adapter.dropout` is out of range
     --> x.toml:5:49
      |
    5 | adapter = { kind = "dorra", r = 64.0, dropout = 1.0, targets = "q_proj" }
      |                                                 ^^^ expected a number from 0, and below 1

    error[E102]: unknown adapter target `q_proj`
     --> x.toml:5:64
      |
    5 | adapter = { kind = "dorra", r = 64.0, dropout = 1.0, targets = "q_proj" }
      |                                                                ^^^^^^^^ expected `attention` or `all_linear`, or a list of projections
      |
    help: write a list
      |
    5 - adapter = { kind = "dorra", r = 64.0, dropout = 1.0, targets = "q_proj" }
    5 + adapter = { kind = "dorra", r = 64.0, dropout = 1.0, targets = ["q_proj"] }
      |

    x.toml: 6 problems
    "#);
}

#[test]
fn a_shape_that_no_model_has() {
    insta::assert_snapshot!(
        mistakes(
            "\
name = \"x\"
[model]
base = \"scratch\"
[model.scratch]
tokenizer = \"datasets/quickstart/tokeniser.json\"
hidden_size = 100
num_attention_heads = 8
num_key_value_heads = 3
max_position_embeddings = 128
[train]
max_prompt_tokens = 100
sampling = { max_completion_tokens = 64 }
[eval]
max_prompt_tokens = 32
sampling = { max_completion_tokens = 64 }
"
        ),
        @r#"
    error[E106]: the tokenizer `datasets/quickstart/tokeniser.json` is not there
     --> x.toml:5:13
      |
    5 | tokenizer = "datasets/quickstart/tokeniser.json"
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no file datasets/quickstart/tokeniser.json
      |
    help: did you mean `datasets/quickstart/tokenizer.json`?
      |
    5 - tokenizer = "datasets/quickstart/tokeniser.json"
    5 + tokenizer = "datasets/quickstart/tokenizer.json"
      |

    error[E112]: a width of 100 cannot be split into 8 heads of even width
     --> x.toml:7:23
      |
    7 | num_attention_heads = 8
      |                       ^ must divide the width

    error[E112]: 8 query heads cannot share 3 key and value heads
     --> x.toml:8:23
      |
    8 | num_key_value_heads = 3
      |                       ^ must divide the number of query heads

    error[E112]: prompts of 100 and completions of 64 tokens in training are longer than the model's 128
      --> x.toml:12:38
       |
     9 | max_position_embeddings = 128
       |                           --- the model's longest sequence
    ...
    12 | sampling = { max_completion_tokens = 64 }
       |                                      ^^ the completions
       |
       = help: lower `max_prompt_tokens` or `max_completion_tokens`, or raise `model.scratch.max_position_embeddings`

    x.toml: 4 problems
    "#
    );
}

#[test]
fn typos_in_data() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[data]
train = \"recode-trian\"
prompts = { migration = \"./migration.jinja\" }
[data.benchmarks]
humanevl = \"he.jsonl\"
humaneval = \"he.jsonl\"
"), @r#"
    error[E108]: unknown data set `recode-trian`
     --> x.toml:3:9
      |
    3 | train = "recode-trian"
      |         ^^^^^^^^^^^^^^ neither a name of datasets/manifest.toml nor a file
      |
    help: did you mean `recode-train`?
      |
    3 - train = "recode-trian"
    3 + train = "recode-train"
      |

    error[E106]: the prompt template `./migration.jinja` is not there
     --> x.toml:4:25
      |
    4 | prompts = { migration = "./migration.jinja" }
      |                         ^^^^^^^^^^^^^^^^^^^ no file ./migration.jinja
      |
      = help: paths start in the folder that has `datasets/` in it; those that begin with `./` or `../`, in the folder of the spec

    error[E102]: unknown benchmark `humanevl`
     --> x.toml:6:1
      |
    6 | humanevl = "he.jsonl"
      | ^^^^^^^^ expected `code_update_arena`, `humaneval`, `humaneval_plus`, `mini_arena` or `multi_update`
      |
    help: did you mean `humaneval`?
      |
    6 | humaneval = "he.jsonl"
      |        +

    error[E106]: the benchmark file `he.jsonl` is not there
     --> x.toml:7:13
      |
    7 | humaneval = "he.jsonl"
      |             ^^^^^^^^^^ no file he.jsonl
      |
      = help: paths start in the folder that has `datasets/` in it; those that begin with `./` or `../`, in the folder of the spec

    x.toml: 4 problems
    "#);
}

#[test]
fn typos_in_train() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[train]
algoritm = \"grppo\"
reward = [\"em\", \"es\"]
max_steps = \"5000\"
lr = { peak = \"5e-5\", warmup = 3, schedule = \"cosin\" }
temperature = 1.0
beta = 0.1
[train.grpo]
group_size = 1
mask_truncated = \"true\"
[train.ppo]
clip = 0.2
"), @r#"
    error[E101]: unknown key `algoritm` in [train]
     --> x.toml:3:1
      |
    3 | algoritm = "grppo"
      | ^^^^^^^^ not a key of [train]
      |
    help: a key with a similar name exists: `algorithm`
      |
    3 | algorithm = "grppo"
      |        +

    error[E102]: unknown algorithm `grppo`
     --> x.toml:3:12
      |
    3 | algoritm = "grppo"
      |            ^^^^^^^ expected `none`, `sft`, `grpo` or `dapo`
      |
    help: did you mean `grpo`?
      |
    3 - algoritm = "grppo"
    3 + algoritm = "grpo"
      |

    error[E103]: `train.reward` must be a text in quotes
     --> x.toml:4:10
      |
    4 | reward = ["em", "es"]
      |          ^^^^^^^^^^^^ this is a list
      |
      = help: for several values, make it an axis: [grid] "train.reward" = ["em", "es"]

    error[E103]: `train.max_steps` must be a whole number
     --> x.toml:5:13
      |
    5 | max_steps = "5000"
      |             ^^^^^^ this is a text
      |
    help: remove the quotes
      |
    5 - max_steps = "5000"
    5 + max_steps = 5000
      |

    error[E103]: `train.lr.peak` must be a number
     --> x.toml:6:15
      |
    6 | lr = { peak = "5e-5", warmup = 3, schedule = "cosin" }
      |               ^^^^^^ this is a text
      |
    help: remove the quotes
      |
    6 - lr = { peak = "5e-5", warmup = 3, schedule = "cosin" }
    6 + lr = { peak = 5e-5, warmup = 3, schedule = "cosin" }
      |

    error[E101]: unknown key `warmup` in [train.lr]
     --> x.toml:6:23
      |
    6 | lr = { peak = "5e-5", warmup = 3, schedule = "cosin" }
      |                       ^^^^^^ not a key of [train.lr]
      |
    help: a key with a similar name exists: `warmup_steps`
      |
    6 | lr = { peak = "5e-5", warmup_steps = 3, schedule = "cosin" }
      |                             ++++++

    error[E102]: unknown schedule `cosin`
     --> x.toml:6:46
      |
    6 | lr = { peak = "5e-5", warmup = 3, schedule = "cosin" }
      |                                              ^^^^^^^ expected `constant`, `linear` or `cosine`
      |
    help: did you mean `cosine`?
      |
    6 | lr = { peak = "5e-5", warmup = 3, schedule = "cosine" }
      |                                                    +

    error[E101]: unknown key `temperature` in [train]
     --> x.toml:7:1
      |
    7 | temperature = 1.0
      | ^^^^^^^^^^^ not a key of [train]
      |
      = help: it belongs in [train.sampling]: write `train.sampling.temperature`

    error[E101]: unknown key `beta` in [train]
     --> x.toml:8:1
      |
    8 | beta = 0.1
      | ^^^^ not a key of [train]
      |
      = help: it belongs in [train.grpo]: write `train.grpo.beta`

    error[E104]: `train.grpo.group_size` is out of range
      --> x.toml:10:14
       |
    10 | group_size = 1
       |              ^ expected a whole number from 2 to 100000

    error[E103]: `train.grpo.mask_truncated` must be `true` or `false`
      --> x.toml:11:18
       |
    11 | mask_truncated = "true"
       |                  ^^^^^^ this is a text
       |
    help: remove the quotes
       |
    11 - mask_truncated = "true"
    11 + mask_truncated = true
       |

    error[E101]: unknown section `ppo` in [train]
      --> x.toml:12:8
       |
    12 | [train.ppo]
       |        ^^^ not a section of [train]
       |
       = help: [train] has `algorithm`, `batch_size`, `dapo`, `group_size`, `grpo`, `keep_checkpoints`, `lr`, `max_prompt_tokens`, `max_steps`, `micro_batch_tokens`, `optimizer`, `reward`, `sampling`, `save_every` and `sft`

    x.toml: 12 problems
    "#);
}

#[test]
fn settings_of_training_that_exclude_each_other() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[train]
algorithm = \"dapo\"
max_steps = 20
[train.dapo]
batch_size = 6
"), @r"
    error[E112]: a warm-up of 150 is longer than the 20 updates of dapo
     --> x.toml:4:13
      |
    4 | max_steps = 20
      |             ^^ the steps
      |
      = note: the warm-up: built-in defaults (src/spec/defaults.toml):…
      = help: set `train.dapo.lr.warmup_steps` to 1 (3 %, as in the paper), or raise the steps

    error[E112]: a batch of 6 prompts cannot be cut into 4s
     --> x.toml:6:14
      |
    6 | batch_size = 6
      |              ^ the batch
      |
      = note: must divide the batch: built-in defaults (src/spec/defaults.toml):…
      = help: change one of the two

    x.toml: 2 problems
    ");
}

#[test]
fn typos_in_reward() {
    insta::assert_snapshot!(mistakes("name = \"x\"\n[reward]\nnormaliser = \"publised\"\n"), @r#"
    error[E101]: unknown key `normaliser` in [reward]
     --> x.toml:3:1
      |
    3 | normaliser = "publised"
      | ^^^^^^^^^^ not a key of [reward]
      |
    help: a key with a similar name exists: `normalizer`
      |
    3 - normaliser = "publised"
    3 + normalizer = "publised"
      |

    error[E102]: unknown normalizer `publised`
     --> x.toml:3:14
      |
    3 | normaliser = "publised"
      |              ^^^^^^^^^^ expected `published` or `fixed`
      |
    help: did you mean `published`?
      |
    3 | normaliser = "published"
      |                     +

    x.toml: 2 problems
    "#);
}

#[test]
fn typos_in_eval() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[eval]
benchmarks = \"humaneval\"
samples = { codeupdatearena = 5, humaneval = 0 }
sampling = { top_p = 1.5 }
seeds = [1]
"), @r#"
    error[E103]: `eval.benchmarks` must be a list
     --> x.toml:3:14
      |
    3 | benchmarks = "humaneval"
      |              ^^^^^^^^^^^ this is a text
      |
    help: put it in brackets
      |
    3 - benchmarks = "humaneval"
    3 + benchmarks = ["humaneval"]
      |

    error[E102]: unknown benchmark `codeupdatearena`
     --> x.toml:4:13
      |
    4 | samples = { codeupdatearena = 5, humaneval = 0 }
      |             ^^^^^^^^^^^^^^^ expected `code_update_arena`, `humaneval`, `humaneval_plus`, `mini_arena` or `multi_update`
      |
    help: did you mean `code_update_arena`?
      |
    4 - samples = { codeupdatearena = 5, humaneval = 0 }
    4 + samples = { code_update_arena = 5, humaneval = 0 }
      |

    error[E104]: `eval.samples.humaneval` is out of range
     --> x.toml:4:46
      |
    4 | samples = { codeupdatearena = 5, humaneval = 0 }
      |                                              ^ expected a whole number from 1 to 100000

    error[E104]: `eval.sampling.top_p` is out of range
     --> x.toml:5:22
      |
    5 | sampling = { top_p = 1.5 }
      |                      ^^^ expected a number above 0, and at most 1

    error[E101]: unknown key `seeds` in [eval]
     --> x.toml:6:1
      |
    6 | seeds = [1]
      | ^^^^^ not a key of [eval]
      |
      = help: it belongs in [run]: write `run.seeds`

    x.toml: 5 problems
    "#);
}

#[test]
fn typos_in_run() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[run]
backend = \"gpu\"
seeds = [42, 42]
slots = -1
needs = { gpus = true, gpu_mem = \"70\", time = 20 }
"), @r#"
    error[E102]: unknown backend `gpu`
     --> x.toml:3:11
      |
    3 | backend = "gpu"
      |           ^^^^^ expected `cpu`, `wgpu` or `cuda`
      |
    help: did you mean `wgpu`?
      |
    3 | backend = "wgpu"
      |            +

    error[E124]: `run.seeds` has 42 twice
     --> x.toml:4:14
      |
    4 | seeds = [42, 42]
      |          --  ^^ remove this one
      |          |
      |          the first is here

    error[E104]: `run.slots` is out of range
     --> x.toml:5:9
      |
    5 | slots = -1
      |         ^^ expected a whole number from 1 to 10000

    error[E103]: `run.needs.gpus` must be a whole number
     --> x.toml:6:18
      |
    6 | needs = { gpus = true, gpu_mem = "70", time = 20 }
      |                  ^^^^ this is `true` or `false`
      |
      = help: expected a whole number from 0 to 1024

    error[E104]: `run.needs.gpu_mem` cannot be read
     --> x.toml:6:34
      |
    6 | needs = { gpus = true, gpu_mem = "70", time = 20 }
      |                                  ^^^^ expected an amount such as `70GiB`

    error[E103]: `run.needs.time` must be a text in quotes
     --> x.toml:6:47
      |
    6 | needs = { gpus = true, gpu_mem = "70", time = 20 }
      |                                               ^^ this is a whole number
      |
      = help: expected a length of time such as "20h" or "45m"

    x.toml: 6 problems
    "#);
}

#[test]
fn typos_in_the_axes() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[grid]
\"train.rewrd\" = [\"em\"]
\"train.max_steps\" = []
\"run.slots\" = [1, 2]
\"train.batch_size\" = 8
train.reward = [\"em\", \"ess\", \"em\"]
[table]
rows = \"train.rewrd\"
"), @r#"
    error[E120]: `train.rewrd` is no setting
     --> x.toml:3:1
      |
    3 | "train.rewrd" = ["em"]
      | ^^^^^^^^^^^^^ no key of a spec has this path
      |
    help: did you mean `train.reward`?
      |
    3 | "train.reward" = ["em"]
      |           +

    error[E121]: the axis `train.max_steps` has no values
     --> x.toml:4:21
      |
    4 | "train.max_steps" = []
      |                     ^^ a grid with an empty axis has no points
      |
      = help: list its values (expected a whole number from 1), or remove the axis

    error[E120]: `run.slots` cannot differ from point to point
     --> x.toml:5:1
      |
    5 | "run.slots" = [1, 2]
      | ^^^^^^^^^^^ it says how to run, and changes no result
      |
      = help: set it in its own section

    error[E103]: the axis `train.batch_size` must be a list of values
     --> x.toml:6:22
      |
    6 | "train.batch_size" = 8
      |                      ^ this is a whole number
      |
    help: put it in brackets
      |
    6 - "train.batch_size" = 8
    6 + "train.batch_size" = [8]
      |

    error[E102]: unknown reward `ess`
     --> x.toml:7:23
      |
    7 | train.reward = ["em", "ess", "em"]
      |                       ^^^^^ expected `format`, `em`, `es`, `em_star` or `es_star`
      |
    help: did you mean `es`?
      |
    7 - train.reward = ["em", "ess", "em"]
    7 + train.reward = ["em", "es", "em"]
      |

    error[E124]: `train.reward` has "em" twice
     --> x.toml:7:30
      |
    7 | train.reward = ["em", "ess", "em"]
      |                 ----         ^^^^ remove this one
      |                 |
      |                 the first is here

    x.toml: 6 problems
    "#);
}

#[test]
fn typos_in_the_tables_of_the_grid() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[grid]
\"train.reward\" = [\"em\", \"es\"]
[[grid.zip]]
\"train.max_steps\" = [1000, 5000]
\"train.lr.warmup_steps\" = [30, 150, 200]
[[grid.zip]]
\"train.reward\" = [\"em\"]
[[grid.exclude]]
\"train.reward\" = \"format\"
[[grid.when]]
if = { \"train.algorithm\" = \"sft\" }
set = { \"train.batch_size\" = 16 }
[[grid.when]]
if = { \"train.reward\" = \"em\" }
[grid.add]
\"train.reward\" = \"em\"
"), @r#"
    error[E122]: the axes of a [[grid.zip]] must have equally many values
     --> x.toml:6:27
      |
    5 | "train.max_steps" = [1000, 5000]
      |                     ------------ 2 values
    6 | "train.lr.warmup_steps" = [30, 150, 200]
      |                           ^^^^^^^^^^^^^^ 3 values
      |
      = help: they move together; to cross them, put them under [grid]

    error[E124]: `train.reward` stands in the grid twice
     --> x.toml:8:1
      |
    3 | "train.reward" = ["em", "es"]
      | -------------- the first is here
    ...
    8 | "train.reward" = ["em"]
      | ^^^^^^^^^^^^^^ remove one of the two

    error[E123]: a [[grid.exclude]] matches no point of the grid
      --> x.toml:10:18
       |
    10 | "train.reward" = "format"
       |                  ^^^^^^^^ `train.reward` is only ever "em", "es"
       |
       = help: it would silently change nothing: correct it, or remove it

    error[E123]: a [[grid.when]] matches no point of the grid
      --> x.toml:12:28
       |
    12 | if = { "train.algorithm" = "sft" }
       |                            ^^^^^ `train.algorithm` is only ever "grpo"
       |
       = help: it would silently change nothing: correct it, or remove it

    error[E105]: a [[grid.when]] needs both `if` and `set`
      --> x.toml:14:1
       |
    14 | [[grid.when]]
       | ^^^^^^^^^^^^^ one is missing
       |
       = help: for instance: if = { "train.algorithm" = "sft" } and set = { "train.batch_size" = 16 }

    error[E103]: `grid.add` must be a list of tables
      --> x.toml:16:7
       |
    16 | [grid.add]
       |       ^^^ this is a table
       |
       = help: write [[grid.add]] with two pairs of brackets

    x.toml: 6 problems
    "#);
}

#[test]
fn points_that_are_equal_or_gone() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[grid]
\"train.reward\" = [\"em\", \"es\"]
[[grid.add]]
\"train.reward\" = \"es\"
"), @r#"
    error[E125]: two points of the grid are equal
     --> x.toml:4:1
      |
    3 | "train.reward" = ["em", "es"]
      |                         ---- the first is here
    4 | [[grid.add]]
      | ^^^^^^^^^^^^ the same again
      |
      = help: remove one of them

    x.toml: 1 problem
    "#);
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[grid]
\"train.reward\" = [\"em\", \"es\"]
[[grid.exclude]]
\"train.reward\" = [\"em\", \"es\"]
"), @r"
    error[E126]: the grid has no points left
     --> x.toml:4:8
      |
    4 | [[grid.exclude]]
      |        ^^^^^^^ its excludes match all of them
      |
      = help: remove an exclude, or add values to the axes

    x.toml: 1 problem
    ");
}

#[test]
fn typos_in_table() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[grid]
\"train.reward\" = [\"em\", \"es\"]
\"model.dtype\" = [\"f32\", \"bf16\"]
[table]
rows = [\"train.rewards\", \"train.max_steps\"]
cols = [\"code_update_arena.pass@10\", \"humaneval.pass@1\", \"humaneval_plus\", \"code_update_area.pass@1\", \"humaneval_plus.accuracy\"]
show = \"delta\"
reference = \"recode.tabel1\"
"), @r#"
    error[E130]: the table's row `train.rewards` is no axis of the grid
     --> x.toml:6:9
      |
    6 | rows = ["train.rewards", "train.max_steps"]
      |         ^^^^^^^^^^^^^^^ not in [grid]
      |
    help: did you mean `train.reward`?
      |
    6 - rows = ["train.rewards", "train.max_steps"]
    6 + rows = ["train.reward", "train.max_steps"]
      |

    error[E130]: the table's row `train.max_steps` is no axis of the grid
     --> x.toml:6:26
      |
    6 | rows = ["train.rewards", "train.max_steps"]
      |                          ^^^^^^^^^^^^^^^^^ not in [grid]
      |
      = help: make it an axis: [grid] "train.max_steps" = [...]

    error[E132]: pass@10 needs at least 10 samples a task
     --> x.toml:7:9
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^ `code_update_arena` has 5
      |
      = note: the samples are set here: built-in defaults (src/spec/defaults.toml):…
      = help: set `eval.samples.code_update_arena` to 10, or ask for pass@5

    error[E131]: `humaneval.pass@1` is no column
     --> x.toml:7:38
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |                                      ^^^^^^^^^^^^^^^^^^ no point of this experiment is measured on `humaneval`
      |
      = help: add "humaneval" to `eval.benchmarks`, or remove the column

    error[E131]: `humaneval_plus` is no column
     --> x.toml:7:58
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |                                                          ^^^^^^^^^^^^^^^^ expected `benchmark.metric`
      |
    help: for instance "humaneval_plus.pass@1"
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus.pass@1", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |                                                                         +++++++

    error[E131]: `code_update_area.pass@1` is no column
     --> x.toml:7:76
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |                                                                            ^^^^^^^^^^^^^^^^^^^^^^^^^ unknown benchmark `code_update_area`, expected `code_update_arena`, `humaneval`, `humaneval_plus`, `mini_arena` or `multi_update`
      |
    help: did you mean `code_update_arena.pass@1`?
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_arena.pass@1", "humaneval_plus.accuracy"]
      |                                                                                            +

    error[E131]: `humaneval_plus.accuracy` is no column
     --> x.toml:7:103
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |                                                                                                       ^^^^^^^^^^^^^^^^^^^^^^^^^ unknown metric `accuracy`, expected `pass@k` with a number for k
      |
    help: for instance
      |
    7 - cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.accuracy"]
    7 + cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.pass@1"]
      |

    error[E133]: changes need something to compare with
     --> x.toml:8:8
      |
    8 | show = "delta"
      |        ^^^^^^^ there is no `table.baseline`
      |
      = help: add to [table]: baseline = { method = "untrained" }

    error[E134]: unknown reference `recode.tabel1`
     --> x.toml:9:13
      |
    9 | reference = "recode.tabel1"
      |             ^^^^^^^^^^^^^^^ expected `recode.table1` or `recode.table2`
      |
    help: did you mean `recode.table1`?
      |
    9 - reference = "recode.tabel1"
    9 + reference = "recode.table1"
      |

    x.toml: 9 problems
    "#);
}

#[test]
fn an_axis_that_no_row_shows() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[grid]
\"train.reward\" = [\"em\", \"es\"]
\"model.dtype\" = [\"f32\", \"bf16\"]
[table]
rows = \"train.reward\"
"), @r#"
    error[E130]: the axis `model.dtype` is in no row of the table
     --> x.toml:6:8
      |
    6 | rows = "train.reward"
      |        ^^^^^^^^^^^^^^ a row would mix its values
      |
    help: add it to the rows
      |
    6 - rows = "train.reward"
    6 + rows = ["train.reward", "model.dtype"]
      |

    x.toml: 1 problem
    "#);
}

#[test]
fn a_baseline_that_is_none() {
    let head = "name = \"x\"\n[grid]\n\"train.reward\" = [\"em\", \"es\"]\n[table]\n";
    insta::assert_snapshot!(mistakes(&format!("{head}baseline = {{ method = \"base\" }}\n")), @r#"
    error[E102]: unknown method `base`
     --> x.toml:5:23
      |
    5 | baseline = { method = "base" }
      |                       ^^^^^^ expected `untrained`

    x.toml: 1 problem
    "#);
    insta::assert_snapshot!(
        mistakes(&format!("{head}baseline = {{ \"train.reward\" = \"format\" }}\n")), @r#"
    error[E133]: the baseline matches no point of the grid
     --> x.toml:5:31
      |
    5 | baseline = { "train.reward" = "format" }
      |                               ^^^^^^^^ no point has these values
      |
      = help: name values that the axes have, or write { method = "untrained" }

    x.toml: 1 problem
    "#);
}

#[test]
fn includes_that_are_missing_or_go_round() {
    let folder = project();
    write(
        folder.path(),
        "x.toml",
        "include = [\"sub/basis.toml\"]\nname = \"x\"\n",
    );
    write(folder.path(), "sub/base.toml", "");
    insta::assert_snapshot!(load_in(folder.path(), &[], &[]).unwrap_err(), @r#"
    error[E109]: the included file `sub/basis.toml` cannot be read
     --> x.toml:1:12
      |
    1 | include = ["sub/basis.toml"]
      |            ^^^^^^^^^^^^^^^^ No such file or directory (os error 2)
      |
    help: did you mean `sub/base.toml`?
      |
    1 - include = ["sub/basis.toml"]
    1 + include = ["sub/base.toml"]
      |

    x.toml: 1 problem
    "#);

    write(
        folder.path(),
        "x.toml",
        "include = [\"sub/base.toml\"]\nname = \"x\"\n",
    );
    write(
        folder.path(),
        "sub/base.toml",
        "include = [\"../x.toml\"]\n",
    );
    insta::assert_snapshot!(load_in(folder.path(), &[], &[]).unwrap_err(), @r#"
    error[E110]: files include each other in a circle
     --> sub/base.toml:1:12
      |
    1 | include = ["../x.toml"]
      |            ^^^^^^^^^^^ x.toml -> base.toml -> x.toml
      |
      = note: included from x.toml:1
      = help: remove one of these includes

    x.toml: 1 problem
    "#);
}

#[test]
fn a_mistake_in_an_included_file_says_who_includes_it() {
    let folder = project();
    write(
        folder.path(),
        "x.toml",
        "name = \"x\"\ninclude = [\"sub/base.toml\"]\n",
    );
    write(
        folder.path(),
        "sub/base.toml",
        "[train]\nreward = \"estar\"\n",
    );
    insta::assert_snapshot!(load_in(folder.path(), &[], &[]).unwrap_err(), @r#"
    error[E102]: unknown reward `estar`
     --> sub/base.toml:2:10
      |
    2 | reward = "estar"
      |          ^^^^^^^ expected `format`, `em`, `es`, `em_star` or `es_star`
      |
      = note: included from x.toml:2
    help: did you mean `es_star`?
      |
    2 | reward = "es_star"
      |             ++

    x.toml: 1 problem
    "#);
}

#[test]
fn mistakes_of_the_environment_and_the_command_line_are_told_as_theirs() {
    let folder = project();
    write(folder.path(), "x.toml", "name = \"x\"\n");
    let environment = [
        ("RECODE_TRAIN__LR__PEAK", "fast"),
        ("RECODE_TRIAN__MAX_STEPS", "3"),
        ("RECODE_CACHE", "/tmp"),
        ("HOME", "/home/user"),
    ];
    let overrides = [
        "train.algoritm=grppo",
        "train.max_steps",
        "grid.'train.rewrd'=['em']",
    ];
    insta::assert_snapshot!(load_in(folder.path(), &environment, &overrides).unwrap_err(), @r"
    error[E103]: `train.lr.peak` must be a number
    --> environment: RECODE_TRAIN__LR__PEAK=fast
     = note: this is a text
     = help: expected a number above 0, and at most 10

    error[E114]: the environment has `RECODE_TRIAN__MAX_STEPS`, which is no setting
    --> environment: RECODE_TRIAN__MAX_STEPS=3
     = note: variables that begin with RECODE_ set keys, with `__` for a dot
     = help: did you mean `RECODE_TRAIN__MAX_STEPS`? Else unset it

    error[E101]: unknown key `algoritm` in [train]
    --> command line: --set train.algoritm=grppo
     = note: not a key of [train]
     = help: a key with a similar name exists: `algorithm`

    error[E102]: unknown algorithm `grppo`
    --> command line: --set train.algoritm=grppo
     = note: expected `none`, `sft`, `grpo` or `dapo`
     = help: did you mean `grpo`?

    error[E115]: `--set` needs `key=value`
    --> command line: --set train.max_steps
     = note: no key and value
     = help: for instance `--set train.max_steps=100`

    error[E120]: `train.rewrd` is no setting
    --> command line: --set grid.'train.rewrd'=['em']
     = note: no key of a spec has this path
     = help: did you mean `train.reward`?

    x.toml: 6 problems
    ");
}

#[test]
fn layers_win_in_their_order_and_each_value_knows_its_origin() {
    let folder = project();
    write(
        folder.path(),
        "base.toml",
        "[train]\nmax_steps = 1000\nbatch_size = 2\ngroup_size = 4\n",
    );
    write(
        folder.path(),
        "x.toml",
        "include = [\"base.toml\"]\nname = \"x\"\ntrain.batch_size = 3\n",
    );
    let environment = [
        ("RECODE_TRAIN__GROUP_SIZE", "6"),
        ("RECODE_RUN__SLOTS", "2"),
    ];
    let loaded = load_in(folder.path(), &environment, &["run.slots=3"]).unwrap();

    let stage = &loaded.points[0].settings.stages[0];
    assert_eq!(
        (stage.max_steps, stage.batch_size, stage.group_size),
        (1000, 3, 6)
    );
    assert_eq!(loaded.run.slots, 3);
    let origin =
        |path: &str| loaded.origins[path].replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(origin("train.max_steps"), "base.toml:2:13");
    assert_eq!(origin("train.batch_size"), "x.toml:3:20");
    assert_eq!(
        origin("train.group_size"),
        "environment: RECODE_TRAIN__GROUP_SIZE=6"
    );
    assert_eq!(origin("run.slots"), "command line: --set run.slots=3");
    assert!(origin("train.lr.peak").starts_with("built-in defaults (src/spec/defaults.toml):"));
}

#[test]
fn an_axis_of_an_included_file_is_replaced() {
    let folder = project();
    write(
        folder.path(),
        "base.toml",
        "[grid]\n\"train.reward\" = [\"em\", \"es\", \"format\"]\n",
    );
    write(
        folder.path(),
        "x.toml",
        "include = [\"base.toml\"]\nname = \"x\"\n[grid]\n\"train.reward\" = [\"es_star\"]\n",
    );

    assert_eq!(load_in(folder.path(), &[], &[]).unwrap().points.len(), 1);
}

#[test]
fn axes_are_crossed_zips_move_together_and_conditions_change_points() {
    let loaded = experiment(
        "\
name = \"x\"
[grid]
\"train.algorithm\" = [\"none\", \"sft\", \"grpo\"]
[[grid.zip]]
train.max_steps = [1000, 5000]
train.lr.warmup_steps = [30, 150]
[[grid.exclude]]
\"train.algorithm\" = [\"none\", \"grpo\"]
\"train.max_steps\" = 5000
[[grid.when]]
if = { \"train.algorithm\" = \"sft\" }
set = { \"train.batch_size\" = 16 }
[[grid.add]]
\"train.algorithm\" = \"dapo\"
",
    );
    let points: Vec<(String, usize, usize, usize)> = loaded
        .points
        .iter()
        .map(|point| {
            let stage = point.settings.stages.last();
            let number = |of: fn(&crate::train::TrainSettings) -> usize| stage.map_or(0, of);
            (
                point.settings.method.clone(),
                number(|stage| stage.max_steps),
                number(|stage| stage.learning_rate.warmup_steps),
                number(|stage| stage.batch_size),
            )
        })
        .collect();

    // By hand: six points less two, and the added one with the values outside the grid.
    assert_eq!(
        points,
        [
            ("untrained".into(), 0, 0, 0),
            ("sft".into(), 1000, 30, 16),
            ("sft".into(), 5000, 150, 16),
            ("grpo".into(), 1000, 30, 1),
            ("dapo".into(), 5000, 150, 8),
        ]
    );
    assert_eq!(
        loaded.axes,
        [
            "train.algorithm",
            "train.max_steps",
            "train.lr.warmup_steps"
        ]
    );
    assert_eq!(loaded.table.rows, loaded.axes);
}

#[test]
fn a_set_of_adapter_targets_is_the_list_that_it_stands_for() {
    let targets = |text: &str| {
        let loaded = experiment(&format!("name = \"x\"\nmodel.adapter.targets = {text}\n"));
        loaded.points[0].settings.model.adapter.targets.0.clone()
    };

    assert_eq!(
        targets("\"attention\""),
        targets("[\"o_proj\", \"k_proj\", \"v_proj\", \"q_proj\"]")
    );
    assert_eq!(targets("\"all_linear\"").len(), 7);
}

#[test]
fn paths_begin_in_the_project_or_beside_the_file() {
    let folder = project();
    write(folder.path(), "sub/own.jinja", "");
    write(
        folder.path(),
        "sub/base.toml",
        "data.prompts.migration = \"./own.jinja\"\n",
    );
    write(
        folder.path(),
        "x.toml",
        "include = [\"sub/base.toml\"]\nname = \"x\"\n",
    );
    let prompts = load_in(folder.path(), &[], &[]).unwrap().points[0]
        .settings
        .data
        .prompts
        .clone();

    assert!(prompts.migration.is_file() && prompts.migration.ends_with("sub/own.jinja"));
    assert!(
        prompts
            .human_eval
            .ends_with("datasets/prompts/human_eval.jinja")
    );
}

const VALID: &str = "\
include = [\"base.toml\"]
name = \"x\"
[train]
lr = { peak = 1e-4, warmup_steps = 5 }
[run]
seeds = [1, 2]
[grid]
\"train.reward\" = [\"em\", \"es\"]
train.max_steps = [100, 200]
[[grid.zip]]
\"model.adapter.r\" = [1, 2]
\"model.adapter.alpha\" = [1, 2]
[[grid.when]]
if = { \"train.reward\" = \"em\" }
set = { \"train.group_size\" = 4 }
[[grid.exclude]]
\"train.reward\" = \"es\"
\"model.adapter.r\" = 1
[[grid.add]]
\"train.reward\" = \"format\"
[table]
cols = [\"code_update_arena.pass@5\"]
baseline = { method = \"untrained\" }
";

#[test]
fn the_spec_that_is_garbled_below_is_valid() {
    let folder = project();
    write(folder.path(), "base.toml", "");
    write(folder.path(), "x.toml", VALID);

    assert_eq!(load_in(folder.path(), &[], &[]).unwrap().points.len(), 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_garbled_spec_makes_a_panic(
        edits in prop::collection::vec((0..VALID.len(), 0usize..6, any::<u8>()), 1..6),
        value in "\\PC{0,12}",
    ) {
        const BITS: &[u8] = b"[]{}=\".,'\n#0-9e\xff\xc3";
        let mut bytes = VALID.as_bytes().to_vec();
        for (at, length, kind) in edits {
            let start = at.min(bytes.len());
            let end = (start + length).min(bytes.len());
            let new = match kind % 4 {
                0 => Vec::new(),
                1 => vec![BITS[usize::from(kind) % BITS.len()]],
                2 => value.as_bytes().to_vec(),
                _ => bytes[start..end].repeat(2),
            };
            bytes.splice(start..end, new);
        }
        let folder = project();
        write(folder.path(), "base.toml", "");
        fs::write(folder.path().join("x.toml"), bytes).unwrap();
        let set = format!("train.reward={value}");
        // Either answer will do: rendering all mistakes is part of what must not panic.
        let _ = load_in(folder.path(), &[("RECODE_TRAIN__LR", &value)], &[&set, &value]);
    }
}
