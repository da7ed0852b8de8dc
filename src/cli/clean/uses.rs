//! What uses the jobs in a folder of results.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use crate::{
    cli::{
        exit::{Exit, Failure},
        output,
        spec_arguments::{self, load_file},
    },
    engine::slurm::Ticket,
    plan::JobId,
    results::{Holder, JobDir, Store},
    spec::Surroundings,
};

/// Of each job, what needs it.
pub(super) type Uses = BTreeMap<JobId, BTreeSet<String>>;

/// What needs each job: every table in the folder of results, every spec of the project, every job that runs or
/// waits in a queue, and the jobs that build on it and are needed themselves.
pub(super) fn uses(store: &Store) -> Result<Uses, Failure> {
    let mut uses = Uses::new();
    for path in files(&store.root().join("tables"), "table.json") {
        let table = path.parent().and_then(Path::file_name).unwrap_or_default();
        let name = format!("table {}", table.to_string_lossy());
        let text = fs::read_to_string(&path);
        let json = text
            .ok()
            .and_then(|text| serde_json::from_str::<Json>(&text).ok());
        let Some(json) = json else {
            let text = format!(
                "`{}` cannot be read, so that the jobs of that table are not known",
                path.display()
            );
            return Err(
                Failure::text(Exit::Missing, text).hint("mend or remove it; nothing was moved")
            );
        };
        let mut jobs = BTreeSet::new();
        jobs_in(&json, &mut jobs);
        for job in jobs {
            for id in with_upstream(store, job) {
                uses.entry(id).or_default().insert(name.clone());
            }
        }
    }
    let root = Surroundings::root_of(Path::new("."));
    for path in files(&root.join("experiments"), "") {
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let shown = path
            .strip_prefix(&root)
            .unwrap_or(&path)
            .display()
            .to_string();
        for id in jobs_of_spec(&path, &shown)? {
            uses.entry(id).or_default().insert(shown.clone());
        }
    }
    for (dir, reason) in busy(store)? {
        for id in with_upstream(store, dir.id()) {
            let reason = format!("{reason} {}", dir.id());
            uses.entry(id).or_default().insert(reason);
        }
    }
    Ok(uses)
}

/// The jobs of a spec; none of a file that is only included by others.
fn jobs_of_spec(path: &Path, shown: &str) -> Result<Vec<JobId>, Failure> {
    let loaded = load_file(path, &[])?;
    let planned = match loaded {
        Ok((experiment, around)) => spec_arguments::plan(&experiment, &around),
        Err(mistakes) => {
            output::error_line(&format!(
                "warning: {shown}: {}; what its jobs are is not known",
                mistakes.summary()
            ));
            return Ok(Vec::new());
        }
    };
    let jobs = planned?.jobs.into_iter();
    Ok(jobs.map(|job| job.id).collect())
}

/// The job, and those that it builds on.
fn with_upstream(store: &Store, job: JobId) -> Vec<JobId> {
    let mut jobs = vec![job];
    let mut place = 0;
    while let Some(id) = jobs.get(place) {
        let identity = store.job_dir(id).identity().ok().flatten();
        let start =
            identity.and_then(|json| Some(json.get("start")?.get("job")?.as_str()?.to_owned()));
        let start = start.map(JobId).filter(|id| !jobs.contains(id));
        jobs.extend(start);
        place += 1;
    }
    jobs
}

/// The names of all jobs in a table.
fn jobs_in(json: &Json, into: &mut BTreeSet<JobId>) {
    match json {
        Json::Object(members) => {
            if let Some(Json::String(job)) = members.get("job") {
                into.insert(JobId(job.clone()));
            }
            members.values().for_each(|value| jobs_in(value, into));
        }
        Json::Array(items) => items.iter().for_each(|value| jobs_in(value, into)),
        _ => {}
    }
}

/// The files below a folder, of one name if that is not empty.
fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter();
    let is_wanted = |entry: &walkdir::DirEntry| {
        entry.file_type().is_file() && (name.is_empty() || entry.file_name() == name)
    };
    let files = entries.flatten().filter(is_wanted);
    files.map(walkdir::DirEntry::into_path).collect()
}

/// The jobs that run, and those that wait in a queue.
fn busy(store: &Store) -> Result<Vec<(JobDir, &'static str)>, Failure> {
    let mut busy = Vec::new();
    for dir in store.jobs() {
        let holder = dir.holder();
        let holder = holder.map_err(|error| Failure::new(Exit::Missing, &error))?;
        if holder != Holder::Nobody {
            busy.push((dir, "running:"));
        } else if Ticket::of(&dir).is_some() && !dir.outcome_path().is_file() {
            busy.push((dir, "submitted:"));
        }
    }
    Ok(busy)
}
