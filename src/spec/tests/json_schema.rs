//! The JSON Schema agrees with the checks. Oracle: the crate `jsonschema`, which reads the schema.

use std::{collections::BTreeSet, fs, path::Path};

use jsonschema::Validator;
use serde_json::Value as Json;

use super::defaults::assert_file;
use crate::spec::{
    check::{self, report::Report},
    grid::{assignments, axes},
    json_schema,
    read::{
        node::Node,
        source::{Kind, Source, Sources},
    },
    schema,
};

fn validator() -> Validator {
    let schema: Json = serde_json::from_str(&json_schema()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Whether the checks of one layer accept a text.
fn checks_accept(text: &str) -> bool {
    let mut sources = Sources::default();
    let source = sources.add(Source {
        name: "x.toml".to_owned(),
        text: text.to_owned(),
        kind: Kind::File {
            included_from: None,
        },
    });
    let mut tree = Node::parse(source, text).unwrap();
    let mut problems = Vec::new();
    let mut report = Report {
        sources: &sources,
        problems: &mut problems,
        rejected: &mut BTreeSet::new(),
        meant: &mut BTreeSet::new(),
    };
    check::layer(&mut report, &mut tree);
    axes::check(&mut report, &mut tree);
    assignments::check_baseline(&mut report, &mut tree);
    problems.is_empty()
}

fn json(text: &str) -> Json {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

#[test]
fn the_file_of_the_schema_is_what_the_structs_say() {
    assert_file("docs/spec.schema.json", &json_schema());
}

#[test]
fn every_shipped_spec_fits_the_schema() {
    let validator = validator();
    let mut count = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in [
        "experiments",
        "experiments/paper",
        "experiments/presets",
        "experiments/tiny",
    ] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                let text = fs::read_to_string(&path).unwrap();
                assert!(checks_accept(&text), "{}", path.display());
                // Editors find the schema by the first line.
                let named = text
                    .lines()
                    .next()
                    .and_then(|line| line.strip_prefix("#:schema "));
                let file = path.with_file_name(named.unwrap_or_default());
                assert_eq!(fs::read_to_string(file).unwrap(), json_schema());
                let errors: Vec<String> = validator
                    .iter_errors(&json(&text))
                    .map(|error| error.to_string())
                    .collect();
                assert_eq!(errors, [""; 0], "{}", path.display());
                count += 1;
            }
        }
    }
    let defaults = include_str!("../defaults.toml");
    assert!(checks_accept(defaults) && validator.is_valid(&json(defaults)));
    assert!(count > 10, "{count} specs");
}

/// Values of every type, in and out of the usual ranges. `64.0` is not among them: in JSON it is a
/// whole number, in TOML it is not.
const VALUES: [&str; 25] = [
    "true",
    "0",
    "1",
    "2",
    "3",
    "-1",
    "70000",
    "2000000000",
    "0.5",
    "-0.5",
    "0.99",
    "1000000000.5",
    "15000000000000.5",
    "\"\"",
    "\" \"",
    "\"text\"",
    "\"none\"",
    "\"cosine\"",
    "\"4GiB\"",
    "\"0 MB\"",
    "\"4G\"",
    "[]",
    "[1, 1]",
    "[\"q_proj\"]",
    "{ x = 1 }",
];

/// A few keys take these.
const MORE_VALUES: [&str; 8] = [
    "[1, 2]",
    "[\"text\", \"text\"]",
    "\"attention\"",
    "{ method = \"untrained\" }",
    "{ \"train.reward\" = \"es\" }",
    "[\"code_update_arena\"]",
    "{ es = 1, tests = -0.5 }",
    "{ es = 1001 }",
];

#[test]
fn the_schema_and_the_checks_agree_on_every_key() {
    let validator = validator();
    for path in schema::paths() {
        let default = schema::find(path).unwrap().default;
        for value in VALUES.iter().chain(&MORE_VALUES).copied().chain(default) {
            for text in [
                format!("{path} = {value}\n"),
                format!("[grid]\n\"{path}\" = [{value}]\n"),
                format!("[[grid.add]]\n\"{path}\" = {value}\n"),
                format!("[[grid.exclude]]\n\"{path}\" = {value}\n"),
                format!("[grid]\n{path} = [{value}]\n"),
            ] {
                assert_eq!(
                    validator.is_valid(&json(&text)),
                    checks_accept(&text),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn the_schema_and_the_checks_agree_on_what_is_wrong_in_other_ways() {
    let validator = validator();
    for text in [
        "nam = \"x\"",
        "name = \"a b\"",
        "name = \"-a\"",
        "name = \"\"",
        "train = 1",
        "[trian]\nmax_steps = 1",
        "[train]\nbeta = 0.1",
        "[train.ppo]\nclip = 0.2",
        "[train.sft]\nafter = \"sft\"",
        "[train.grpo]\nalgorithm = \"sft\"",
        "[run.needs]\ngpu = 1",
        "[run.needs]\ntime = \"20\"",
        "[run.needs]\ntime = \"0h\"",
        "[run]\nengine = \"pbs\"",
        "[eval.samples]\nhuman_eval = 1",
        "[grid]\n\"train.rewrad\" = [\"es\"]",
        "[grid]\n\"run.slots\" = [1]",
        "[grid]\n\"name\" = [\"a\"]",
        "[grid]\n\"train.reward\" = []",
        "[grid]\n\"train.reward\" = \"es\"",
        "[grid]\n\"train.reward\" = [\"es\", \"es\"]",
        "[grid]\n\"train.lr\" = [{ peak = 1e-4 }, { peek = 1e-5 }]",
        "[grid]\nzip = 1",
        "[[grid.zip]]\n\"train.rewrad\" = [\"es\"]",
        "[[grid.when]]\nif = { \"train.reward\" = \"es\" }",
        "[[grid.when]]\nif = { \"train.reward\" = \"es\" }\nset = {}",
        "[[grid.when]]\nif = { \"train.reward\" = \"es\" }\nset = { \"train.lr.peak\" = 0 }",
        "[[grid.exclude]]\n\"train.reward\" = [\"es\", \"ess\"]",
        "[[grid.add]]\n\"train.reward\" = [\"es\"]",
        "[[grid.add]]",
        "table.baseline = { method = \"trained\" }",
        "table.baseline = {}",
        "table.baseline = { \"run.slots\" = 1 }",
    ] {
        assert!(!checks_accept(text), "the checks accept: {text}");
        assert!(
            !validator.is_valid(&json(text)),
            "the schema accepts: {text}"
        );
    }
    for text in [
        "",
        "name = \"a-b.c_1\"",
        "[grid]\ntrain.reward = [\"es\", \"em\"]",
        "[grid]\n\"train.lr\" = [{ peak = 1e-4 }, { peak = 1e-5 }]",
        "[grid]\n\"train.sft.lr.warmup_steps\" = [1, 2]",
        "[[grid.exclude]]\n\"train.reward\" = [\"es\", \"em\"]",
        "[[grid.when]]\nif = { \"train.reward\" = \"es\" }\nset = { train.lr.peak = 1e-4 }",
        "table.baseline = { \"train.reward\" = \"es\" }",
        "model.adapter.targets = [\"v_proj\", \"q_proj\"]",
    ] {
        assert!(checks_accept(text), "the checks reject: {text}");
        assert!(
            validator.is_valid(&json(text)),
            "the schema rejects: {text}"
        );
    }
}
