//! `[model]`.

use super::{experiment, mistakes};

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
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^ neither a name of datasets/manifest.toml nor a folder or GGUF file
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

    error[E102]: `model.adapter.targets` has no set `q_proj`
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
fn a_cache_of_nothing_or_of_no_unit() {
    insta::assert_snapshot!(mistakes("name = \"x\"\nmodel.kv_cache = \"0GiB\"\n"), @r#"
    error[E104]: `model.kv_cache` is out of range
     --> x.toml:2:18
      |
    2 | model.kv_cache = "0GiB"
      |                  ^^^^^^ expected an amount above 0, such as "4GiB"

    x.toml: 1 problem
    "#);
    insta::assert_snapshot!(mistakes("name = \"x\"\nmodel.kv_cache = \"4G\"\n"), @r#"
    error[E104]: `model.kv_cache` cannot be read
     --> x.toml:2:18
      |
    2 | model.kv_cache = "4G"
      |                  ^^^^ expected an amount such as `70GiB`

    x.toml: 1 problem
    "#);
    insta::assert_snapshot!(mistakes("name = \"x\"\nmodel.kv_cache = 4\n"), @r#"
    error[E103]: `model.kv_cache` must be a text in quotes
     --> x.toml:2:18
      |
    2 | model.kv_cache = 4
      |                  ^ this is a whole number
      |
      = help: expected an amount above 0, such as "4GiB"

    x.toml: 1 problem
    "#);
    insta::assert_snapshot!(mistakes("name = \"x\"\nmodel.kvcache = \"4GiB\"\n"), @r#"
    error[E101]: unknown key `kvcache` in [model]
     --> x.toml:2:7
      |
    2 | model.kvcache = "4GiB"
      |       ^^^^^^^ not a key of [model]
      |
    help: a key with a similar name exists: `kv_cache`
      |
    2 | model.kv_cache = "4GiB"
      |         +

    x.toml: 1 problem
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
tokenizer = \"datasets/from_scratch/tokeniser.json\"
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
    error[E106]: the tokenizer `datasets/from_scratch/tokeniser.json` does not exist
     --> x.toml:5:13
      |
    5 | tokenizer = "datasets/from_scratch/tokeniser.json"
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ no file datasets/from_scratch/tokeniser.json
      |
    help: did you mean `datasets/from_scratch/tokenizer.json`?
      |
    5 - tokenizer = "datasets/from_scratch/tokeniser.json"
    5 + tokenizer = "datasets/from_scratch/tokenizer.json"
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
fn a_remote_model_is_measured_as_it_is() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
model.base = \"remote\"
[model.remote]
base_url = \"https://me:secret@example.com/v1\"
temperature = 1.0
[train]
algorithm = \"grpo\"
[eval]
sampling = { top_k = 20 }
"), @r#"
    error[E104]: `model.remote.base_url` is not the address of an endpoint
     --> x.toml:2:14
      |
    2 | model.base = "remote"
      |              ^^^^^^^^ expected no user and no password: the key comes from `key_variable`

    error[E105]: the key `model.remote.model` is missing
     --> x.toml:2:14
      |
    2 | model.base = "remote"
      |              ^^^^^^^^ a remote model needs it
      |
      = help: write below [model.remote]: model = "qwen2.5-coder-32b-instruct"

    error[E101]: unknown key `temperature` in [model.remote]
     --> x.toml:5:1
      |
    5 | temperature = 1.0
      | ^^^^^^^^^^^ not a key of [model.remote]
      |
      = help: it belongs in [eval.sampling] or [train.sampling]: write `eval.sampling.temperature` or `train.sampling.temperature`

    error[E112]: a remote model cannot be trained by grpo
     --> x.toml:7:13
      |
    2 | model.base = "remote"
      |              -------- the model is remote
    ...
    7 | algorithm = "grpo"
      |             ^^^^^^ this trains
      |
      = help: set `train.algorithm` to "none": a remote model is measured as it is

    error[E112]: a remote model cannot sample with `top_k`
     --> x.toml:9:22
      |
    2 | model.base = "remote"
      |              -------- the model is remote
    ...
    9 | sampling = { top_k = 20 }
      |                      ^^ the interface has no such setting
      |
      = help: set `eval.sampling.top_k` to 0 for this model

    x.toml: 5 problems
    "#);
}

#[test]
fn a_remote_model_needs_an_address_and_a_name() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
[train]
algorithm = \"none\"
[model]
base = \"remote\"
"), @r#"
    error[E105]: the key `model.remote.base_url` is missing
     --> x.toml:5:8
      |
    5 | base = "remote"
      |        ^^^^^^^^ a remote model needs it
      |
      = help: write below [model.remote]: base_url = "http://localhost:8000/v1"

    error[E105]: the key `model.remote.model` is missing
     --> x.toml:5:8
      |
    5 | base = "remote"
      |        ^^^^^^^^ a remote model needs it
      |
      = help: write below [model.remote]: model = "qwen2.5-coder-32b-instruct"

    x.toml: 2 problems
    "#);
}

#[test]
fn a_remote_model_is_a_point_like_any_other() {
    let loaded = experiment(
        "name = \"x\"\n[model.remote]\nbase_url = \"http://localhost:8000/v1\"\n\
         [grid]\n\"model.base\" = [\"qwen2.5-coder-7b-instruct\"]\n\"train.algorithm\" = [\"none\", \"grpo\"]\n\
         [[grid.add]]\n\"model.base\" = \"remote\"\n\"train.algorithm\" = \"none\"\n\
         \"model.remote.model\" = \"large\"\n",
    );

    let local = "qwen2.5-coder-7b-instruct";
    let models: Vec<_> = loaded
        .points
        .iter()
        .map(|point| (point.settings.model.name(), point.settings.stages.len()))
        .collect();
    assert_eq!(models, [(local, 0), (local, 1), ("large", 0)]);
    // What the others do not read is no part of their jobs.
    assert_eq!(loaded.points[0].settings.model.remote, None);
}

#[test]
fn a_remote_teacher_needs_an_address_an_estimate_and_a_temperature_of_1() {
    insta::assert_snapshot!(mistakes("\
name = \"x\"
train.algorithm = \"distill\"
[train.distill]
teacher = \"remote\"
sampling.temperature = 0.8
estimator = \"exact\"
[train.distill.remote]
base_url = \"localhost:8000/v1\"
"), @r#"
    error[E105]: the key `train.distill.remote.model` is missing
     --> x.toml:4:11
      |
    4 | teacher = "remote"
      |           ^^^^^^^^ a remote teacher needs it
      |
      = help: write below [train.distill.remote]: model = "qwen2.5-coder-32b-instruct"

    error[E112]: a remote teacher answers at a temperature of 1
     --> x.toml:5:24
      |
    4 | teacher = "remote"
      |           -------- the teacher is remote
    5 | sampling.temperature = 0.8
      |                        ^^^ samples at another temperature
      |
      = help: set `train.distill.sampling.temperature` to 1.0

    error[E112]: a remote teacher judges only the tokens that were drawn
     --> x.toml:6:13
      |
    4 | teacher = "remote"
      |           -------- the teacher is remote
    5 | sampling.temperature = 0.8
    6 | estimator = "exact"
      |             ^^^^^^^ needs the whole vocabulary
      |
      = help: set `train.distill.estimator` to "sampled"

    error[E104]: `train.distill.remote.base_url` is not the address of an endpoint
     --> x.toml:8:12
      |
    8 | base_url = "localhost:8000/v1"
      |            ^^^^^^^^^^^^^^^^^^^ expected `https://` or `http://`, a host and a path

    x.toml: 4 problems
    "#);
}
