//! `recode status`: prints the state of jobs, from their files.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{
    exit::{Exit, Failure},
    output,
    progress::{duration, progress_in_words},
    queue, results_folder,
    spec_arguments::SpecArguments,
};
use crate::{
    plan::{Job, JobId, labels},
    results::{JobDir, JobState, Store, Timestamp},
};

/// Arguments of `recode status`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print only the jobs of this spec [default: all jobs]
    #[arg(value_parser = super::spec_name::parser())]
    spec: Option<PathBuf>,

    /// Change a setting of the spec, as for `run`
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "spec")]
    overrides: Vec<String>,

    /// Print the same as JSON
    #[arg(long)]
    json: bool,
}

/// In place of what a job is, if its folder does not say so.
const UNREADABLE: &str = "`job.json` cannot be read";

/// The state of a job, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Row {
    job: JobId,
    what: String,
    #[serde(flatten)]
    state: JobState,
    attempts: u32,
    /// When its worker last reported that it runs.
    heartbeat: Option<Timestamp>,
    /// The ranks and devices of a job that runs, if it is more than one process on the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    /// What Slurm says of a job that was submitted and does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
}

/// Runs `recode status`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let store = match &arguments.spec {
        Some(spec) => results_folder::of_spec(spec),
        None => results_folder::of_current_folder(),
    };
    let mut rows = rows(arguments, &store)?;
    let idle = rows.iter().filter(|row| is_idle(&row.state));
    let words = queue::words(idle.map(|row| &row.job), &store);
    for row in &mut rows {
        row.queue = words.get(&row.job).cloned();
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&rows);
        output::result(&text.map_err(|error| Failure::new(Exit::Bug, &error))?);
    } else if rows.is_empty() {
        output::result(&format!("no jobs in `{}`", store.root().display()));
    } else {
        output::result(&text(&rows));
    }
    Ok(Exit::Done)
}

/// Whether a job may be in a queue: it is neither done nor does it run.
fn is_idle(state: &JobState) -> bool {
    !matches!(state, JobState::Done | JobState::Running { .. })
}

fn rows(arguments: &Arguments, store: &Store) -> Result<Vec<Row>, Failure> {
    let Some(spec) = &arguments.spec else {
        let dirs = store.jobs();
        // None for a folder whose `job.json` is damaged, or of an earlier version: it has a state as well.
        let read = |dir: &JobDir| {
            let job = dir.job();
            job.unwrap_or_else(|error| {
                let reason = Failure::new(Exit::Missing, &error).into_message();
                output::error_line(&format!("warning: {reason}"));
                None
            })
        };
        let jobs: Vec<Option<Job>> = dirs.iter().map(read).collect();
        let known: Vec<&Job> = jobs.iter().flatten().collect();
        let mut labels = labels(&known).into_iter();
        let rows = dirs.iter().zip(&jobs).map(|(dir, job)| {
            let what = job.as_ref().and_then(|_| labels.next());
            row(dir, what.unwrap_or_else(|| UNREADABLE.to_owned()))
        });
        return rows.collect();
    };
    let spec = SpecArguments {
        spec: spec.clone(),
        overrides: arguments.overrides.clone(),
    };
    let (_, plan) = spec.plan()?;
    let jobs: Vec<&Job> = plan.jobs.iter().collect();
    jobs.iter()
        .zip(labels(&jobs))
        .map(|(job, what)| row(&store.job_dir(&job.id), what))
        .collect()
}

fn row(dir: &JobDir, what: String) -> Result<Row, Failure> {
    let failure = |error| Failure::new(Exit::Missing, &error);
    let state = dir.state().map_err(failure)?;
    let is_running = matches!(state, JobState::Running { .. });
    let last = || dir.provenance().attempts.pop()?.place();
    Ok(Row {
        job: dir.id(),
        what,
        place: is_running.then(last).flatten(),
        state,
        attempts: dir.last_attempt(),
        heartbeat: dir.note().map(|note| note.heartbeat),
        queue: None,
    })
}

/// A line for each job, and the number of jobs in each state.
fn text(rows: &[Row]) -> String {
    let job = rows.iter().map(|row| row.job.0.len()).max().unwrap_or(0);
    let what = rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut counts = [
        ("done", 0),
        ("running", 0),
        ("failed", 0),
        ("interrupted", 0),
        ("waiting", 0),
    ];
    for row in rows {
        let (mut name, mut more) = in_words(row);
        if let Some(words) = &row.queue {
            (name, more) = (
                "waiting",
                format!("{more}  {words}").trim_start().to_owned(),
            );
        }
        for (_, count) in counts.iter_mut().filter(|(other, _)| *other == name) {
            *count += 1;
        }
        let line = format!("{:job$}  {name:11}  {:what$}  {more}", row.job.0, row.what);
        lines.push(line.trim_end().to_owned());
    }
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    lines.push(counts.join(" · "));
    lines.join("\n")
}

/// The name of a state, and details.
fn in_words(row: &Row) -> (&'static str, String) {
    match &row.state {
        JobState::Done => ("done", String::new()),
        JobState::Running { owner, progress } => {
            let age = |beat: Timestamp| format!("updated {} ago", duration(beat.age()));
            let more = [
                progress.as_ref().map(progress_in_words),
                row.place.clone(),
                owner.as_ref().map(ToString::to_string),
                row.heartbeat.map(age),
            ];
            (
                "running",
                more.into_iter().flatten().collect::<Vec<_>>().join("  "),
            )
        }
        JobState::Failed { reason } => {
            let first = reason.lines().next().unwrap_or_default();
            ("failed", format!("attempt {}: {first}", row.attempts))
        }
        JobState::Resumable { step } => ("interrupted", format!("continues after step {step}")),
        JobState::New => ("waiting", String::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::results::Progress;

    fn row(job: &str, state: JobState) -> Row {
        let what = "small_arena on base s42".to_owned();
        Row {
            job: JobId(job.into()),
            what,
            state,
            attempts: 2,
            heartbeat: None,
            place: None,
            queue: None,
        }
    }

    #[test]
    fn a_job_whose_record_is_damaged_has_a_line_that_says_so() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let [half, folder] = ["eval-1", "eval-2"].map(|id| store.job_dir(&JobId(id.into())));
        fs::create_dir_all(half.path()).unwrap();
        fs::write(half.path().join("job.json"), "{\"id\": ").unwrap();
        fs::create_dir_all(folder.path().join("job.json")).unwrap();
        let arguments = Arguments {
            spec: None,
            overrides: Vec::new(),
            json: false,
        };

        insta::assert_snapshot!(super::text(&rows(&arguments, &store).unwrap()), @r"
        eval-1  waiting      `job.json` cannot be read
        eval-2  waiting      `job.json` cannot be read
        2 waiting
        ");
    }

    #[test]
    fn every_state_has_a_line() {
        let progress = Some(Progress {
            step: 3,
            of: 10,
            message: "pass 2".into(),
        });
        let reason = "error: cannot write `x`: no space left\nhelp: free some".to_owned();
        let rows = [
            row("eval-1", JobState::Done),
            row(
                "eval-2",
                JobState::Running {
                    owner: None,
                    progress,
                },
            ),
            Row {
                place: Some("2 ranks on cuda 0,1".to_owned()),
                ..row(
                    "train-7",
                    JobState::Running {
                        owner: None,
                        progress: None,
                    },
                )
            },
            row("eval-3", JobState::Failed { reason }),
            row("train-4", JobState::Resumable { step: 40 }),
            row("eval-5", JobState::New),
            Row {
                queue: Some("Slurm job 12_3: pending (Priority)".to_owned()),
                ..row("train-6", JobState::Resumable { step: 40 })
            },
        ];

        insta::assert_snapshot!(text(&rows), @r"
        eval-1   done         small_arena on base s42
        eval-2   running      small_arena on base s42  step 3/10  pass 2
        train-7  running      small_arena on base s42  2 ranks on cuda 0,1
        eval-3   failed       small_arena on base s42  attempt 2: error: cannot write `x`: no space left
        train-4  interrupted  small_arena on base s42  continues after step 40
        eval-5   waiting      small_arena on base s42
        train-6  waiting      small_arena on base s42  continues after step 40  Slurm job 12_3: pending (Priority)
        1 done · 2 running · 1 failed · 1 interrupted · 2 waiting
        ");
    }
}
