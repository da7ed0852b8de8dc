//! The folder of all results.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{JobDir, job_dir::names};
use crate::plan::JobId;

/// A folder of results: `jobs/`, one folder a job, and `tables/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The results below `root`, which need not be there.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The results that this process works with: `results/`, or what `RECODE_RESULTS` says.
    pub fn from_environment() -> Self {
        let root = env::var_os("RECODE_RESULTS").filter(|root| !root.is_empty());
        Self::new(root.map_or_else(|| PathBuf::from("results"), PathBuf::from))
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of one job.
    pub fn job_dir(&self, id: &JobId) -> JobDir {
        JobDir::new(self.root.join("jobs").join(&id.0))
    }

    /// The folder of one experiment's tables and figures.
    pub fn table_dir(&self, experiment: &str) -> PathBuf {
        self.root.join("tables").join(experiment)
    }

    /// The folders of all jobs that were ever prepared here, by name.
    pub fn jobs(&self) -> Vec<JobDir> {
        let jobs = self.root.join("jobs");
        let mut names: Vec<String> = names(&jobs)
            // Whatever it is: a damaged one is to be seen.
            .filter(|name| jobs.join(name).join("job.json").symlink_metadata().is_ok())
            .collect();
        names.sort();
        names
            .into_iter()
            .map(|name| self.job_dir(&JobId(name)))
            .collect()
    }
}
