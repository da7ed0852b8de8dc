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

/// Oracle: the identities, made again in Python from `recode plan --json`; with recipe 3 these were
/// the jobs in `results/tables/quickstart/table.json`.
#[test]
fn the_quickstart_has_the_jobs_of_its_table() {
    assert_eq!(
        evaluations("experiments/quickstart.toml"),
        [
            "eval-00a9e37e",
            "eval-0658f649",
            "eval-18c5afa4",
            "eval-72321fcb",
            "eval-755d1953",
            "eval-f5c58cd7"
        ]
    );
}

/// Oracle: as above, for `results/tables/tiny_table1/table.json`.
#[test]
fn table_1_of_the_tiny_world_has_the_jobs_of_its_table() {
    assert_eq!(
        evaluations("experiments/tiny/table1.toml"),
        [
            "eval-00a9e37e",
            "eval-0658f649",
            "eval-0fa3221f",
            "eval-104145df",
            "eval-10eac6d4",
            "eval-11bc26cf",
            "eval-154b510c",
            "eval-18c5afa4",
            "eval-1a62b11f",
            "eval-1c286786",
            "eval-460c6237",
            "eval-593fbfc3",
            "eval-5c12563f",
            "eval-60c720d4",
            "eval-67bc58ee",
            "eval-6ac2f366",
            "eval-72321fcb",
            "eval-755d1953",
            "eval-7913c3b4",
            "eval-92902948",
            "eval-974bfcee",
            "eval-99592370",
            "eval-9e240108",
            "eval-a20676ff",
            "eval-a6a5c7c4",
            "eval-a957c162",
            "eval-acec351c",
            "eval-ccb50444",
            "eval-d2f52e7b",
            "eval-d4c7a144",
            "eval-d9b54bfa",
            "eval-e0279b2b",
            "eval-f3bee0d9",
            "eval-f590593b",
            "eval-f5c58cd7",
            "eval-f70a8a3f"
        ]
    );
}
