//! What people write in another way than TOML or this program does, and what they get to read.

use std::fs;

use super::{Surroundings, experiment, load_in, mistakes, project, write};

/// The mistakes of a spec with nothing but a name, and these values of `--set`.
fn with(overrides: &[&str]) -> String {
    let folder = project();
    write(folder.path(), "x.toml", "name = \"x\"\n");
    load_in(folder.path(), &[], overrides).expect_err("there are mistakes")
}

/// The lines of help.
fn help(text: &str) -> Vec<&str> {
    let lines = text.lines().filter_map(|line| line.split_once("help: "));
    lines.map(|(_, help)| help).collect()
}

#[test]
fn a_number_as_other_languages_write_it_is_given_as_toml_writes_it() {
    // Oracle: TOML 1.0.0, sections Integer and Float; the values by hand.
    for (setting, meant) in [
        ("train.lr.peak=.0001", "write 0.0001"),
        ("train.lr.peak=1.e-4", "write 0.0001"),
        ("train.lr.peak=\"1.e-4\"", "write 0.0001"),
        ("train.lr.peak=00.5", "write 0.5"),
        ("train.max_steps=0040", "write 40"),
        ("train.max_steps=40.", "write 40"),
        ("train.max_steps=\"040\"", "write 40"),
        ("train.max_steps=\"40\"", "remove the quotes"),
        ("train.grpo.mask_truncated=True", "write true"),
        ("run.seeds=42", "write [42]"),
        (
            "run.seeds=[042, 7]",
            "write [42, 7]; a shell needs single quotes around all of it",
        ),
        (
            "eval.benchmarks=[mini_arena, \"humaneval\"]",
            "write [\"mini_arena\", \"humaneval\"]; a shell needs single quotes around all of it",
        ),
        (
            "table.rows=[train.reward]",
            "write [\"train.reward\"]; a shell needs single quotes around all of it",
        ),
        (
            "grid.'train.reward'=[em, es]",
            "write [\"em\", \"es\"]; a shell needs single quotes around all of it",
        ),
    ] {
        assert_eq!(help(&with(&[setting])), [meant], "{setting}");
    }
    // Nothing is made up where a text is no number at all.
    for setting in [
        "train.lr.peak=fast",
        "train.max_steps=inf",
        "train.max_steps=4.5x",
    ] {
        let text = with(&[setting]);
        assert!(!text.contains("write"), "{text}");
    }
}

#[test]
fn a_number_that_is_too_large_is_refused_with_the_largest() {
    // Oracle: TOML 1.0.0, section Integer: 64 bits with a sign; and the keys' own ranges.
    for (setting, largest) in [
        (
            "run.seeds=[18446744073709551615]",
            "0 to 9223372036854775807",
        ),
        (
            "run.seeds=[1, 99_223_372_036_854_775_808]",
            "0 to 9223372036854775807",
        ),
        ("train.max_steps=99999999999", "1 to 1000000000"),
        ("train.max_steps=99999999999999999999", "1 to 1000000000"),
        ("run.slots=99999999999999999999", "1 to 10000"),
    ] {
        let text = with(&[setting]);
        assert!(text.contains("is out of range"), "{text}");
        let label = format!("expected a whole number from {largest}");
        assert!(text.contains(&label), "{text}");
        assert!(!text.contains("write"), "{text}");
    }
    let fits = "run.seeds=[9223372036854775807]";
    let folder = project();
    write(folder.path(), "x.toml", "name = \"x\"\n");
    if let Err(text) = load_in(folder.path(), &[], &[fits]) {
        assert!(!text.contains("run.seeds"), "{text}");
    }
}

#[test]
fn names_as_papers_write_them_are_the_names_of_this_program() {
    let chosen = |lines: &str| {
        let loaded = experiment(&format!("name = \"x\"\n{lines}\n"));
        let settings = &loaded.points[0].settings;
        (settings.method.clone(), settings.stages[0].reward.label())
    };

    // Oracle: the names of the paper's Table 2 and of its set-up.
    for (paper, ours) in [
        ("Format", "format"),
        ("EM", "em"),
        ("ES", "es"),
        ("EM*", "em_star"),
        ("ES*", "es_star"),
    ] {
        assert_eq!(
            chosen(&format!("train.reward = \"{paper}\"")),
            ("grpo".into(), ours.to_owned())
        );
    }
    for (paper, ours) in [
        ("GRPO", "grpo"),
        ("DAPO", "dapo"),
        ("REINFORCE++", "reinforce_plus_plus"),
    ] {
        let chosen = chosen(&format!("train.algorithm = \"{paper}\""));
        assert_eq!(chosen, (ours.into(), "es_star".to_owned()));
    }
    // An axis has the same values as if it were written as this program does.
    let grid = |names: &str| {
        let loaded = experiment(&format!(
            "name = \"x\"\n[grid]\n\"train.reward\" = {names}\n[table]\nbaseline = {{ \"train.reward\" = \"EM\" }}\n"
        ));
        let rewards = loaded.points.iter().map(|point| {
            let reward = point.settings.reward().map(|reward| reward.label());
            (point.values.clone(), reward)
        });
        (rewards.collect::<Vec<_>>(), loaded.table.baseline)
    };
    assert_eq!(grid("[\"EM\", \"ES*\"]"), grid("[\"em\", \"es_star\"]"));
    let columns = experiment(
        "name = \"x\"\neval.benchmarks = [\"HumanEval+\"]\ntable.cols = [\"HumanEval+.pass@1\"]\n",
    );
    assert_eq!(columns.table.cols[0].benchmark, "humaneval_plus");
}

#[test]
fn one_value_in_two_spellings_is_there_twice() {
    let text = mistakes("name = \"x\"\n[grid]\n\"train.reward\" = [\"ES*\", \"es_star\"]\n");

    assert!(
        text.contains("error[E124]: `train.reward` has \"es_star\" twice"),
        "{text}"
    );
}

#[test]
fn a_spec_that_cannot_be_read_is_not_suggested_in_its_own_place() {
    let folder = project();
    let path = folder.path().join("x.toml");
    fs::write(&path, b"name = \"x\"\ndescription = \"latin\xe9\"\n").unwrap();
    let text = load_in(folder.path(), &[], &[]).unwrap_err();
    assert!(
        text.contains("line 2 is not UTF-8") && !text.contains("did you mean"),
        "{text}"
    );

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let text = load_in(folder.path(), &[], &[]).unwrap_err();
    assert!(
        text.contains("it is a folder") && !text.contains("did you mean"),
        "{text}"
    );

    fs::remove_dir(&path).unwrap();
    write(
        folder.path(),
        "x.toml",
        "name = \"x\"\ninclude = [\"y.toml\"]\n",
    );
    fs::write(folder.path().join("y.toml"), b"\xff").unwrap();
    let text = load_in(folder.path(), &[], &[]).unwrap_err();
    assert!(
        text.contains("line 1 is not UTF-8") && !text.contains("did you mean"),
        "{text}"
    );
}

#[test]
fn an_include_outside_of_a_file_is_refused() {
    let text = with(&["include=[\"nothing.toml\"]"]);
    assert!(
        text.contains("error[E117]: `include` works in a file only"),
        "{text}"
    );

    let folder = project();
    write(folder.path(), "x.toml", "name = \"x\"\n");
    let variable = [("RECODE_INCLUDE", "[\"nothing.toml\"]")];
    let text = load_in(folder.path(), &variable, &[]).unwrap_err();
    assert!(
        text.contains("error[E117]") && text.contains("x.toml: 1 problem"),
        "{text}"
    );
}

#[test]
fn a_value_that_was_rejected_makes_no_second_mistake() {
    let remote = "name = \"x\"\ntrain.algorithm = \"none\"\nmodel.base = \"remote\"\n\
                  model.remote = { base_url = \"http://localhost:1/v1\", model = 4 }\n";
    let benchmarks =
        "name = \"x\"\neval.benchmarks = [\"mini_aren\"]\ntable.cols = [\"mini_arena.pass@1\"]\n";
    let steps = "name = \"x\"\ntrain.max_steps = 20\ntrain.lr.warmup_steps = \"2\"\n";
    for spec in [remote, benchmarks, steps] {
        let text = mistakes(spec);
        assert!(text.contains("x.toml: 1 problem"), "{text}");
    }
}

#[test]
fn a_baseline_that_an_included_file_has_is_replaced_as_a_whole() {
    let folder = project();
    write(
        folder.path(),
        "base.toml",
        "[grid]\n\"train.reward\" = [\"em\", \"es\"]\n[table]\nbaseline = { \"train.reward\" = \"em\" }\n",
    );
    let spec = "include = [\"base.toml\"]\nname = \"x\"\n";
    write(
        folder.path(),
        "x.toml",
        &format!("{spec}table.baseline = {{ method = \"untrained\" }}\n"),
    );

    let loaded = load_in(folder.path(), &[], &[]).unwrap();
    assert_eq!(loaded.table.baseline, Some(super::Baseline::Untrained));
    // The other way round, and from the command line.
    let values = "table.baseline={\"train.reward\"=\"es\"}";
    let loaded = load_in(folder.path(), &[], &[values]).unwrap();
    assert!(matches!(
        loaded.table.baseline,
        Some(super::Baseline::Values(_))
    ));
}

#[test]
fn a_spec_outside_of_every_project_is_one_mistake_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "x.toml",
        "name = \"x\"\nmodel.base = \"tiny-base\"\n",
    );

    let text = load_in(folder.path(), &[], &[]).unwrap_err();

    assert!(
        text.contains("error[E116]: the spec and the current folder are outside of every project"),
        "{text}"
    );
    assert!(
        text.contains("checkout") && text.contains("x.toml: 1 problem"),
        "{text}"
    );
    assert!(!Surroundings::at(folder.path()).unwrap().is_project());
}

#[test]
fn completions_without_room_for_a_prompt_are_a_mistake_at_their_key() {
    let folder = project();
    write(folder.path(), "model/config.json", CONFIG);
    let head = "name = \"x\"\n[model]\nbase = \"model\"\n";
    write(
        folder.path(),
        "x.toml",
        &format!(
            "{head}[train]\nsampling = {{ max_completion_tokens = 512 }}\n[eval]\nsampling = {{ max_completion_tokens = 511 }}\n"
        ),
    );

    let text = load_in(folder.path(), &[], &[]).unwrap_err();

    assert!(text.contains("error[E112]: completions of 512 tokens leave no room for a prompt: `model` reads at most 512 tokens"), "{text}");
    assert!(
        text.contains("set `train.sampling.max_completion_tokens` below 512"),
        "{text}"
    );
    assert!(text.contains("x.toml: 1 problem"), "{text}");
}

/// A Qwen2 of 512 positions.
const CONFIG: &str = r#"{
    "model_type": "qwen2", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 32, "max_position_embeddings": 512,
    "tie_word_embeddings": true
}"#;
