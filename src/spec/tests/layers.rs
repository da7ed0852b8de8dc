//! Includes, the environment and the command line.

use super::{load_in, project, write};

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
      |          ^^^^^^^ expected `format`, `em`, `es`, `em_star`, `es_star`, `ast`, `ast_star`, `tests` or `custom`
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
fn mistakes_of_the_environment_and_the_command_line_name_their_source() {
    let folder = project();
    write(folder.path(), "x.toml", "name = \"x\"\n");
    let environment = [
        ("RECODE_TRAIN__LR__PEAK", "fast"),
        ("RECODE_TRIAN__MAX_STEPS", "3"),
        ("RECODE_CACHE", "/tmp"),
        ("RECODE_PARITY_VENV", "/tmp"),
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

    error[E114]: the environment variable `RECODE_TRIAN__MAX_STEPS` is not a setting
    --> environment: RECODE_TRIAN__MAX_STEPS=3
     = note: variables that begin with RECODE_ set keys, with `__` for a dot
     = help: did you mean `RECODE_TRAIN__MAX_STEPS`? Otherwise unset it

    error[E101]: unknown key `algoritm` in [train]
    --> command line: --set train.algoritm=grppo
     = note: not a key of [train]
     = help: a key with a similar name exists: `algorithm`

    error[E102]: unknown algorithm `grppo`
    --> command line: --set train.algoritm=grppo
     = note: expected `none`, `sft`, `grpo`, `dapo`, `gspo`, `cispo`, `rloo`, `reinforce_plus_plus`, `dpo` or `distill`
     = help: did you mean `grpo`?

    error[E115]: `--set` needs `key=value`
    --> command line: --set train.max_steps
     = note: no key and value
     = help: for instance `--set train.max_steps=100`

    error[E120]: `train.rewrd` is not a setting
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

/// The file of a site is weaker than the spec and than what the spec includes.
#[test]
fn a_site_says_how_jobs_run_and_nothing_else() {
    let folder = project();
    write(folder.path(), "x.toml", "name = \"x\"\n[run]\nslots = 3\n");
    let site = folder.path().join("site.toml");
    let named = [("RECODE_SITE", site.to_str().unwrap())];
    let text =
        "[run]\nslots = 5\n[run.slurm]\npartition = \"gpu\"\nsetup = [\"module load cuda\"]\n";
    write(folder.path(), "site.toml", text);

    let experiment = load_in(folder.path(), &named, &[]).unwrap();

    assert_eq!(experiment.run.slots, 3);
    assert_eq!(experiment.run.slurm.partition.as_deref(), Some("gpu"));
    let origin = &experiment.origins["run.slurm.partition"];
    assert_eq!(*origin, format!("{}:4:13", site.display()));
    let flag = "run.slurm.partition=\"debug\"";
    let flagged = load_in(folder.path(), &named, &[flag]).unwrap();
    assert_eq!(flagged.run.slurm.partition.as_deref(), Some("debug"));

    let text = "[run]\nseeds = [1]\nbackend = \"cpu\"\n[train]\nmax_steps = 3\n";
    write(folder.path(), "site.toml", text);
    let mistakes = load_in(folder.path(), &named, &[]).unwrap_err();
    for expected in [
        "cannot set `run.seeds`",
        "cannot set `run.backend`",
        "cannot set `train`",
    ] {
        assert!(mistakes.contains(expected), "{mistakes}");
    }
    assert!(
        mistakes.contains("error[E118]") && mistakes.contains("RECODE_SITE"),
        "{mistakes}"
    );

    std::fs::remove_file(&site).unwrap();
    let mistakes = load_in(folder.path(), &named, &[]).unwrap_err();
    assert!(
        mistakes.contains("of the site") && mistakes.contains("cannot be read"),
        "{mistakes}"
    );
}
