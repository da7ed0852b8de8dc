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
        spec_arguments::{self, load_file},
        table_file::{self, TableFile},
        upstream::with_upstream,
    },
    engine::slurm::Ticket,
    plan::JobId,
    results::{Holder, JobDir, Store, in_words},
    spec::Surroundings,
};

/// What needs each job.
#[derive(Debug, Default)]
pub(super) struct Uses {
    of: BTreeMap<JobId, BTreeSet<String>>,
    /// What could not be read, so that some uses are not known, in words.
    pub(super) unknown: Vec<String>,
}

impl Uses {
    /// What needs a job.
    pub(super) fn of(&self, job: &JobId) -> BTreeSet<String> {
        self.of.get(job).cloned().unwrap_or_default()
    }

    /// A use of jobs, and so of those that they build on.
    fn add(&mut self, jobs: impl IntoIterator<Item = JobId>, user: &str, store: &Store) {
        let Self { of, unknown } = self;
        let jobs = with_upstream(jobs, |id| match start_of(&store.job_dir(id)) {
            Ok(start) => start,
            Err(why) => {
                let why = format!("what {id} builds on is not known: {why}");
                if !unknown.contains(&why) {
                    unknown.push(why);
                }
                None
            }
        });
        for id in jobs {
            of.entry(id).or_default().insert(user.to_owned());
        }
    }
}

/// What needs each job: every table in the folder of results, every spec of the project, every job that runs or
/// waits in a queue, and the jobs that build on it and are needed themselves.
pub(super) fn uses(store: &Store) -> Result<Uses, Failure> {
    let mut uses = Uses::default();
    for path in files(&store.root().join("tables"), &mut uses.unknown) {
        if path.file_name().is_none_or(|name| name != table_file::NAME) {
            continue;
        }
        let table = path.parent().and_then(Path::file_name).unwrap_or_default();
        let name = format!("table {}", table.to_string_lossy());
        match TableFile::read(&path) {
            Ok(table) => uses.add(table.jobs(), &name, store),
            Err(why) => uses.unknown.push(format!(
                "the jobs of the table `{}` are not known: {why}",
                path.display()
            )),
        }
    }
    of_specs(&mut uses, store);
    for (dir, reason) in busy(store)? {
        let reason = format!("{reason} {}", dir.id());
        uses.add([dir.id()], &reason, store);
    }
    Ok(uses)
}

/// The uses by all specs of the project. A file that other specs include need not be a spec itself.
fn of_specs(uses: &mut Uses, store: &Store) {
    let root = Surroundings::root_of(Path::new("."));
    let mut included = BTreeSet::new();
    let mut mistaken = Vec::new();
    for path in files(&root.join("experiments"), &mut uses.unknown) {
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let shown = path
            .strip_prefix(&root)
            .unwrap_or(&path)
            .display()
            .to_string();
        let jobs = jobs_of_spec(&path, &mut included, store);
        match jobs {
            Ok(jobs) => uses.add(jobs, &shown, store),
            Err(why) => mistaken.push((path, format!("the jobs of {shown} are not known: {why}"))),
        }
    }
    let is_spec = |path: &Path| !included.contains(&canonical(path));
    let unknown = mistaken.into_iter().filter(|(path, _)| is_spec(path));
    uses.unknown.extend(unknown.map(|(_, why)| why));
}

/// The jobs of a spec, and those whose models it reads; the files that it includes are added to others.
fn jobs_of_spec(
    path: &Path,
    included: &mut BTreeSet<PathBuf>,
    store: &Store,
) -> Result<Vec<JobId>, String> {
    let loaded = load_file(path, &[]).map_err(Failure::into_message)?;
    let (experiment, around) = loaded.map_err(|_| "it has mistakes, which `recode check` lists")?;
    let files = experiment.files().into_iter().skip(1);
    included.extend(files.map(|file| canonical(&file)));
    let plan = spec_arguments::plan(&experiment, &around).map_err(Failure::into_message)?;
    let folder = canonical(&store.root().join("jobs"));
    let models = plan
        .jobs
        .iter()
        .flat_map(|job| [&job.work.model_path, &job.work.teacher_path]);
    // A model may be the result of a job, named by its folder.
    let read = models.flatten().filter_map(|path| {
        let path = canonical(path);
        let name = path.strip_prefix(&folder).ok()?.iter().next()?.to_str()?;
        Some(JobId(name.to_owned()))
    });
    let read: Vec<JobId> = read.collect();
    let jobs = plan.jobs.into_iter().map(|job| job.id);
    Ok(jobs.chain(read).collect())
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// The job that a job builds on. A folder that is not there builds on none.
fn start_of(dir: &JobDir) -> Result<Option<JobId>, String> {
    let identity = dir.identity().map_err(|error| in_words(&error))?;
    let start = |identity: Json| Some(identity.get("start")?.get("job")?.as_str()?.to_owned());
    Ok(identity.and_then(start).map(JobId))
}

/// The files below a folder; what cannot be read is noted.
fn files(folder: &Path, unknown: &mut Vec<String>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if folder.symlink_metadata().is_err() {
        return files;
    }
    for entry in walkdir::WalkDir::new(folder)
        .follow_links(true)
        .sort_by_file_name()
    {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(_) => {}
            Err(error) => unknown.push(format!("`{}` is not known: {error}", folder.display())),
        }
    }
    files
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
