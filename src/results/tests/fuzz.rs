//! Job folders with files that nobody wrote.

use std::{fs, path::PathBuf};

use super::fixture;
use crate::{
    disk::{Timestamp, lock::Owner},
    fuzz::{Case, fuzz, law, named},
    plan::{JobId, tests::fixture::job},
    results::{Attempt, JobDir, JobState, Note, Outcome, Progress, Status, Store},
};

const NAME: &str = "eval-00000001";

/// The files of a job folder, each with its name before it.
fn corpus() -> Vec<Vec<u8>> {
    let root = tempfile::tempdir().unwrap();
    let dir = Store::new(root.path()).job_dir(&JobId(NAME.into()));
    let job = job(NAME, &["train-00000002"]);
    dir.prepare(&job).unwrap();
    let mut attempt = Attempt::begin(&job, 1);
    attempt.logs = dir.log_digests().unwrap();
    dir.write_attempt(&attempt).unwrap();
    dir.write_note(&Note {
        status: Status::Failed,
        attempt: 1,
        owner: Owner::this_process(),
        heartbeat: Timestamp::from_unix_seconds(0),
        progress: Some(Progress::default()),
        reason: Some("no room".into()),
    })
    .unwrap();
    let mut files = Vec::new();
    for outcome in [fixture::trained(), fixture::outcome()] {
        dir.write_outcome(&outcome).unwrap();
        files.push(
            [
                b"outcome.json:",
                fs::read(dir.outcome_path()).unwrap().as_slice(),
            ]
            .concat(),
        );
    }
    for name in ["job.json", "identity.json", "state.json", "provenance.json"] {
        let bytes = fs::read(dir.path().join(name)).unwrap();
        files.push([name.as_bytes(), b":", &bytes].concat());
    }
    files
}

#[test]
fn no_file_of_a_folder_is_believed_that_is_not_whole() {
    let corpus = corpus();
    let names: Vec<String> = corpus
        .iter()
        .map(|file| {
            String::from_utf8_lossy(file)
                .split(':')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    let outcomes = [fixture::trained(), fixture::outcome()];
    let expected = job(NAME, &["train-00000002"]);
    fuzz(4, &corpus, |case| {
        let store = Store::new(case.folder);
        let dir = store.job_dir(&JobId(NAME.into()));
        fs::create_dir_all(dir.path()).unwrap();
        let (path, content) = put(case, &names, &dir);

        let outcome = dir.outcome();
        let has_seal = content.windows(6).any(|word| word == b"\"seal\"");
        if let Some(outcome) = &outcome
            && has_seal
        {
            law(
                outcomes.contains(outcome),
                "a sealed outcome is as it was written",
            )?;
        }
        if let Some(found) = named(dir.job(), &path)?.flatten()
            && has_seal
        {
            law(
                found.work == expected.work,
                "a sealed job is as it was written",
            )?;
        }
        named(dir.identity(), &path)?;
        let state = named(dir.state(), &path)?;
        law(
            (state == Some(JobState::Done)) == outcome.is_some(),
            "a job is done if its outcome is there",
        )?;
        let _ = (
            dir.note(),
            dir.provenance(),
            dir.last_attempt(),
            dir.changed_logs(),
        );
        if let Some(outcome) = outcome.filter(is_writable) {
            dir.write_outcome(&outcome)
                .map_err(|error| error.to_string())?;
            law(
                dir.outcome() == Some(outcome),
                "an outcome is read as it was written",
            )?;
        }
        Ok(())
    });
}

/// Writes the content of a case into the file that the name before it says, where that is still readable; returns
/// both.
fn put(case: &mut Case<'_>, names: &[String], dir: &JobDir) -> (PathBuf, Vec<u8>) {
    let start = case.bytes.iter().position(|byte| *byte == b':');
    let start = start.map_or(0, |start| start + 1);
    let content = case.bytes.split_off(start);
    let name = String::from_utf8_lossy(&case.bytes);
    let known = names
        .iter()
        .find(|known| **known == name.trim_end_matches(':'));
    let name = known.unwrap_or_else(|| case.random.of(names));
    for other in names {
        let _ = fs::remove_file(dir.path().join(other));
    }
    let path = dir.path().join(name);
    fs::write(&path, &content).unwrap();
    (path, content)
}

/// Whether all numbers are finite.
fn is_writable(outcome: &Outcome) -> bool {
    let (numbers, target) = match outcome {
        Outcome::Train(outcome) => (&outcome.final_metrics, outcome.target_log_prob),
        Outcome::Eval(outcome) => (&outcome.metrics, None),
    };
    let mut numbers = numbers.values().copied().chain(target.map(|one| one.mean));
    numbers.all(f64::is_finite)
}
