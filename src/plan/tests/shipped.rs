//! The names of the jobs of the shipped tables: whoever changes one must mean to.
//!
//! A change of what a job computes from the same inputs raises `RECIPE_VERSION`; then all of these
//! change, and the tables are made again. Any other change of a name is a mistake: results that are
//! there would no longer be found.

use std::{collections::BTreeSet, path::Path};

use crate::{
    data::Cache,
    plan::{Plan, ProjectInputs},
    spec::{Request, Surroundings, load},
};

/// The evaluations of a shipped experiment, sorted. Their names follow from those of the trainings.
fn evaluations(file: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let around = Surroundings::at(root).unwrap();
    let nowhere = tempfile::tempdir().unwrap();
    let inputs =
        ProjectInputs::new(around.manifest.as_ref(), Cache::at(nowhere.path())).below(root);
    let request = Request {
        file: &root.join(file),
        overrides: &[],
        environment: &[],
        around: &around,
    };
    let experiment = load(&request).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let plan = Plan::new(&experiment, &inputs).unwrap();
    let ids: BTreeSet<_> = plan
        .cells
        .iter()
        .flat_map(|cell| cell.evals.values())
        .collect();
    ids.into_iter().map(ToString::to_string).collect()
}

/// Oracle: the jobs in `results/tables/quickstart/table.json`.
#[test]
fn the_quickstart_has_the_jobs_of_its_table() {
    assert_eq!(
        evaluations("experiments/quickstart.toml"),
        [
            "eval-1724fa74",
            "eval-69987ca3",
            "eval-8b8c326c",
            "eval-c86b160b",
            "eval-d349ab64",
            "eval-dc9fc703"
        ]
    );
}

/// Oracle: the jobs in `results/tables/tiny_table1/table.json`.
#[test]
fn table_1_of_the_tiny_world_has_the_jobs_of_its_table() {
    assert_eq!(
        evaluations("experiments/tiny/table1.toml"),
        [
            "eval-09e1d5e8",
            "eval-0dd77ad1",
            "eval-1724fa74",
            "eval-1a6c09c6",
            "eval-1b0e4625",
            "eval-4361d9d5",
            "eval-490f7c58",
            "eval-53288f45",
            "eval-53a33a3b",
            "eval-5766aedc",
            "eval-5b910893",
            "eval-5f006bd3",
            "eval-62ed0aac",
            "eval-632d311d",
            "eval-69987ca3",
            "eval-700639a1",
            "eval-7389417d",
            "eval-7aa2e03d",
            "eval-87477096",
            "eval-88f73cd5",
            "eval-8b8c326c",
            "eval-91572301",
            "eval-a35a04f7",
            "eval-a53f6d36",
            "eval-a9751c70",
            "eval-aed38d72",
            "eval-b6b89c90",
            "eval-c1c99828",
            "eval-c73cce38",
            "eval-c86b160b",
            "eval-d349ab64",
            "eval-dc9fc703",
            "eval-df9fd4bb",
            "eval-e0389cb1",
            "eval-e0a5800b",
            "eval-fb58e4c0"
        ]
    );
}
