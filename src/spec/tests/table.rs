//! `[table]`.

use super::mistakes;

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
    error[E130]: the table's row `train.rewards` is not an axis of the grid
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

    error[E130]: the table's row `train.max_steps` is not an axis of the grid
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

    error[E131]: `humaneval.pass@1` is not a column
     --> x.toml:7:38
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |                                      ^^^^^^^^^^^^^^^^^^ no point of this experiment is measured on `humaneval`
      |
      = help: add "humaneval" to `eval.benchmarks`, or remove the column

    error[E131]: `humaneval_plus` is not a column
     --> x.toml:7:58
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |                                                          ^^^^^^^^^^^^^^^^ expected `benchmark.metric`
      |
    help: for instance "humaneval_plus.pass@1"
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus.pass@1", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |                                                                         +++++++

    error[E131]: `code_update_area.pass@1` is not a column
     --> x.toml:7:76
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_area.pass@1", "humaneval_plus.accuracy"]
      |                                                                            ^^^^^^^^^^^^^^^^^^^^^^^^^ unknown benchmark `code_update_area`, expected `code_update_arena`, `humaneval`, `humaneval_plus`, `mini_arena`, `mini_general`, `mini_multi`, `mini_note_trust`, `mini_other_note`, `multi_update` or `note_trust`
      |
    help: did you mean `code_update_arena.pass@1`?
      |
    7 | cols = ["code_update_arena.pass@10", "humaneval.pass@1", "humaneval_plus", "code_update_arena.pass@1", "humaneval_plus.accuracy"]
      |                                                                                            +

    error[E131]: `humaneval_plus.accuracy` is not a column
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
