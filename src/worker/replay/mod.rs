//! Doing parts of a finished job again, to compare them with what it has recorded.
//!
//! Nothing is written into the job's folder: what a part writes goes to a folder of scratch.

mod compared;
mod training;
mod verdicts;

use std::path::Path;

use serde_json::Value;

use super::{WorkerError, compare_inputs};
use crate::{
    plan::{Job, RECIPE_VERSION, Task},
    results::{Finding, JobDir, in_words},
    seed::Stream,
};

pub use training::replay_training;
pub use verdicts::replay_verdicts;

/// Where jobs that are replayed have run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Folders of the machine that ran them, each with the folder that has the same files here.
    pub moved: Vec<(String, String)>,
    /// Whether somebody else may have written the jobs, whose commands and choices about safeguards are not to be
    /// trusted.
    pub is_foreign: bool,
}

impl Elsewhere {
    /// A job whose files are here; or why it is not run.
    fn job(&self, job: &Job) -> Result<Job, String> {
        let mut value = serde_json::to_value(job).map_err(|error| error.to_string())?;
        self.replace(&mut value);
        if let Some(path) = odd_input(&value).filter(|_| self.is_foreign) {
            return Err(format!("`{}` is no file", path.display()));
        }
        let moved: Result<Job, _> = serde_json::from_value(value);
        let mut moved = moved.map_err(|error| error.to_string())?;
        moved.identity = job.identity.clone();
        if self.is_foreign {
            disarm(&mut moved)?;
        }
        Ok(moved)
    }

    fn replace(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let below = |(from, to): &(String, String)| {
                    let rest = text.strip_prefix(from.as_str())?;
                    rest.starts_with('/').then(|| [to, rest].concat())
                };
                if let Some(moved) = self.moved.iter().find_map(below) {
                    *text = moved;
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.replace(value)),
            Value::Object(values) => values.values_mut().for_each(|value| self.replace(value)),
            _ => {}
        }
    }
}

/// Takes from a job of somebody else what could do harm: no process of theirs is run, and no safeguard given up.
fn disarm(job: &mut Job) -> Result<(), String> {
    match &mut job.work.task {
        Task::Train { train, .. } => {
            if train.reward_settings.custom.is_some() {
                let what = "its reward is a command of whoever made the pack, which is not run";
                return Err(what.to_owned());
            }
            if let Some(tests) = &mut train.reward_settings.tests {
                tests.allow_unsandboxed = false;
            }
        }
        Task::Eval(eval) => {
            eval.allow_unsandboxed = false;
            "auto".clone_into(&mut eval.python);
        }
    }
    Ok(())
}

/// The first text of a job that is the path of something that is neither a file nor a folder, whatever the text is
/// for: a new setting that names a file is checked, too.
fn odd_input(value: &Value) -> Option<&Path> {
    let is_odd = |path: &Path| path.exists() && !path.is_file() && !path.is_dir();
    match value {
        Value::String(text) => Some(Path::new(text.as_str())).filter(|path| is_odd(path)),
        Value::Array(values) => values.iter().find_map(odd_input),
        Value::Object(values) => values.values().find_map(odd_input),
        _ => None,
    }
}

/// A part of a job that is done again.
struct Part<'a> {
    job: &'a Job,
    /// The folder of the job, which is only read.
    dir: &'a JobDir,
    /// Where the part writes.
    scratch: &'a JobDir,
    stream: Stream,
}

/// Runs a part of a job; an error of it is a part that could not be compared.
fn replay(
    dir: &JobDir,
    from: &Elsewhere,
    scratch: &Path,
    stream: Stream,
    act: impl FnOnce(&mut Part<'_>) -> Result<Vec<Finding>, WorkerError>,
) -> Vec<Finding> {
    let id = dir.id();
    let job = match dir.job() {
        Ok(Some(job)) => job,
        Ok(None) => return vec![Finding::unchecked(id, "there is no `job.json`")],
        Err(error) => return vec![Finding::unchecked(id, in_words(&error))],
    };
    let recipe = job.identity.get("recipe").and_then(Value::as_u64);
    if recipe.is_some_and(|recipe| recipe != u64::from(RECIPE_VERSION)) {
        let what = "nothing is replayed: it was made with another recipe than that of this program";
        return vec![Finding::unchecked(id, what)];
    }
    let job = match from.job(&job) {
        Ok(job) => job,
        Err(why) => return vec![Finding::unchecked(id, why)],
    };
    let scratch = JobDir::new(scratch.join("jobs").join(&id.0));
    let mut part = Part {
        job: &job,
        dir,
        scratch: &scratch,
        stream,
    };
    let begun = compare_inputs(&job.work).and_then(|()| {
        std::fs::create_dir_all(scratch.path()).map_err(|source| WorkerError::OpenFolder {
            path: scratch.path().to_owned(),
            source,
        })
    });
    let found = begun.and_then(|()| act(&mut part));
    found.unwrap_or_else(|error| vec![Finding::unchecked(id, in_words(&error))])
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::plan::tests::fixture::job;

    #[test]
    fn files_of_another_machine_are_looked_for_here_and_its_choices_not_trusted() {
        let mut there = job("eval-1", &[]);
        there.work.data = "/there/project/datasets/a.jsonl".into();
        there.work.model_path = Some("/there/projects/model".into());
        let from = Elsewhere {
            moved: vec![("/there/project".to_owned(), "/here".to_owned())],
            is_foreign: true,
        };
        if let Task::Eval(eval) = &mut there.work.task {
            eval.allow_unsandboxed = true;
            eval.python = "/bin/evil".to_owned();
        }

        let here = from.job(&there).unwrap();

        let Task::Eval(eval) = &here.work.task else {
            panic!("an evaluation")
        };
        assert!(!eval.allow_unsandboxed && eval.python == "auto");

        assert_eq!(here.work.data, Path::new("/here/datasets/a.jsonl"));
        assert_eq!(here.work.model_path, there.work.model_path);
        assert_eq!(here.id, there.id);
    }

    #[test]
    fn no_device_is_read_for_a_job_of_somebody_else() {
        let from = Elsewhere {
            moved: Vec::new(),
            is_foreign: true,
        };
        assert!(from.job(&job("eval-1", &[])).is_ok());
        let set: [fn(&mut Job, PathBuf); 5] = [
            |job, path| job.work.data = path,
            |job, path| job.work.model_path = Some(path),
            |job, path| job.work.teacher_path = Some(path),
            |job, path| job.work.model.scratch.tokenizer = path,
            |job, path| job.work.prompts.migration = path,
        ];
        for (number, set) in set.into_iter().enumerate() {
            let mut there = job("eval-1", &[]);
            // A model from scratch says all of its settings.
            "scratch".clone_into(&mut there.work.model.base);
            set(&mut there, PathBuf::from("/dev/zero"));
            let refused = from.job(&there).unwrap_err();
            assert_eq!(refused, "`/dev/zero` is no file", "{number}");
            let own = Elsewhere::default();
            assert!(own.job(&there).is_ok(), "{number}");
        }
    }
}
