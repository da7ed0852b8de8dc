//! What is verified: a table with its jobs, from the folder of results or from a pack.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    cli::{
        exit::{Exit, Failure},
        output::count,
        pack::{CONTENTS, Contents},
        report, results_folder, spec_arguments,
        spec_arguments::SpecArguments,
    },
    data::Cache,
    digest::Digest,
    plan::{Job, JobId, Plan},
    report::{Origin, Table},
    results::{Finding, Packed, Store, in_words, is_pack},
    spec::Surroundings,
    worker::Elsewhere,
};

use super::with_upstream;

/// A larger table is none.
const LARGEST_TABLE: u64 = 256 << 20;

/// A table and its jobs.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) store: Store,
    /// The evaluations of each cell, one a seed.
    pub(super) cells: Vec<Vec<JobId>>,
    pub(super) elsewhere: Elsewhere,
    /// What opening it has found.
    pub(super) findings: Vec<Finding>,
    /// The folder that a pack was read into.
    _unpacked: Option<TempDir>,
}

impl Subject {
    pub(super) fn open(path: &Path, digest: Option<&str>) -> Result<Self, Failure> {
        if path.is_file() && is_pack(path) {
            return Self::of_pack(path, digest);
        }
        if digest.is_some() {
            let text = format!(
                "`{}` is no pack, and `--digest` is that of one",
                path.display()
            );
            return Err(Failure::text(Exit::Usage, text));
        }
        let file = if path.is_dir() {
            path.join("table.json")
        } else {
            path.to_owned()
        };
        let bytes = read(&file)?;
        let table: Value = serde_json::from_slice(&bytes).map_err(|error| {
            let text = format!(
                "`{}` is neither a `table.json` nor a pack: {error}",
                file.display()
            );
            Failure::text(Exit::Usage, text)
        })?;
        let store = store_of(&file);
        let mut findings = vec![made_again(&table, &bytes, &file, &store)];
        let cells = cells(&table, &mut findings);
        if cells.is_empty() {
            let text = format!("`{}` has no cells with jobs", file.display());
            return Err(Failure::text(Exit::Usage, text));
        }
        Ok(Self {
            store,
            cells,
            elsewhere: Elsewhere::default(),
            findings,
            _unpacked: None,
        })
    }

    fn of_pack(path: &Path, digest: Option<&str>) -> Result<Self, Failure> {
        let missing = |error: &dyn std::error::Error| Failure::new(Exit::Missing, error);
        let folder = tempfile::tempdir().map_err(|error| missing(&error))?;
        let packed = Packed::read(path, folder.path()).map_err(|error| {
            let text = format!("`{}`: {}", path.display(), in_words(&error));
            Failure::text(Exit::JobFailed, text)
        })?;
        let mut findings = packed.findings;
        findings.push(of_digest(&packed.digest, digest));
        let contents = fs::read(folder.path().join(CONTENTS)).map_err(|error| missing(&error))?;
        let contents: Contents = serde_json::from_slice(&contents).map_err(|error| {
            Failure::text(
                Exit::Usage,
                format!("`{CONTENTS}` of the pack is damaged: {error}"),
            )
        })?;
        let store = Store::new(folder.path());
        findings.extend(
            contents
                .unfinished
                .iter()
                .map(|job| Finding::unchecked(job, "it was not done when the pack was made")),
        );
        let plan = plan_of(&contents, &store)?;
        let file = store.table_dir(&plan.experiment).join("table.json");
        let elsewhere = Elsewhere {
            moved: moved(&contents),
            is_foreign: true,
        };
        let origin = Origin {
            spec: contents.spec,
            changes: contents.changes,
            places: contents.places,
        };
        findings.push(match read(&file) {
            Ok(bytes) => follows(&plan, &store, &origin, &bytes),
            Err(_) => Finding::unchecked("table", "the pack has no `table.json`"),
        });
        let mut cells: Vec<Vec<JobId>> = Vec::new();
        for cell in &plan.cells {
            cells.extend(cell.evals.values().map(|id| vec![id.clone()]));
        }
        Ok(Self {
            store,
            cells,
            elsewhere,
            findings,
            _unpacked: Some(folder),
        })
    }

    /// All jobs of the cells, and those that they build on.
    pub(super) fn jobs(&self) -> Vec<JobId> {
        let evals = self.cells.iter().flatten().cloned().collect();
        with_upstream(evals, |id| self.after(id))
    }

    /// The trainings that an evaluation builds on.
    pub(super) fn trainings(&self, eval: &JobId) -> Vec<JobId> {
        let mut all = with_upstream(vec![eval.clone()], |id| self.after(id));
        all.retain(|id| id != eval);
        all
    }

    fn after(&self, id: &JobId) -> Vec<JobId> {
        let job = self.store.job_dir(id).job().ok().flatten();
        let after = job.map(|job| job.after).unwrap_or_default();
        after.into_iter().filter(is_name).collect()
    }
}

/// The digest of a pack against the one that was published, if that is given.
fn of_digest(found: &Digest, published: Option<&str>) -> Finding {
    match published {
        Some(digest) if digest == found.as_str() => {
            Finding::same("pack", "its digest is the one that was published")
        }
        Some(_) => {
            let what = format!("its digest is {found}, another than the given one");
            Finding::differs("pack", what)
        }
        // Not a check that was left out: whoever made all of it again would have made this digest, too.
        None => Finding::same("pack", format!("its digest is {found}")),
    }
}

/// The plan of a pack, with the identities of its jobs, for this machine.
fn plan_of(contents: &Contents, store: &Store) -> Result<Plan, Failure> {
    let mut plan = contents.plan.clone();
    let ids = plan.cells.iter().flat_map(|cell| cell.evals.values());
    let is_plain = ids.chain(plan.jobs.iter().map(|job| &job.id)).all(is_name);
    if !is_plain || !is_name(&JobId(plan.experiment.clone())) {
        let text = format!("`{CONTENTS}` of the pack has names that are no names of jobs");
        return Err(Failure::text(Exit::Usage, text));
    }
    for job in &mut plan.jobs {
        let identity = store.job_dir(&job.id).identity().ok().flatten();
        job.identity = identity.unwrap_or_default();
    }
    if let Some(reference) = &mut plan.reference
        && let Ok(below) = reference.path.strip_prefix(&contents.root)
    {
        reference.path = Surroundings::root_of(Path::new(".")).join(below);
    }
    Ok(plan)
}

/// The folders of the machine that made a pack, and those of this one.
fn moved(contents: &Contents) -> Vec<(String, String)> {
    let cache = Cache::from_environment().folder().to_owned();
    let folders = [
        (&contents.root, Surroundings::root_of(Path::new("."))),
        (&contents.cache, cache),
    ];
    let text = |path: &Path| path.to_str().map(str::to_owned);
    let texts = folders
        .iter()
        .filter_map(|(from, to)| Some((text(from)?, text(to)?)));
    texts.filter(|(from, _)| from.len() > 1).collect()
}

/// Whether a name is one of a folder, and no path.
fn is_name(id: &JobId) -> bool {
    let mut letters = id.0.chars();
    !id.0.is_empty()
        && id.0 != ".."
        && id.0 != "."
        && letters.all(|letter| letter != '/' && letter != '\0')
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        let text = format!("cannot read `{}`: {error}", path.display());
        Failure::text(Exit::Missing, text)
    };
    if fs::metadata(path).map_err(failed)?.len() > LARGEST_TABLE {
        let text = format!("`{}` is too large for a table", path.display());
        return Err(Failure::text(Exit::Usage, text));
    }
    fs::read(path).map_err(failed)
}

/// The results that a table was made of: `jobs/` next to `tables/`, or those of the current project.
fn store_of(table: &Path) -> Store {
    let table = fs::canonicalize(table).unwrap_or_else(|_| table.to_owned());
    let root = table.ancestors().nth(3);
    match root.filter(|root| root.join("jobs").is_dir()) {
        Some(root) => Store::new(root),
        None => results_folder::of_current_folder(),
    }
}

/// The jobs of the cells of a table.
fn cells(table: &Value, findings: &mut Vec<Finding>) -> Vec<Vec<JobId>> {
    let list = |value: &Value, key: &str| -> Vec<Value> {
        let list = value.get(key).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let rows = list(table, "rows").into_iter();
    let cells = rows.flat_map(|row| list(&row, "cells"));
    let mut found = Vec::new();
    for cell in cells {
        let jobs = list(&cell, "sources").into_iter().filter_map(|source| {
            let job = source.get("job")?.as_str()?;
            Some(JobId(job.to_owned()))
        });
        let (jobs, others): (Vec<JobId>, Vec<JobId>) = jobs.partition(is_name);
        for other in others {
            findings.push(Finding::differs(
                "table",
                format!("`{other}` is no name of a job"),
            ));
        }
        if !jobs.is_empty() {
            found.push(jobs);
        }
    }
    found
}

/// Makes a table again from the spec that it names, and compares the bytes.
fn made_again(table: &Value, bytes: &[u8], file: &Path, store: &Store) -> Finding {
    let unchecked =
        |what: &str| Finding::unchecked("table", format!("it is not made again: {what}"));
    let maker = |key: &str| table.get("made_by").and_then(|maker| maker.get(key));
    let Some(spec) = maker("spec").and_then(Value::as_str) else {
        return unchecked("it does not name its spec");
    };
    let changes = maker("changes").and_then(Value::as_array).cloned();
    let changes = changes.unwrap_or_default();
    let flag = |change: &Value| {
        let flag = change.as_str()?.strip_prefix("--set ");
        flag.map(str::to_owned)
    };
    let overrides: Vec<String> = changes.iter().filter_map(flag).collect();
    if overrides.len() < changes.len() {
        return unchecked("variables of the environment have changed its spec");
    }
    let here = Surroundings::root_of(Path::new("."));
    let there = file.parent().map(Surroundings::root_of);
    let roots = [Some(here), there];
    let specs = roots.into_iter().flatten().map(|root| root.join(spec));
    let Some(path) = specs.into_iter().find(|path| path.is_file()) else {
        return unchecked(&format!("its spec `{spec}` is not here"));
    };
    let arguments = SpecArguments {
        spec: path,
        overrides,
    };
    let Ok(Ok((experiment, around))) =
        spec_arguments::load_file(&arguments.spec, &arguments.overrides)
    else {
        return unchecked(&format!("`{spec}` has mistakes now"));
    };
    let Ok(plan) = spec_arguments::plan(&experiment, &around) else {
        return unchecked(&format!("the jobs of `{spec}` cannot be planned here"));
    };
    let origin = report::origin(&arguments, &experiment, &around);
    let now = serde_json::to_value(
        Table::of(&plan, store)
            .ok()
            .map(|table| table.made_by(&origin, &plan)),
    );
    let now = now.unwrap_or_default();
    let settings = |table: &Value| {
        table
            .get("made_by")
            .and_then(|maker| maker.get("settings"))
            .cloned()
    };
    if settings(&now) != settings(table) {
        return unchecked(&format!("`{spec}` has other settings now"));
    }
    follows(&plan, store, &origin, bytes)
}

/// Whether a table is what its jobs give.
fn follows(plan: &Plan, store: &Store, origin: &Origin, bytes: &[u8]) -> Finding {
    let reference = plan.reference.as_ref().map(|reference| &reference.path);
    if let Some(path) = reference.filter(|path| !path.is_file()) {
        let what = format!(
            "it is not made again: its reference `{}` is not here",
            path.display()
        );
        return Finding::unchecked("table", what);
    }
    match Table::of(plan, store) {
        Err(error) => Finding::unchecked("table", in_words(&error)),
        Ok(table) => {
            let again = table.made_by(origin, plan).to_json();
            let is_gone = |job: &&Job| store.job_dir(&job.id).outcome().is_none();
            let gone = plan.jobs.iter().filter(is_gone).count();
            if again.as_bytes() == bytes {
                Finding::same("table", "`table.json` is what its jobs give, byte for byte")
            } else if gone > 0 {
                let jobs = count(plan.jobs.len(), "job");
                let what = format!(
                    "it is not made again: the outcomes of {gone} of {jobs} are not in `{}`",
                    store.root().display()
                );
                Finding::unchecked("table", what)
            } else {
                let what = "`table.json` is not what its jobs give: `recode report` makes it again";
                Finding::differs("table", what)
            }
        }
    }
}
