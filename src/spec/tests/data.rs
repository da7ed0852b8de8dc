//! `[data]`, and where paths begin.

use super::{load_in, mistakes, project, write};

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

    error[E106]: the prompt template `./migration.jinja` does not exist
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
      | ^^^^^^^^ expected `code_update_arena`, `humaneval`, `humaneval_plus`, `mini_arena`, `mini_general`, `mini_multi`, `mini_note_trust`, `mini_other_note`, `multi_update` or `note_trust`
      |
    help: did you mean `humaneval`?
      |
    6 | humaneval = "he.jsonl"
      |        +

    error[E106]: the benchmark file `he.jsonl` does not exist
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
fn paths_begin_in_the_project_or_in_the_folder_of_the_file() {
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
