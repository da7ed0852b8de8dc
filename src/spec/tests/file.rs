//! What a spec is before any section: its text, its name, its sections.

use super::{load_in, mistakes, project};

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
     = help: give the path of a spec, such as `experiments/quickstart.toml`, or a name; `recode run` alone lists them

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
