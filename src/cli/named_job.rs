//! The job that an argument names.

use std::{fs, path::Path};

use super::exit::{Exit, Failure};
use crate::{
    plan::JobId,
    results::{JobDir, JobState, Store},
    spec::nearest,
};

/// What to do if it is not clear which job is meant.
const HINT: &str = "`recode status` lists the jobs";

/// The least characters of a name that are compared.
const LEAST_TOLD: usize = 8;

/// The job of that name, of that folder, or the only one with a name that begins so.
pub(super) fn find(name: &str, store: &Store) -> Result<JobDir, Failure> {
    if Path::new(name).join("job.json").is_file() {
        // The folder's name is the job's, which `.` would hide.
        let folder = fs::canonicalize(name).unwrap_or_else(|_| name.into());
        return Ok(JobDir::new(folder));
    }
    let mut jobs = store.jobs();
    if let Some(place) = jobs.iter().position(|job| job.id().0 == name) {
        return Ok(jobs.swap_remove(place));
    }
    let (mut begun, others): (Vec<JobDir>, Vec<JobDir>) = jobs
        .into_iter()
        .partition(|job| !name.is_empty() && job.id().0.starts_with(name));
    match &begun[..] {
        [_] => Ok(begun.remove(0)),
        [] => {
            let text = format!("there is no job `{name}` in `{}`", store.root().display());
            let hint = meant(name, &others)
                .map_or_else(|| HINT.to_owned(), |near| format!("did you mean `{near}`?"));
            Err(Failure::text(Exit::Usage, text).hint(hint))
        }
        several => {
            let text = format!("`{name}` is the beginning of {}", list(several));
            Err(Failure::text(Exit::Usage, text).hint("write more of the name"))
        }
    }
}

/// The job with the name most like `name`, if one is similar enough to be meant.
fn meant(name: &str, jobs: &[JobDir]) -> Option<JobId> {
    // A beginning of a name is compared with beginnings, unless it is very short.
    let length = name.chars().count().max(LEAST_TOLD);
    let beginning = |job: &JobDir| job.id().0.chars().take(length).collect::<String>();
    let beginnings: Vec<String> = jobs.iter().map(beginning).collect();
    let near = nearest(name, beginnings.iter().map(String::as_str))?;
    let place = beginnings.iter().position(|beginning| beginning == near)?;
    jobs.get(place).map(JobDir::id)
}

/// The only job that runs.
pub(super) fn running(store: &Store) -> Result<JobDir, Failure> {
    let mut running = Vec::new();
    for job in store.jobs() {
        let state = job.state();
        if matches!(
            state.map_err(|error| Failure::new(Exit::Missing, &error))?,
            JobState::Running { .. }
        ) {
            running.push(job);
        }
    }
    match &running[..] {
        [_] => Ok(running.remove(0)),
        [] => {
            let text = format!("no job runs in `{}`", store.root().display());
            Err(Failure::text(Exit::Usage, text).hint(format!("name one; {HINT}")))
        }
        several => {
            let text = format!("several jobs run: {}", list(several));
            Err(Failure::text(Exit::Usage, text).hint("name one"))
        }
    }
}

fn list(jobs: &[JobDir]) -> String {
    let names: Vec<String> = jobs.iter().map(|job| format!("`{}`", job.id())).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::tests::fixture::job, results::Claim};

    fn store(names: &[&str]) -> (tempfile::TempDir, Store) {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path().join("results"));
        for name in names {
            let dir = store.job_dir(&JobId((*name).into()));
            dir.prepare(&job(name, &[])).unwrap();
        }
        (root, store)
    }

    fn found(name: &str, store: &Store) -> Result<String, String> {
        find(name, store).map(|dir| dir.id().0).map_err(|failure| {
            failure
                .into_message()
                .replace(&*store.root().to_string_lossy(), "R")
        })
    }

    #[test]
    fn a_job_is_found_by_its_name_its_folder_or_a_beginning_of_its_own() {
        let (_root, store) = store(&["eval-12", "eval-123", "train-7c1e"]);
        let folder = store.root().join("jobs/train-7c1e");

        assert_eq!(found("eval-12", &store).unwrap(), "eval-12");
        assert_eq!(found("eval-123", &store).unwrap(), "eval-123");
        assert_eq!(found("t", &store).unwrap(), "train-7c1e");
        assert_eq!(
            found(folder.to_str().unwrap(), &store).unwrap(),
            "train-7c1e"
        );
    }

    #[test]
    fn a_beginning_of_several_names_is_refused_with_all_of_them() {
        let (_root, store) = store(&["eval-12", "eval-13", "train-7c1e"]);

        assert_eq!(
            found("eval-1", &store).unwrap_err(),
            "`eval-1` is the beginning of `eval-12`, `eval-13`"
        );
        assert_eq!(found("", &store).unwrap_err(), "there is no job `` in `R`");
    }

    #[test]
    fn a_slip_of_the_keyboard_is_answered_with_the_name_that_was_meant() {
        let (_root, store) = store(&["eval-12345678", "train-7c1e9a02"]);
        let hint = |name| find(name, &store).unwrap_err().into_hint().unwrap();

        for slip in ["trian-7c1e9a02", "trian-7c1e", "tran-7c1e9a0", "train-c1e9"] {
            assert_eq!(hint(slip), "did you mean `train-7c1e9a02`?", "{slip}");
        }
        for stranger in ["quickstart", "x", ""] {
            assert_eq!(hint(stranger), HINT, "{stranger}");
        }
    }

    #[test]
    fn the_job_that_runs_needs_no_name_if_it_is_the_only_one() {
        let (_root, store) = store(&["eval-1", "eval-2", "eval-3"]);
        let [one, two, _] = &store.jobs()[..] else {
            panic!("there are three")
        };
        assert!(running(&store).is_err());

        let lock = one.claim().unwrap();
        assert!(matches!(lock, Claim::Ours(_)));
        assert_eq!(running(&store).unwrap(), *one);

        let _other = two.claim().unwrap();
        assert_eq!(
            running(&store).unwrap_err().into_message(),
            "several jobs run: `eval-1`, `eval-2`"
        );
    }
}
