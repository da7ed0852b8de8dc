//! What the jobs of a plan need and this machine lacks.
//!
//! `recode run` refuses to start because of it, `recode plan` lists it. It is no part of `plan`,
//! which looks at no environment, device or program.

use super::exit::{Exit, Failure};
use crate::{
    device::{Backend, Unavailable},
    plan::{Job, Missing, Plan, Task},
    remote::NoKey,
    sandbox::{Interpreter, PythonError, Settings},
};

/// Something that jobs need and that is not here.
#[derive(Debug)]
pub(super) enum Shortfall<'a> {
    /// A model or data that must be downloaded, or a file.
    Input(&'a Missing),
    /// The key of a remote model.
    Key {
        /// What the environment lacks.
        no_key: NoKey,
        /// The endpoint.
        address: String,
    },
    /// A backend that this program or this machine does not have.
    Backend(Unavailable),
    /// The Python that judges.
    Python(PythonError),
}

impl Shortfall<'_> {
    /// The reason not to start, with what to do about it.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Input(missing) => Failure::text(Exit::Missing, &missing.what).hint(&missing.how),
            Self::Key { no_key, address } => Failure::new(Exit::Missing, no_key).hint(format!(
                "put the key of {address} there, or name another: \
                 model.remote.key_variable"
            )),
            Self::Backend(reason) => Failure::new(Exit::Missing, reason)
                .hint("to run it on the CPU: --set run.backend=cpu"),
            Self::Python(error) => Failure::new(Exit::Missing, error)
                .hint("install Python 3.9 or later, or name one with RECODE_PYTHON"),
        }
    }
}

/// All that these jobs of a plan lack here, each thing once.
pub(super) fn shortfalls<'a>(plan: &'a Plan, jobs: &[&Job]) -> Vec<Shortfall<'a>> {
    shortfalls_with(plan, jobs, missing_python)
}

/// Why there is no Python that judges, if so. It asks a Python, which may take a tenth of a second.
pub(super) fn missing_python() -> Option<PythonError> {
    Interpreter::find(&Settings::default_interpreter()).err()
}

/// The same, with an answer to the question for Python that may be there already.
pub(super) fn shortfalls_with<'a>(
    plan: &'a Plan,
    jobs: &[&Job],
    missing_python: impl FnOnce() -> Option<PythonError>,
) -> Vec<Shortfall<'a>> {
    let needs = |missing: &&Missing| {
        let mut ids = missing.needed_by.iter();
        ids.any(|id| jobs.iter().any(|job| job.id == *id))
    };
    let mut found: Vec<_> = plan
        .missing
        .iter()
        .filter(needs)
        .map(Shortfall::Input)
        .collect();
    found.extend(keys(jobs));
    found.extend(backends(jobs));
    if jobs.iter().any(|job| is_judging(job)) {
        found.extend(missing_python().map(Shortfall::Python));
    }
    found
}

fn keys<'a>(jobs: &[&Job]) -> Vec<Shortfall<'a>> {
    let mut keys: Vec<(NoKey, String)> = Vec::new();
    for remote in jobs.iter().flat_map(|job| job.work.endpoints()) {
        if let Some(no_key) = remote.missing()
            && keys.iter().all(|(known, _)| *known != no_key)
        {
            keys.push((no_key, remote.address().to_owned()));
        }
    }
    keys.into_iter()
        .map(|(no_key, address)| Shortfall::Key { no_key, address })
        .collect()
}

fn backends<'a>(jobs: &[&Job]) -> Vec<Shortfall<'a>> {
    // A remote model runs on no device of this machine.
    let here = jobs.iter().filter(|job| job.work.remote().is_none());
    let mut backends: Vec<Backend> = here.map(|job| job.work.backend).collect();
    backends.sort_unstable();
    backends.dedup();
    let missing = backends.into_iter().filter_map(Backend::missing);
    missing.map(Shortfall::Backend).collect()
}

/// Whether a job runs the code that a model writes.
fn is_judging(job: &Job) -> bool {
    match &job.work.task {
        Task::Train { evaluation, .. } => evaluation.is_some(),
        Task::Eval(_) => true,
    }
}
