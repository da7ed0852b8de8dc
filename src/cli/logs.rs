//! `recode logs`: prints the logs of a job's worker.

use std::{io, thread, time::Instant};

use clap::Args;
use rayon::prelude::*;

use super::{
    exit::{Exit, Failure},
    named_job, output, results_folder,
    tail::Tail,
    vigil::{PAUSE, Vigil},
};
use crate::{
    plan::{Job, labels},
    results::{JobDir, Store},
};

/// Arguments of `recode logs`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A job, such as `train-7c1e9a02`, the beginning of its name, or its folder
    job: String,

    /// Print new lines until the job is over, also of later attempts
    #[arg(long, short)]
    follow: bool,
}

/// The log files of an attempt; nearly all lines are in the first one.
const FILES: [&str; 2] = ["stderr.log", "stdout.log"];

/// Runs `recode logs`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let store = results_folder::of_current_folder();
    let dir = named_job::find(&arguments.job, &store)?;
    if dir.last_attempt() == 0 && !arguments.follow {
        let text = format!("`{}` has not been started", dir.id());
        return Err(Failure::text(Exit::Missing, text).hint("`-f` waits for it"));
    }
    if let Some(label) = label(&dir, &store) {
        output::error_line(&format!("{}  {label}", dir.id()));
    }
    let mut vigil = arguments.follow.then(|| Vigil::begin(dir.clone()));
    let mut logs = Logs::new(dir.clone());
    let read = |error: io::Error| {
        let text = format!(
            "cannot read the logs in `{}`: {error}",
            dir.path().display()
        );
        Failure::text(Exit::Missing, text)
    };
    loop {
        // The state is read first, so that nothing written before the job ended is missed.
        let is_over = match &mut vigil {
            Some(vigil) => vigil.poll(Instant::now())?.1,
            None => true,
        };
        let mut text = logs.more().map_err(read)?;
        if is_over {
            text.push_str(&logs.rest());
        }
        if !output::piece(&text) || is_over {
            return Ok(Exit::Done);
        }
        thread::sleep(PAUSE);
    }
}

/// What the job does, with the settings in which it differs from those that do the same.
fn label(dir: &JobDir, store: &Store) -> Option<String> {
    let job = dir.job().ok().flatten()?;
    let others = store.jobs().into_par_iter();
    let others = others.filter(|other| other.id() != job.id);
    let mut jobs: Vec<Job> = others.filter_map(|other| other.job().ok()?).collect();
    jobs.push(job);
    labels(&jobs.iter().collect::<Vec<_>>()).pop()
}

/// The logs of a job, starting with its last attempt.
struct Logs {
    dir: JobDir,
    attempt: u32,
    tails: [Tail; 2],
    /// The attempt and the file of the last text.
    from: (u32, &'static str),
}

impl Logs {
    fn new(dir: JobDir) -> Self {
        let attempt = dir.last_attempt();
        Self {
            attempt,
            tails: tails(&dir, attempt),
            from: (attempt, FILES[0]),
            dir,
        }
    }

    /// What was added since the last call.
    fn more(&mut self) -> io::Result<String> {
        let last = self.dir.last_attempt();
        let mut text = self.added()?;
        if last != self.attempt {
            // The earlier attempt ended before this one started.
            text.push_str(&self.rest());
            if self.attempt == 0 {
                self.from.0 = last;
            }
            self.attempt = last;
            self.tails = tails(&self.dir, last);
            text.push_str(&self.added()?);
        }
        Ok(text)
    }

    fn added(&mut self) -> io::Result<String> {
        let mut texts = Vec::new();
        for tail in &mut self.tails {
            texts.push(tail.read_new()?.text);
        }
        Ok(self.headed(texts))
    }

    /// The last lines, if they have no line break; called when the files no longer grow.
    fn rest(&mut self) -> String {
        let texts = self.tails.iter_mut().map(Tail::rest).collect();
        let text = self.headed(texts);
        if text.is_empty() || text.ends_with('\n') {
            text
        } else {
            text + "\n"
        }
    }

    /// The texts of the files, each with a heading if the previous text came from another file.
    fn headed(&mut self, texts: Vec<String>) -> String {
        let mut whole = String::new();
        for (file, text) in FILES.into_iter().zip(texts) {
            if text.is_empty() {
                continue;
            }
            if self.from != (self.attempt, file) {
                self.from = (self.attempt, file);
                if !whole.is_empty() && !whole.ends_with('\n') {
                    whole.push('\n');
                }
                let heading = format!("==> attempts/{}/{file} <==\n", self.attempt);
                whole.push_str(&heading);
            }
            whole.push_str(&text);
        }
        whole
    }
}

fn tails(dir: &JobDir, attempt: u32) -> [Tail; 2] {
    FILES.map(|file| Tail::new(dir.attempt(attempt).join(file)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::plan::{JobId, tests::fixture::job};

    fn folder() -> (tempfile::TempDir, JobDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&JobId("eval-1".into()));
        dir.prepare(&job("eval-1", &[])).unwrap();
        (root, dir)
    }

    fn write(dir: &JobDir, attempt: u32, file: &str, text: &str) {
        fs::write(dir.attempt(attempt).join(file), text).unwrap();
    }

    #[test]
    fn the_last_attempt_is_printed_and_the_second_file_has_a_heading() {
        let (_root, dir) = folder();
        for attempt in 1..=2 {
            dir.new_attempt().unwrap();
            write(
                &dir,
                attempt,
                "stderr.log",
                &format!("INFO {attempt}\nhalf"),
            );
        }
        write(&dir, 2, "stdout.log", "text\n");
        let mut logs = Logs::new(dir);

        let text = logs.more().unwrap() + &logs.rest();

        insta::assert_snapshot!(text, @r"
        INFO 2
        ==> attempts/2/stdout.log <==
        text
        ==> attempts/2/stderr.log <==
        half
        ");
    }

    #[test]
    fn following_prints_the_end_of_an_attempt_and_then_the_next_one() {
        let (_root, dir) = folder();
        let mut logs = Logs::new(dir.clone());
        assert_eq!(logs.more().unwrap(), "");
        dir.new_attempt().unwrap();
        write(&dir, 1, "stderr.log", "INFO one\n");
        assert_eq!(logs.more().unwrap(), "INFO one\n");

        write(&dir, 1, "stderr.log", "INFO one\nINFO two\nkilled");
        dir.new_attempt().unwrap();
        write(&dir, 2, "stderr.log", "INFO three\n");

        insta::assert_snapshot!(logs.more().unwrap(), @r"
        INFO two
        killed
        ==> attempts/2/stderr.log <==
        INFO three
        ");
        assert_eq!(logs.more().unwrap() + &logs.rest(), "");
    }
}
