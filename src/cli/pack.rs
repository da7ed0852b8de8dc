//! `recode pack`: writes the results of an experiment into one archive that `recode verify` reads elsewhere.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{
    exit::{Exit, Failure},
    out_file,
    output::{self, count},
    report, results_folder,
    spec_arguments::{self, SpecArguments},
};
use crate::{
    data::Cache,
    plan::{Job, JobKind, Plan},
    report::Origin,
    results::{JobDir, Pack, PackError, Store},
    spec::Experiment,
    train::{checkpoint_folder, inspect_checkpoints},
};

/// The file of a pack with [`Contents`].
pub(super) const CONTENTS: &str = "experiment.json";
/// The folder of a pack with the spec and the files that it includes.
pub(super) const SPECS: &str = "spec";
/// The files of a table that are packed; the others follow from the jobs.
const TABLE_FILES: [&str; 6] = [
    "table.json",
    "table.md",
    "table.csv",
    "table.tex",
    "runs.csv",
    "tasks.csv",
];
/// The files of a job folder that are packed, besides its model and its checkpoints.
const JOB_FILES: [&str; 8] = [
    "job.json",
    "identity.json",
    "provenance.json",
    "outcome.json",
    "metrics.jsonl",
    "samples.jsonl",
    "evaluations.jsonl",
    "nonfinite.jsonl",
];

/// Arguments of `recode pack`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    spec: SpecArguments,
    /// The archive; by default the experiment's name with `.recode.tar`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How many of the newest checkpoints of each training are packed
    #[arg(long, value_name = "N", default_value_t = 2)]
    checkpoints: usize,
    /// Leave out the trained models
    #[arg(long)]
    without_models: bool,
}

/// What a pack says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Contents {
    /// The version of the program that made it.
    pub(super) version: String,
    /// The plan, without what is true of one machine only.
    pub(super) plan: Plan,
    /// The spec, as the table names it.
    pub(super) spec: String,
    /// What the command line and the environment changed in it.
    pub(super) changes: Vec<String>,
    /// Where each setting was set.
    pub(super) places: BTreeMap<String, String>,
    /// The project's folder, below which the jobs have read files.
    pub(super) root: PathBuf,
    /// The folder of downloads.
    pub(super) cache: PathBuf,
    /// The jobs that had no outcome.
    pub(super) unfinished: Vec<String>,
}

/// Runs `recode pack`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (experiment, around) = arguments.spec.load()?;
    let plan = spec_arguments::plan(&experiment, &around)?;
    let origin = report::origin(&arguments.spec, &experiment, &around);
    let store = results_folder::of_spec(&arguments.spec.spec);
    let (done, unfinished): (Vec<&Job>, Vec<&Job>) = plan
        .jobs
        .iter()
        .partition(|job| store.job_dir(&job.id).outcome().is_some());
    if done.is_empty() {
        let text = format!(
            "no job of `{}` is done: there is nothing to pack",
            plan.experiment
        );
        return Err(Failure::text(Exit::Missing, text));
    }
    if !unfinished.is_empty() {
        output::error_line(&format!(
            "warning: {} of {} are not done; the pack says so and lacks them",
            unfinished.len(),
            count(plan.jobs.len(), "job")
        ));
    }
    let contents = Contents {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        plan: of_any_machine(plan.clone()),
        spec: origin.spec.clone(),
        changes: origin.changes.clone(),
        places: origin.places.clone(),
        root: fs::canonicalize(&around.root).unwrap_or_else(|_| around.root.clone()),
        cache: Cache::from_environment().folder().to_owned(),
        unfinished: unfinished.iter().map(|job| job.id.0.clone()).collect(),
    };
    let specs = specs(&origin, &arguments.spec.spec, &experiment, &around.root);
    let packed = fill(&contents, &store, arguments, &specs, &done);
    let pack = packed.map_err(|error| failure(&error))?;
    let path = arguments.out.clone();
    let path = path.unwrap_or_else(|| PathBuf::from(format!("{}.recode.tar", plan.experiment)));
    let inputs: Vec<(String, &Path)> = pack
        .files()
        .map(|input| (input.display().to_string(), input))
        .collect();
    let inputs: Vec<(&str, &Path)> = inputs.iter().map(|(name, path)| (&**name, *path)).collect();
    out_file::check("--out", &path, &inputs)?;
    let (digest, length) = pack.write(&path).map_err(|error| failure(&error))?;
    output::error_line(&format!(
        "packed {}, {:.1} MB; digest of the pack, to be published with it:",
        count(done.len(), "job"),
        length as f64 / 1e6
    ));
    output::result(&format!("{digest}  {}", path.display()));
    Ok(Exit::Done)
}

fn fill(
    contents: &Contents,
    store: &Store,
    arguments: &Arguments,
    specs: &BTreeMap<String, PathBuf>,
    done: &[&Job],
) -> Result<Pack, PackError> {
    let mut pack = Pack::default();
    let text = serde_json::to_string_pretty(contents).expect("a plan has a JSON form");
    pack.add_text(CONTENTS, text + "\n")?;
    for (name, path) in specs {
        pack.add_file(&format!("{SPECS}/{name}"), path)?;
    }
    let experiment = &contents.plan.experiment;
    let folder = store.table_dir(experiment);
    for file in TABLE_FILES {
        pack.add_file(&format!("tables/{experiment}/{file}"), &folder.join(file))?;
    }
    for job in done {
        let dir = store.job_dir(&job.id);
        let name = format!("jobs/{}", job.id);
        for file in JOB_FILES {
            pack.add_file(&format!("{name}/{file}"), &dir.path().join(file))?;
        }
        if !arguments.without_models {
            pack.add_folder(&format!("{name}/model"), &dir.model())?;
        }
        if job.id.kind() == Some(JobKind::Train) {
            for folder in newest(&dir, arguments.checkpoints) {
                let step = folder.file_name().unwrap_or_default().to_string_lossy();
                pack.add_folder(&format!("{name}/checkpoints/{step}"), &folder)?;
            }
        }
    }
    Ok(pack)
}

/// The folders of the newest sound checkpoints.
fn newest(dir: &JobDir, most: usize) -> Vec<PathBuf> {
    let found = inspect_checkpoints(&dir.checkpoints());
    let sound = found.iter().rev().filter(|(_, problem)| problem.is_none());
    let folder = |(step, _): (&usize, _)| checkpoint_folder(&dir.checkpoints(), *step);
    sound.take(most).map(folder).collect()
}

/// The spec and the files that it includes, each with its name below the project's folder.
fn specs(
    origin: &Origin,
    spec: &Path,
    experiment: &Experiment,
    root: &Path,
) -> BTreeMap<String, PathBuf> {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let mut files = BTreeMap::from([(origin.spec.clone(), spec.to_owned())]);
    for file in experiment.files() {
        let Ok(path) = fs::canonicalize(&file) else {
            continue;
        };
        if let Some(name) = path.strip_prefix(&root).ok().and_then(Path::to_str) {
            files.insert(name.to_owned(), path);
        }
    }
    files
}

/// A plan without what changes from machine to machine and from day to day.
fn of_any_machine(mut plan: Plan) -> Plan {
    plan.missing.clear();
    for job in &mut plan.jobs {
        for content in job.work.contents.values_mut() {
            content.stamp = None;
        }
    }
    plan
}

fn failure(error: &PackError) -> Failure {
    Failure::new(Exit::Missing, error)
}
