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
            "eval-381e4a92",
            "eval-394e29bd",
            "eval-5a778b21",
            "eval-61da4b3d",
            "eval-8e6d37c0",
            "eval-a43ba4b4",
            "eval-a8b72df3",
            "eval-b52350f0",
            "eval-cfc0b914"
        ]
    );
}

/// Oracle: the jobs in `results/tables/tiny_table1_own/table.json`.
#[test]
fn table_1_in_the_model_s_own_style_has_the_jobs_of_its_table() {
    assert_eq!(
        evaluations("experiments/tiny/table1_own.toml"),
        [
            "eval-0020092d",
            "eval-0becdc04",
            "eval-0ce599fd",
            "eval-0daf705c",
            "eval-156ec1d3",
            "eval-16cf5a46",
            "eval-23887713",
            "eval-25dab2de",
            "eval-27a074c4",
            "eval-3369d517",
            "eval-3d43f083",
            "eval-44555d81",
            "eval-5c86c004",
            "eval-609e5916",
            "eval-61da4b3d",
            "eval-68412741",
            "eval-7c18d76f",
            "eval-8d057e9b",
            "eval-913bfc10",
            "eval-98763fc5",
            "eval-9fb60754",
            "eval-a43ba4b4",
            "eval-aada1e7f",
            "eval-ad6db955",
            "eval-aeb306f1",
            "eval-c5f46aec",
            "eval-c79c5452",
            "eval-cfc0b914",
            "eval-d01d16cb",
            "eval-da934aea",
            "eval-ea631d8f",
            "eval-ec5cece4",
            "eval-eca756f0",
            "eval-f03fd203",
            "eval-f30065fc",
            "eval-fa6f4f06"
        ]
    );
}

/// Oracle: the jobs in `results/tables/tiny_table1/table.json`.
#[test]
fn table_1_of_the_tiny_world_has_the_jobs_of_its_table() {
    assert_eq!(
        evaluations("experiments/tiny/table1.toml"),
        [
            "eval-0becdc04",
            "eval-16cf5a46",
            "eval-172b0315",
            "eval-17d80ffd",
            "eval-29d842cb",
            "eval-2dd28698",
            "eval-381e4a92",
            "eval-394e29bd",
            "eval-4e7bdbef",
            "eval-5a778b21",
            "eval-609e5916",
            "eval-61da4b3d",
            "eval-645ef31b",
            "eval-68412741",
            "eval-753301e6",
            "eval-763f20d9",
            "eval-8e6d37c0",
            "eval-96eb9270",
            "eval-9768dca1",
            "eval-986750d0",
            "eval-98763fc5",
            "eval-a1323ef0",
            "eval-a31fc2b0",
            "eval-a43ba4b4",
            "eval-a705c979",
            "eval-a8b72df3",
            "eval-aada1e7f",
            "eval-ae49054a",
            "eval-aef95067",
            "eval-b25ffb73",
            "eval-b52350f0",
            "eval-cda80ca7",
            "eval-cfc0b914",
            "eval-d75de320",
            "eval-e30edc90",
            "eval-ea302cd0"
        ]
    );
}
