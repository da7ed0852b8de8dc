//! Job folders that somebody has thrown away: they are moved first, and removed only on request.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Claim, JobDir, ResultsError, Store, bytes_below, job_dir::names};
use crate::{disk::DiskError, plan::JobId};

/// The folder `.trash` of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trash {
    root: PathBuf,
}

/// What has become of a folder that was to be thrown away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thrown {
    /// It is here now.
    Moved(PathBuf),
    /// A process runs the job.
    Running,
}

impl Trash {
    /// The trash of a store.
    pub fn of(store: &Store) -> Self {
        Self {
            root: store.root().join(".trash"),
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Moves the whole folder of a job, unless the job runs.
    pub fn take(&self, dir: &JobDir) -> Result<Thrown, ResultsError> {
        self.take_part(dir, dir.path(), &dir.id().0)
    }

    /// Moves the checkpoints of a job, unless the job runs.
    pub fn take_checkpoints(&self, dir: &JobDir) -> Result<Thrown, ResultsError> {
        let JobId(id) = dir.id();
        self.take_part(dir, &dir.checkpoints(), &format!("{id}.checkpoints"))
    }

    fn take_part(&self, dir: &JobDir, from: &Path, name: &str) -> Result<Thrown, ResultsError> {
        // Nobody can start the job while its folder moves, and a job that runs keeps its own lock.
        let Claim::Ours(_lock) = dir.claim()? else {
            return Ok(Thrown::Running);
        };
        fs::create_dir_all(&self.root).map_err(DiskError::write(&self.root))?;
        let mut number = 1;
        loop {
            let to = match number {
                1 => self.root.join(name),
                _ => self.root.join(format!("{name}.{number}")),
            };
            if !to.exists() {
                fs::rename(from, &to).map_err(DiskError::write(from))?;
                return Ok(Thrown::Moved(to));
            }
            number += 1;
        }
    }

    /// The names of what is in it.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = names(&self.root).collect();
        names.sort();
        names
    }

    /// The bytes of all files in it.
    pub fn bytes(&self) -> u64 {
        bytes_below(&self.root)
    }

    /// Removes all that is in it.
    pub fn empty(&self) -> Result<(), ResultsError> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DiskError::write(&self.root)(error).into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::tests::fixture::job, results::tests::fixture};

    #[test]
    fn a_folder_is_moved_whole_and_a_second_one_of_its_name_gets_a_number() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let trash = Trash::of(&store);
        let dir = store.job_dir(&JobId("eval-1".into()));
        for _ in 0..2 {
            dir.prepare(&job("eval-1", &[])).unwrap();
            dir.write_outcome(&fixture::outcome()).unwrap();
            let Thrown::Moved(to) = trash.take(&dir).unwrap() else {
                panic!("nobody runs it")
            };
            assert!(!dir.path().exists() && to.join("outcome.json").is_file());
        }

        assert_eq!(trash.names(), ["eval-1", "eval-1.2"]);
        assert!(trash.bytes() > 0);
        trash.empty().unwrap();
        assert!(trash.names().is_empty() && trash.bytes() == 0);
        trash.empty().unwrap();
    }

    #[test]
    fn a_job_that_runs_stays_where_it_is() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let dir = store.job_dir(&JobId("eval-1".into()));
        dir.prepare(&job("eval-1", &[])).unwrap();
        let _lock = dir.claim().unwrap();

        assert_eq!(Trash::of(&store).take(&dir).unwrap(), Thrown::Running);
        assert!(dir.path().is_dir());
    }
}
