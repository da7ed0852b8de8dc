//! `[train]` and `[reward]`.

use super::mistakes;

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
      |            ^^^^^^^ expected `none`, `sft`, `grpo`, `dapo`, `gspo`, `cispo`, `rloo`, `reinforce_plus_plus`, `dpo` or `distill`
      |
    help: did you mean `grpo`?
      |
    3 - algoritm = "grppo"
    3 + algoritm = "grpo"
      |

    error[E103]: `train.reward` must be a text in quotes, or a table of weights
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
      = help: it belongs in [train.dpo] or [train.grpo] or [train.reinforce_plus_plus] or [train.rloo]: write `train.dpo.beta`, `train.grpo.beta`, `train.reinforce_plus_plus.beta` or `train.rloo.beta`

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
    help: a section with a similar name exists: `dpo`
       |
    12 - [train.ppo]
    12 + [train.dpo]
       |

    error[E101]: unknown key `clip` in [train.dpo]
      --> x.toml:13:1
       |
    13 | clip = 0.2
       | ^^^^ not a key of [train.dpo]
       |
       = help: it belongs in [reward]: write `reward.clip`

    x.toml: 13 problems
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
    error[E112]: a warm-up of 150 is longer than the 20 steps of dapo
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
fn the_best_of_no_evaluations_is_not_known() {
    insta::assert_snapshot!(mistakes("name = \"x\"\n[train]\ncheckpoint = \"best\"\n"), @r#"
    error[E112]: the best checkpoint of grpo is not known without evaluations
     --> x.toml:3:14
      |
    3 | checkpoint = "best"
      |              ^^^^^^ needs evaluations
      |
      = note: there are none: built-in defaults (src/spec/defaults.toml):…
      = help: set `train.grpo.eval.every`, or `train.grpo.checkpoint` to `last`

    x.toml: 1 problem
    "#);
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
fn a_warm_up_is_counted_in_steps_and_not_in_updates() {
    // All updates of a step have one rate: with two of them, 20 steps are 40 updates, and a warm-up of
    // 30 still never reaches the peak.
    let found = mistakes(
        "name = \"x\"\n[train]\nalgorithm = \"dapo\"\nmax_steps = 20\nlr = { warmup_steps = 30 }\n",
    );
    assert!(
        found.contains("a warm-up of 30 is longer than the 20 steps of dapo"),
        "{found}"
    );
}
