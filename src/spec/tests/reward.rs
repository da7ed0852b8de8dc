//! What `train.reward` and the section `[reward]` take.

use serde_json::json;

use super::{experiment, load_in, mistakes, project, write};
use crate::train::TrainSettings;

fn training(text: &str) -> TrainSettings {
    let point = experiment(&format!("name = \"x\"\n{text}"))
        .points
        .remove(0);
    point.settings.stages.into_iter().next_back().unwrap()
}

#[test]
fn a_reward_is_a_name_or_a_sum() {
    let alone = training("train.reward = \"em_star\"");
    assert_eq!(alone.reward.label(), "em_star");
    // As before there were sums, so that jobs keep their names.
    assert_eq!(json!(alone.reward), json!("em_star"));
    assert_eq!(json!(alone.reward_settings), json!({"normalizer": "fixed"}));

    let sum = training("train.reward = { format = 1, es_star = 0.5, tests = 2.0 }");
    assert_eq!(sum.reward.label(), "format + 0.5 es_star + 2 tests");
    let tests = sum.reward_settings.tests.unwrap();
    assert!((tests.timeout_seconds - 5.0).abs() < f64::EPSILON);
    assert_eq!(sum.reward_settings.custom, None);
}

#[test]
fn a_sum_in_the_grid_is_one_value() {
    let text = "name = \"x\"\n[grid]\n\"train.reward\" = [\"es\", { es = 1.0, ast = 1.0 }]\n\
                [[grid.when]]\nif = { \"train.reward\" = \"es\" }\nset = { train.max_steps = 7 }\n\
                [[grid.add]]\n\"train.reward\" = { format = 2.0 }\n";
    let points = experiment(text).points;
    let labels: Vec<String> = points
        .iter()
        .map(|point| point.settings.reward().unwrap().label())
        .collect();
    assert_eq!(labels, ["es", "es + ast", "2 format"]);
}

#[test]
fn what_is_no_reward_is_named() {
    for (value, expected) in [
        (
            "{ es_starr = 1.0 }",
            "error[E102]: unknown reward `es_starr`",
        ),
        ("{ es_starr = 1.0 }", "did you mean `es_star`?"),
        (
            "{ es = \"1\" }",
            "error[E103]: `train.reward.es` must be a number",
        ),
        (
            "{ es = 1e9 }",
            "error[E104]: `train.reward.es` is out of range",
        ),
        (
            "{ es = 0 }",
            "error[E121]: `train.reward` has no weight that is not 0",
        ),
        ("\"test\"", "did you mean `tests`?"),
    ] {
        let found = mistakes(&format!("name = \"x\"\ntrain.reward = {value}\n"));
        assert!(found.contains(expected), "{value}: {found}");
    }
}

#[test]
fn a_reward_of_ones_own_has_a_command_whose_files_are_found() {
    let found = mistakes("name = \"x\"\ntrain.reward = \"custom\"\n");
    assert!(
        found.contains("the reward `custom` has no command"),
        "{found}"
    );
    let spec = "name = \"x\"\ntrain.reward = \"custom\"\n[reward.custom]\n\
                command = [\"python3\", \"my_reward.py\"]\nfiles = [\"words.txt\"]\n";
    let found = mistakes(spec);
    assert!(
        found.contains("the program `my_reward.py` does not exist"),
        "{found}"
    );
    assert!(
        found.contains("the file `words.txt` does not exist"),
        "{found}"
    );

    let folder = project();
    for (name, text) in [("x.toml", spec), ("my_reward.py", ""), ("words.txt", "")] {
        write(folder.path(), name, text);
    }
    let point = load_in(folder.path(), &[], &[]).unwrap().points.remove(0);
    let custom = point.settings.stages[0]
        .reward_settings
        .custom
        .clone()
        .unwrap();
    let whole = |name: &str| folder.path().join(name).display().to_string();
    let program = whole("my_reward.py");
    assert_eq!(custom.command, ["python3", &program, "1", "1"]);
    assert_eq!(custom.files, [whole("words.txt")]);
}
