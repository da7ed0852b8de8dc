//! `[eval]`.

use super::mistakes;

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
      |             ^^^^^^^^^^^^^^^ expected `code_update_arena`, `humaneval`, `humaneval_plus`, `mini_arena`, `mini_general`, `mini_multi`, `mini_note_trust`, `mini_other_note`, `multi_update` or `note_trust`
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
fn the_key_of_an_earlier_version_is_explained() {
    insta::assert_snapshot!(mistakes("name = \"x\"\n[eval]\nstrict = true\n"), @r"
    error[E101]: unknown key `strict` in [eval]
     --> x.toml:3:1
      |
    3 | strict = true
      | ^^^^^^ not a key of [eval]
      |
      = help: remove it: values are compared outside of the solution's process now, unless `in_process = true`

    x.toml: 1 problem
    ");
}
