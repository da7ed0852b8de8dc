//! `[grid]`: axes and what becomes of them.

use super::{experiment, mistakes};

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
    error[E120]: `train.rewrd` is not a setting
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
      |                       ^^^^^ expected `format`, `em`, `es`, `em_star`, `es_star`, `ast`, `ast_star`, `tests` or `custom`
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

    error[E124]: the grid has `train.reward` twice
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
       = help: it changes nothing: correct it, or remove it

    error[E123]: a [[grid.when]] matches no point of the grid
      --> x.toml:12:28
       |
    12 | if = { "train.algorithm" = "sft" }
       |                            ^^^^^ `train.algorithm` is only ever "grpo"
       |
       = help: it changes nothing: correct it, or remove it

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
