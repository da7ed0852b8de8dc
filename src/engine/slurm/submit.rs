//! Submitting the jobs of a plan that are not done and not in the queue.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::resume_unwind,
    path::Path,
    thread,
};

use super::{
    Slurm, SlurmError, Survey, Ticket,
    arrays::{Array, Wait, arrays, ranges},
    client::TaskId,
    record_ends, script,
    survey::Standing,
};
use crate::{
    digest::Digest,
    disk::{
        DiskError, Timestamp,
        atomic::{self, Flush},
        lock,
    },
    engine::EngineError,
    plan::{Job, JobId, Plan},
    results::{Claim, JobDir, Owner, ResultsError},
};

/// How many folders are written at the same time.
const WRITERS: usize = 16;

/// What was submitted, and where all jobs stand after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Where each job stood before.
    pub before: Survey,
    /// The jobs that were submitted now.
    pub submitted: Vec<JobId>,
    /// The job numbers of the arrays, in the order in which they were submitted.
    pub arrays: Vec<u64>,
    /// The job number of the one that writes the table at the end.
    pub report: Option<u64>,
}

impl Slurm<'_> {
    /// Submits what is missing.
    pub(super) fn submit(&self, plan: &Plan) -> Result<Submission, EngineError> {
        let folder = self.store.root().join("slurm");
        fs::create_dir_all(&folder).map_err(DiskError::write(&folder))?;
        // Until this ends, nobody else submits jobs of these results.
        let _lock = match lock::claim(&folder.join("lock"))? {
            Claim::Ours(lock) => lock,
            Claim::Held(owner) => return Err(SlurmError::Busy(owner).into()),
        };
        let survey = Survey::of(
            plan.jobs.iter().map(|job| &job.id),
            self.store,
            &self.client,
        )?;
        record_ends(&survey, &plan.jobs, self.store)?;
        let jobs = self.open_jobs(plan, &survey);
        let mut submission = Submission {
            before: survey,
            submitted: Vec::new(),
            arrays: Vec::new(),
            report: None,
        };
        if jobs.is_empty() {
            return Ok(submission);
        }
        let facts = self.client.facts()?;
        let queued: BTreeMap<JobId, TaskId> = plan
            .jobs
            .iter()
            .filter_map(|job| Some((job.id.clone(), submission.before.task_of(&job.id)?)))
            .collect();
        let key = key();
        let folder = folder.join(&key);
        fs::create_dir_all(&folder).map_err(DiskError::write(&folder))?;
        self.prepare(&jobs)?;
        let shared = (self.needs, [self.ranks, self.nodes]);
        for array in arrays(&jobs, &queued, shared, facts.array_limit) {
            let place = submission.arrays.len();
            let number = self.submit_array(&array, &submission.arrays, &folder, &key)?;
            submission.arrays.push(number);
            submission
                .submitted
                .extend(array.tasks.values().map(|job| job.id.clone()));
            tracing::debug!(place, number, "an array is in the queue");
        }
        submission.report = Some(self.submit_report(&submission.arrays, &folder, &key)?);
        Ok(submission)
    }

    /// Writes the folders of the jobs. A disk flushes many files at once in the time of one.
    fn prepare(&self, jobs: &[&Job]) -> Result<(), ResultsError> {
        let part = jobs.len().div_ceil(WRITERS).max(1);
        let prepare = |job: &&Job| self.store.job_dir(&job.id).prepare(job);
        thread::scope(|scope| {
            let start = |part| scope.spawn(move || <[&Job]>::iter(part).try_for_each(prepare));
            let threads: Vec<_> = jobs.chunks(part).map(start).collect();
            threads
                .into_iter()
                .try_for_each(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }

    /// The jobs to submit. A training whose model was removed is done again if a job needs it.
    fn open_jobs<'a>(&self, plan: &'a Plan, survey: &Survey) -> Vec<&'a Job> {
        let mut open: Vec<&Job> = Vec::new();
        let mut needed: BTreeSet<&JobId> = BTreeSet::new();
        for job in plan.jobs.iter().rev() {
            let lacks_model = || self.store.job_dir(&job.id).lacks_model();
            if survey.is_open(&job.id) || (needed.contains(&job.id) && lacks_model()) {
                needed.extend(&job.after);
                open.push(job);
            }
        }
        open.reverse();
        open
    }

    fn submit_array(
        &self,
        array: &Array<'_>,
        numbers: &[u64],
        folder: &Path,
        key: &str,
    ) -> Result<u64, EngineError> {
        let name = numbers.len().to_string();
        let comment = format!("{key}:{name}");
        let list = folder.join(format!("{name}.tasks"));
        let lines = array
            .tasks
            .iter()
            .map(|(task, job)| format!("{task} {}\n", job.id));
        atomic::write(&list, lines.collect::<String>().as_bytes(), Flush::Now)
            .map_err(DiskError::write(&list))?;
        let ticket = |task: u32, job: Option<u64>| Ticket {
            comment: comment.clone(),
            job,
            task,
            submitted: Timestamp::now(),
        };
        for (task, job) in &array.tasks {
            ticket(*task, None).write(&self.dir(job))?;
        }
        let log = folder.join(format!("{name}.%a.log"));
        let mut options = script::options(
            self.settings,
            self.needs,
            Some(&array.shape),
            &comment,
            &log,
        );
        options.push(format!("--array={}", ranges(array.tasks.keys().copied())));
        options.extend(dependency(&array.wait, numbers));
        let mut program = vec![
            self.program.display().to_string(),
            "slurm-task".to_owned(),
            list.display().to_string(),
            "--retries".to_owned(),
            self.retries.to_string(),
        ];
        program.extend(self.sharing.iter().cloned());
        let script = script::script(self.settings, Some(self.needs.cpus), &program);
        let number = self.client.submit(&options, &script)?;
        for (task, job) in &array.tasks {
            ticket(*task, Some(number)).write(&self.dir(job))?;
        }
        Ok(number)
    }

    /// Submits the job that writes the table when all others have ended, in whatever way.
    fn submit_report(&self, numbers: &[u64], folder: &Path, key: &str) -> Result<u64, EngineError> {
        let log = folder.join("report.log");
        let comment = format!("{key}:report");
        let mut options = script::options(self.settings, self.needs, None, &comment, &log);
        let after: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        options.push(format!("--dependency=afterany:{}", after.join(":")));
        let mut program = vec![self.program.display().to_string()];
        program.extend(self.report.iter().cloned());
        let script = script::script(self.settings, None, &program);
        Ok(self.client.submit(&options, &script)?)
    }

    fn dir(&self, job: &Job) -> JobDir {
        self.store.job_dir(&job.id)
    }
}

/// The option that says what an array waits for.
fn dependency(wait: &Wait, numbers: &[u64]) -> Option<String> {
    let number = |array: &usize| numbers.get(*array).copied().unwrap_or_default();
    Some(match wait {
        Wait::Nothing => return None,
        Wait::Array(array) => format!("--dependency=aftercorr:{}", number(array)),
        Wait::Before(number) => format!("--dependency=aftercorr:{number}"),
        Wait::Tasks(here, before) => {
            let here = here.iter().map(|(array, task)| (number(array), *task));
            let tasks = here.chain(before.iter().copied());
            let words: Vec<String> = tasks.map(|(job, task)| format!("{job}_{task}")).collect();
            format!("--dependency=afterok:{}", words.join(":"))
        }
    })
}

/// A name that no other submission has.
fn key() -> String {
    let owner = Owner::this_process();
    let now = nanoseconds();
    let text = format!("{} {} {now}", owner.host, owner.pid);
    format!("recode-{}", Digest::of_bytes(text.as_bytes()).short())
}

fn nanoseconds() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos())
}

impl Survey {
    /// The jobs that are done, that run, and that are in the queue.
    pub fn counts(&self) -> [usize; 3] {
        let count = |is_it: fn(&Standing) -> bool| {
            self.standings
                .values()
                .filter(|standing| is_it(standing))
                .count()
        };
        [
            count(|standing| matches!(standing, Standing::Done)),
            count(|standing| matches!(standing, Standing::Running(_))),
            count(|standing| matches!(standing, Standing::Queued { .. })),
        ]
    }
}
