//! The metrics of a training for TensorBoard.
//!
//! The event file is a view of `metrics.jsonl`. Each attempt rewrites it from the steps that count,
//! so that no step is in it twice, however the last attempt ended.

mod event;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    disk::{
        DiskError,
        atomic::{self, Flush},
        folders,
    },
    train::{EvaluationRecord, StepRecord},
};

/// The prefix by which TensorBoard recognises event files.
const PREFIX: &str = "events.out.tfevents.";

/// An event file that is open for appending.
#[derive(Debug)]
pub(super) struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// Replaces the event files of a folder with one of this attempt, which has the steps so far.
    ///
    /// The records do not say when a step was taken, so the steps are dated as if they had followed
    /// each other without a pause until now.
    pub(super) fn begin(
        folder: &Path,
        attempt: u32,
        records: &[StepRecord],
        evaluations: &[EvaluationRecord],
    ) -> Result<Self, DiskError> {
        // A running TensorBoard continues from its last offset, so a restarted run needs a new file
        // name.
        let path = folder.join(format!("{PREFIX}{attempt:010}.recode"));
        let write = DiskError::write(&path);
        folders::create(folder).map_err(write)?;
        remove_events(folder).map_err(write)?;
        let seconds: f64 = records.iter().map(|record| record.timing.seconds).sum();
        let mut time = now() - seconds;
        let mut bytes = event::file_version(time);
        for record in records {
            time += record.timing.seconds;
            let step = record.step as u64;
            bytes.extend(event::scalars(time, step, &scalars(record)));
            let found = evaluations.iter().filter(|found| found.step == record.step);
            for found in found {
                bytes.extend(event::scalars(time, step, &scalars_of_evaluation(found)));
            }
        }
        atomic::write(&path, &bytes, Flush::Now).map_err(write)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(write)?;
        Ok(Self { file, path })
    }

    /// Appends a step that ended now.
    pub(super) fn append(&mut self, record: &StepRecord) -> Result<(), DiskError> {
        self.add(record.step, &scalars(record))
    }

    /// Appends an evaluation that ended now.
    pub(super) fn append_evaluation(&mut self, found: &EvaluationRecord) -> Result<(), DiskError> {
        self.add(found.step, &scalars_of_evaluation(found))
    }

    fn add(&mut self, step: usize, values: &[(impl AsRef<str>, f64)]) -> Result<(), DiskError> {
        let bytes = event::scalars(now(), step as u64, values);
        // With one write a step, only the last record can be incomplete, and readers skip it.
        let written = self.file.write_all(&bytes);
        written.map_err(DiskError::write(&self.path))
    }
}

fn scalars_of_evaluation(found: &EvaluationRecord) -> [(&'static str, f64); 1] {
    [("eval/pass@1", found.pass_at_1)]
}

/// Removes the event files of earlier attempts, and temporary files of killed ones.
fn remove_events(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_temporary = name.starts_with('.') && path.extension() == Some("tmp".as_ref());
        if name.starts_with(PREFIX) || is_temporary {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Seconds since the beginning of 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// The scalars of a step. TensorBoard groups them by the part of the name before the slash.
fn scalars(record: &StepRecord) -> Vec<(String, f64)> {
    let mut values = vec![
        ("train/learning_rate", Some(record.learning_rate)),
        ("train/loss", record.loss),
        ("train/gradient_norm", record.gradient_norm),
        (
            "train/tokens_per_second",
            Some(record.timing.tokens_per_second),
        ),
    ];
    if let Some(rollout) = &record.rollout {
        let (tests, gaming) = (rollout.reward.tests, rollout.gaming);
        values.extend([
            ("reward/total", Some(rollout.reward.total)),
            ("reward/format", Some(rollout.reward.format)),
            ("reward/correctness", Some(rollout.reward.correctness)),
            ("tests/rewarded", tests.map(|tests| tests.rewarded)),
            ("tests/hidden", tests.and_then(|tests| tests.hidden)),
            ("rollout/completion_tokens", Some(rollout.completion_tokens)),
            ("rollout/zero_spread_share", Some(rollout.zero_spread_share)),
            ("rollout/kl", rollout.kl),
            ("rollout/entropy", rollout.entropy),
            ("rollout/log_prob_gap", rollout.log_prob_gap),
            (
                "gaming/repeated_share",
                gaming.map(|gaming| gaming.repeated_share),
            ),
            (
                "gaming/copied_share",
                gaming.map(|gaming| gaming.copied_share),
            ),
            ("train/reward_share", Some(record.timing.reward_share)),
            (
                "train/judging_share",
                (rollout.reward.tests.is_some()).then_some(record.timing.judging_share),
            ),
        ]);
    }
    let mut scalars: Vec<(String, f64)> = values
        .into_iter()
        .filter_map(|(tag, value)| Some((tag.to_owned(), value?)))
        .collect();
    if let Some(rollout) = &record.rollout {
        let parts = rollout.reward.parts.iter();
        scalars.extend(parts.map(|(name, value)| (format!("reward_part/{name}"), *value)));
    }
    scalars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{GamingRecord, RewardRecord, RolloutRecord, TestShares, Timing};

    fn record(step: usize) -> StepRecord {
        StepRecord {
            step,
            epoch: 0.5,
            loss: Some(0.25),
            gradient_norm: None,
            learning_rate: 0.5,
            tokens: 8,
            skipped_updates: 0,
            rollout: None,
            timing: Timing {
                seconds: 2.0,
                tokens_per_second: 4.0,
                reward_share: 0.5,
                judging_share: 0.25,
                ..Timing::default()
            },
        }
    }

    fn evaluation(step: usize) -> EvaluationRecord {
        EvaluationRecord {
            step,
            pass_at_1: 0.5,
            passed: 1,
            counts: [("samples".to_owned(), 2)].into(),
        }
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The records of the only file without the times, which are at the same offset in all records.
    fn timeless(folder: &Path) -> Vec<Vec<u8>> {
        let [name] = &files(folder)[..] else {
            panic!("one file, not {:?}", files(folder))
        };
        let bytes = fs::read(folder.join(name)).unwrap();
        let mut rest = &bytes[..];
        let mut records = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap());
            let end = 12 + usize::try_from(length).unwrap();
            // A key and the time follow the length and its checksum.
            records.push(rest[21..end].to_vec());
            rest = &rest[end + 4..];
        }
        records
    }

    #[test]
    fn a_resumed_training_has_the_events_of_an_uninterrupted_one() {
        let whole = tempfile::tempdir().unwrap();
        let mut events = EventFile::begin(whole.path(), 1, &[], &[]).unwrap();
        for step in 1..=5 {
            events.append(&record(step)).unwrap();
            if step % 2 == 0 {
                events.append_evaluation(&evaluation(step)).unwrap();
            }
        }

        let killed = tempfile::tempdir().unwrap();
        let mut events = EventFile::begin(killed.path(), 1, &[], &[]).unwrap();
        for step in 1..=4 {
            events.append(&record(step)).unwrap();
        }
        let first = killed.path().join("events.out.tfevents.0000000001.recode");
        let bytes = fs::read(&first).unwrap();
        fs::write(&first, &bytes[..bytes.len() - 7]).unwrap();
        fs::write(killed.path().join(".a1b2.tmp"), "half").unwrap();
        // The checkpoint of step 2 is the last one.
        let mut events =
            EventFile::begin(killed.path(), 2, &[1, 2].map(record), &[evaluation(2)]).unwrap();
        for step in 3..=5 {
            events.append(&record(step)).unwrap();
            if step == 4 {
                events.append_evaluation(&evaluation(step)).unwrap();
            }
        }

        assert_eq!(
            files(killed.path()),
            ["events.out.tfevents.0000000002.recode"]
        );
        assert_eq!(timeless(killed.path()), timeless(whole.path()));
        assert_eq!(timeless(killed.path()).len(), 8);
    }

    #[test]
    fn an_attempt_that_starts_twice_has_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::begin(folder.path(), 1, &[], &[]).unwrap();
        events.append(&record(1)).unwrap();

        EventFile::begin(folder.path(), 1, &[record(1)], &[]).unwrap();

        assert_eq!(timeless(folder.path()).len(), 2);
    }

    fn named(values: &[(&str, f64)]) -> Vec<(String, f64)> {
        let owned = |(name, value): &(&str, f64)| ((*name).to_owned(), *value);
        values.iter().map(owned).collect()
    }

    #[test]
    fn a_step_has_the_scalars_of_its_record() {
        let sft = record(1);
        let rollout = RolloutRecord {
            reward: RewardRecord {
                total: 1.0,
                format: 2.0,
                correctness: 3.0,
                parts: [("em".to_owned(), 0.5)].into(),
                tests: Some(TestShares {
                    rewarded: 0.75,
                    hidden: Some(0.5),
                }),
                ..RewardRecord::default()
            },
            reward_spread: 0.0,
            zero_spread_share: 4.0,
            completions: 8,
            completion_tokens: 5.0,
            truncated_share: 0.0,
            gaming: Some(GamingRecord {
                repeated_share: 0.25,
                copied_share: 0.125,
            }),
            generation_batches: 1,
            kept_groups: 1,
            kl: Some(6.0),
            entropy: Some(7.0),
            log_prob_gap: None,
        };
        let grpo = StepRecord {
            rollout: Some(rollout),
            ..record(1)
        };

        assert_eq!(
            scalars(&sft),
            named(&[
                ("train/learning_rate", 0.5),
                ("train/loss", 0.25),
                ("train/tokens_per_second", 4.0)
            ])
        );
        assert_eq!(
            scalars(&grpo)[3..],
            named(&[
                ("reward/total", 1.0),
                ("reward/format", 2.0),
                ("reward/correctness", 3.0),
                ("tests/rewarded", 0.75),
                ("tests/hidden", 0.5),
                ("rollout/completion_tokens", 5.0),
                ("rollout/zero_spread_share", 4.0),
                ("rollout/kl", 6.0),
                ("rollout/entropy", 7.0),
                ("gaming/repeated_share", 0.25),
                ("gaming/copied_share", 0.125),
                ("train/reward_share", 0.5),
                ("train/judging_share", 0.25),
                ("reward_part/em", 0.5),
            ])
        );
    }
}
