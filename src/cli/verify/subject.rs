//! What is verified: a table with its jobs, from the folder of results or from a pack.

use std::{collections::BTreeSet, fs, path::Path};

use tempfile::TempDir;

use super::{
    made_again,
    of_pack::{self, is_name},
};
use crate::{
    cli::{
        exit::{Exit, Failure},
        pack::{CONTENTS, Contents},
        results_folder,
        table_file::{self, TableFile},
        upstream::with_upstream,
    },
    data::Cache,
    digest::Digest,
    plan::{JobId, Plan},
    report::Origin,
    results::{Finding, Packed, Store, in_words, is_pack},
    spec::Surroundings,
    worker::Elsewhere,
};

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
            path.join(table_file::NAME)
        } else {
            path.to_owned()
        };
        let table = TableFile::read(&file).map_err(|why| {
            let exit = if file.is_file() {
                Exit::Usage
            } else {
                Exit::Missing
            };
            let text = format!(
                "`{}` is neither a `table.json` nor a pack: {why}",
                file.display()
            );
            Failure::text(exit, text)
        })?;
        let store = results_folder::of_table(&file);
        let mut findings = made_again::from_its_spec(&table, &file, &store);
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
        let (plan, finding) = of_pack::plan(&contents, folder.path(), &store)?;
        findings.push(finding);
        findings.extend(unknown_jobs(&plan, &store));
        let file = store.table_dir(&plan.experiment).join(table_file::NAME);
        let elsewhere = Elsewhere {
            moved: moved(&contents),
            is_foreign: true,
        };
        let origin = Origin {
            spec: contents.spec,
            changes: contents.changes,
            places: contents.places,
        };
        let again = made_again::Again {
            plan: &plan,
            store: &store,
            origin: &origin,
        };
        match TableFile::read(&file) {
            Ok(table) => findings.extend(again.compared(&table, &file)),
            Err(why) if file.is_file() => {
                let what = format!("`table.json` of the pack is no table: {why}");
                findings.push(Finding::differs("table", what));
            }
            Err(_) => {
                let what = "the pack has no `table.json`";
                findings.push(Finding::unchecked("table", what));
            }
        }
        Ok(Self {
            store,
            cells: each_evaluation(&plan),
            elsewhere,
            findings,
            _unpacked: Some(folder),
        })
    }

    /// All jobs of the cells, and those that they build on.
    pub(super) fn jobs(&self) -> BTreeSet<JobId> {
        let evals = self.cells.iter().flatten().cloned();
        with_upstream(evals, |id| self.after(id))
    }

    /// The trainings that an evaluation builds on.
    pub(super) fn trainings(&self, eval: &JobId) -> BTreeSet<JobId> {
        let mut all = with_upstream([eval.clone()], |id| self.after(id));
        all.remove(eval);
        all
    }

    fn after(&self, id: &JobId) -> Vec<JobId> {
        let job = self.store.job_dir(id).job().ok().flatten();
        let after = job.map(|job| job.after).unwrap_or_default();
        after.into_iter().filter(is_name).collect()
    }
}

/// The evaluations of a plan, each once.
fn each_evaluation(plan: &Plan) -> Vec<Vec<JobId>> {
    let mut cells: Vec<Vec<JobId>> = Vec::new();
    for id in plan.cells.iter().flat_map(|cell| cell.evals.values()) {
        let jobs = vec![id.clone()];
        if !cells.contains(&jobs) {
            cells.push(jobs);
        }
    }
    cells
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

/// The jobs in a pack that its plan does not have.
fn unknown_jobs(plan: &Plan, store: &Store) -> Vec<Finding> {
    let known: BTreeSet<&JobId> = plan.jobs.iter().map(|job| &job.id).collect();
    let ids = store.jobs().into_iter().map(|dir| dir.id());
    let unknown = ids.filter(|id| !known.contains(id));
    let what = "its plan does not have this job, which is not checked";
    unknown.map(|id| Finding::unchecked(id, what)).collect()
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

/// The jobs of the cells of a table, each list once: the columns of a benchmark have the same jobs.
fn cells(table: &TableFile, findings: &mut Vec<Finding>) -> Vec<Vec<JobId>> {
    let mut found = Vec::new();
    for cell in table.cells() {
        let (jobs, others): (Vec<JobId>, Vec<JobId>) = cell.jobs.into_iter().partition(is_name);
        for other in others {
            findings.push(Finding::differs(
                "table",
                format!("`{other}` is no name of a job"),
            ));
        }
        if !jobs.is_empty() && !found.contains(&jobs) {
            found.push(jobs);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_with_the_same_jobs_are_one_choice_and_paths_are_no_jobs() {
        let cell = |job: &str| json!({"sources": [{"job": job}]});
        let table = json!({"rows": [
            {"cells": [cell("eval-1"), cell("eval-1"), cell("eval-2")]},
            {"cells": [cell("eval-1"), cell("../../eval-3"), cell("..")]},
        ]});
        let table = TableFile::of_bytes(table.to_string().into_bytes()).unwrap();
        let mut findings = Vec::new();

        let found = cells(&table, &mut findings);

        let expected = ["eval-1", "eval-2"].map(|job| vec![JobId(job.to_owned())]);
        assert_eq!(found, expected);
        assert_eq!(findings.len(), 2);
    }
}
