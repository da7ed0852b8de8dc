//! What is known of a job that somebody watches.

use std::{io, path::PathBuf};

use super::{
    completion::Completion,
    sparkline::{moving_average, sparkline},
};
use crate::{
    cli::{
        progress::{duration, progress_in_words},
        tail::Tail,
    },
    plan::JobKind,
    results::{JobDir, JobState, Note, Progress},
    train::{EvaluationRecord, StepRecord},
};

/// Steps that are shown in figures.
const STEPS: usize = 6;

/// Completions that are shown.
const COMPLETIONS: usize = 2;

/// The most bars of the curve.
const COLUMNS: usize = 60;

/// How much of the end of `samples.jsonl`, which may be long, is looked at first.
const MOST_BYTES: u64 = 1 << 18;

/// A job's latest steps and completions.
pub(super) struct View {
    dir: JobDir,
    what: String,
    /// The steps whose completions are written down, if that is known.
    samples_every: Option<usize>,
    metrics: Tail,
    samples: Tail,
    evaluations: Tail,
    steps: Vec<StepRecord>,
    completions: Vec<Completion>,
    found: Vec<EvaluationRecord>,
    note: Option<Note>,
    /// The last step that [`Self::new_lines`] has told of.
    told: Option<u64>,
}

impl View {
    /// A view of a job that nothing is known of yet.
    pub(super) fn new(dir: JobDir) -> Self {
        // A folder of an earlier version of this program may still be watched.
        let job = dir.job().ok().flatten();
        let near_end = |path: PathBuf| Tail::near_end(path, MOST_BYTES);
        let train = job.as_ref().and_then(|job| job.work.as_train());
        let samples_every = train.map(|train| train.samples_every);
        Self {
            samples_every,
            what: job.map_or_else(String::new, |job| job.what()),
            metrics: Tail::new(dir.metrics()),
            samples: near_end(dir.samples()),
            evaluations: Tail::new(dir.evaluations()),
            steps: Vec::new(),
            completions: Vec::new(),
            found: Vec::new(),
            note: None,
            told: None,
            dir,
        }
    }

    /// Takes up what was written since the last look.
    pub(super) fn look(&mut self) -> io::Result<()> {
        self.note = self.dir.note();
        let added = self.metrics.look()?;
        if added.is_anew {
            self.steps.clear();
        }
        let steps = added.text.lines().map(serde_json::from_str);
        self.steps.extend(steps.filter_map(Result::ok));
        let added = self.evaluations.look()?;
        if added.is_anew {
            self.found.clear();
        }
        let found = added.text.lines().map(serde_json::from_str);
        self.found.extend(found.filter_map(Result::ok));
        let added = self.samples.look()?;
        if added.is_anew {
            self.completions.clear();
        }
        // Of many lines only the last are worth reading.
        let mut lines: Vec<&str> = added.text.lines().rev().take(COMPLETIONS).collect();
        lines.reverse();
        self.completions
            .extend(lines.into_iter().filter_map(Completion::parse));
        let surplus = self.completions.len().saturating_sub(COMPLETIONS);
        self.completions.drain(..surplus);
        Ok(())
    }

    /// The job and its state.
    pub(super) fn header(&self, state: &JobState) -> String {
        let state = match state {
            JobState::New => "waiting".to_owned(),
            JobState::Done => "done".to_owned(),
            JobState::Resumable { step } => format!("interrupted, goes on after step {step}"),
            JobState::Failed { reason } => {
                format!("failed: {}", reason.lines().next().unwrap_or_default())
            }
            JobState::Running { progress, .. } => {
                let age = self
                    .note
                    .as_ref()
                    .map(|note| duration(note.heartbeat.age()));
                let age = age.map_or_else(String::new, |age| format!(", heard of {age} ago"));
                let steps = progress
                    .as_ref()
                    .map(|Progress { step, of, .. }| format!("running, step {step}/{of}"));
                format!("{}{age}", steps.as_deref().unwrap_or("running"))
            }
        };
        let parts = [self.dir.id().0, self.what.clone(), state];
        let parts = parts.iter().filter(|part| !part.is_empty());
        parts.cloned().collect::<Vec<_>>().join("  ")
    }

    /// All of it, as lines for a terminal.
    pub(super) fn picture(&self, state: &JobState) -> Vec<String> {
        let mut lines = vec![self.header(state)];
        lines.extend(self.curve());
        lines.extend(self.evaluation());
        if self.steps.is_empty() {
            lines.extend(self.progress().map(progress_in_words));
        }
        let first = self.steps.len().saturating_sub(STEPS);
        lines.extend(self.steps.iter().skip(first).map(|step| self.line(step)));
        lines.extend(self.completions.iter().flat_map(Completion::lines));
        lines.extend(self.why_no_completion());
        lines
    }

    /// Says why no completion of a training that samples some can be shown.
    fn why_no_completion(&self) -> Option<String> {
        self.steps.last()?.rollout.as_ref()?;
        let every = self.samples_every?;
        self.completions.is_empty().then(|| match every {
            0 => "no completions: `train.samples_every` is 0".to_owned(),
            1 => "no completions yet".to_owned(),
            every => format!("no completions yet: those of every {every} steps are written down"),
        })
    }

    /// A line for each step that was not told yet; of those before the first look only the last.
    pub(super) fn new_lines(&mut self) -> String {
        let mut lines = Vec::new();
        if self.is_training() {
            let told = self.told.unwrap_or(0);
            let new: Vec<&StepRecord> = self
                .steps
                .iter()
                .filter(|step| step.step as u64 > told)
                .collect();
            let first = self.told.map_or(new.len().saturating_sub(STEPS), |_| 0);
            lines.extend(new.iter().skip(first).map(|step| self.line(step)));
            let last = self.steps.last().map_or(0, |step| step.step as u64);
            // Steps that are done again after an interruption are no news.
            self.told = Some(told.max(last));
        } else if let Some(progress) = self.progress() {
            if self.told != Some(progress.step) {
                lines.push(progress_in_words(progress));
            }
            self.told = Some(progress.step);
        }
        lines
            .into_iter()
            .flat_map(|line| [line, "\n".to_owned()])
            .collect()
    }

    fn is_training(&self) -> bool {
        self.dir.id().kind() == Some(JobKind::Train)
    }

    fn progress(&self) -> Option<&Progress> {
        self.note.as_ref()?.progress.as_ref()
    }

    /// The course of the reward, or of the loss where nothing is rewarded.
    fn curve(&self) -> Option<String> {
        let is_rewarded = self.steps.last()?.rollout.is_some();
        let value = |step: &StepRecord| match &step.rollout {
            Some(rollout) => Some(rollout.reward.total),
            None => step.loss,
        };
        let averages = moving_average(self.steps.iter().filter_map(value));
        let (first, last) = (averages.first()?, averages.last()?);
        let name = if is_rewarded { "reward" } else { "loss" };
        let bars = sparkline(&averages, COLUMNS);
        Some(format!(
            "{name} {first:.3} {bars} {last:.3} (moving average)"
        ))
    }

    /// The course of pass@1, if the model is measured.
    fn evaluation(&self) -> Option<String> {
        let (first, last) = (self.found.first()?, self.found.last()?);
        let rates: Vec<f64> = self.found.iter().map(|found| found.pass_at_1).collect();
        let bars = sparkline(&rates, COLUMNS);
        let (from, to, step) = (first.pass_at_1, last.pass_at_1, last.step);
        Some(format!("pass@1 {from:.3} {bars} {to:.3} (step {step})"))
    }

    /// The figures of a step.
    fn line(&self, record: &StepRecord) -> String {
        // The note may be older than the step.
        let last = self.steps.last().map_or(0, |step| step.step as u64);
        let of = self.progress().map_or(0, |progress| progress.of);
        let of = of.max(last).to_string();
        let figures = if let Some(rollout) = &record.rollout {
            let kl = rollout.kl.map_or("-".into(), |kl| format!("{kl:.4}"));
            format!(
                "reward {:>6.3}  length {:>6.1}  kl {kl:>7}",
                rollout.reward.total, rollout.completion_tokens
            )
        } else {
            let loss = record.loss.map_or("-".into(), |loss| format!("{loss:.4}"));
            format!("loss {loss:>7}")
        };
        format!(
            "step {:>width$}/{of}  {figures}  {:>6.0} tokens/s",
            record.step,
            record.timing.tokens_per_second,
            width = of.len(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, ops::RangeInclusive};

    use super::*;
    use crate::{
        plan::{
            JobId,
            tests::fixture::{job, plan_of},
        },
        results::{Owner, Status, Store, Timestamp},
        train::{RewardRecord, RolloutRecord, SampleRecord, Timing},
    };

    fn folder(name: &str) -> (tempfile::TempDir, JobDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&JobId(name.into()));
        dir.prepare(&job(name, &[])).unwrap();
        (root, dir)
    }

    fn record(step: usize, reward: Option<f64>) -> StepRecord {
        let rollout = reward.map(|total| RolloutRecord {
            reward: RewardRecord {
                total,
                ..RewardRecord::default()
            },
            reward_spread: 0.5,
            zero_spread_share: 0.0,
            completions: 8,
            completion_tokens: 41.0,
            truncated_share: 0.0,
            generation_batches: 1,
            kept_groups: 2,
            kl: Some(0.0123),
            entropy: None,
            log_prob_gap: None,
        });
        StepRecord {
            step,
            epoch: 0.5,
            loss: Some(2.5),
            gradient_norm: Some(1.0),
            learning_rate: 0.1,
            tokens: 100,
            skipped_updates: 0,
            rollout,
            timing: Timing {
                tokens_per_second: 812.4,
                ..Timing::default()
            },
        }
    }

    /// Replaces the metrics, as a training that goes on does.
    fn write_metrics(dir: &JobDir, steps: RangeInclusive<u8>, is_rewarded: bool) {
        let line = |step: u8| {
            let reward = is_rewarded.then(|| f64::from(step) / 10.0);
            let record = record(usize::from(step), reward);
            serde_json::to_string(&record).unwrap() + "\n"
        };
        let other = dir.path().join("other");
        fs::write(&other, steps.map(line).collect::<String>()).unwrap();
        fs::rename(other, dir.metrics()).unwrap();
    }

    fn write_note(dir: &JobDir, step: u64, of: u64) -> Progress {
        let progress = Progress {
            step,
            of,
            message: "5 passed".into(),
        };
        dir.write_note(&Note {
            status: Status::Running,
            attempt: 1,
            owner: Owner::this_process(),
            heartbeat: Timestamp::from_unix_seconds(0),
            progress: Some(progress.clone()),
            reason: None,
        })
        .unwrap();
        progress
    }

    fn picture(dir: &JobDir, state: &JobState) -> String {
        let mut view = View::new(dir.clone());
        view.look().unwrap();
        view.picture(state).join("\n")
    }

    #[test]
    fn a_training_is_a_curve_its_latest_steps_and_completions() {
        let (_root, dir) = folder("train-7c1e");
        write_metrics(&dir, 1..=9, true);
        write_note(&dir, 9, 100);
        let sample = |completion: &str| {
            let sample = SampleRecord {
                step: 9,
                index: 0,
                row: "row 7".into(),
                prompt: String::new(),
                completion: completion.into(),
                tokens: 3,
                is_truncated: false,
                reward: RewardRecord::default(),
                advantage: None,
            };
            serde_json::to_string(&sample).unwrap() + "\n"
        };
        fs::write(dir.samples(), ["a", "b", "c"].map(sample).concat()).unwrap();

        insta::assert_snapshot!(picture(&dir, &JobState::Resumable { step: 9 }), @r"
        train-7c1e  small_arena on scratch s42  interrupted, goes on after step 9
        reward 0.100 ▁▁▁▂▃▄▅▇█ 0.387 (moving average)
        step   4/100  reward  0.400  length   41.0  kl  0.0123     812 tokens/s
        step   5/100  reward  0.500  length   41.0  kl  0.0123     812 tokens/s
        step   6/100  reward  0.600  length   41.0  kl  0.0123     812 tokens/s
        step   7/100  reward  0.700  length   41.0  kl  0.0123     812 tokens/s
        step   8/100  reward  0.800  length   41.0  kl  0.0123     812 tokens/s
        step   9/100  reward  0.900  length   41.0  kl  0.0123     812 tokens/s
        reward 0.00 (format 0.00, correctness 0.00)  step 9  row 7  3 tokens
            b
        reward 0.00 (format 0.00, correctness 0.00)  step 9  row 7  3 tokens
            c
        ");
    }

    /// The folder of a training of a spec with that line.
    fn training(line: &str) -> (tempfile::TempDir, JobDir) {
        let job = plan_of(&format!("name = \"t\"\n{line}\n")).jobs.remove(0);
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&job.id);
        dir.prepare(&job).unwrap();
        (root, dir)
    }

    #[test]
    fn where_there_are_no_completions_it_says_why() {
        let last_line = |line: &str, is_rewarded: bool| {
            let (_root, dir) = training(line);
            write_metrics(&dir, 1..=9, is_rewarded);
            fs::write(dir.samples(), "").unwrap();
            let picture = picture(&dir, &JobState::Done);
            picture.lines().last().unwrap().to_owned()
        };

        let none = "no completions: `train.samples_every` is 0";
        assert_eq!(last_line("train.samples_every = 0", true), none);
        assert_eq!(
            last_line("train.samples_every = 50", true),
            "no completions yet: those of every 50 steps are written down"
        );
        assert_eq!(last_line("", true), "no completions yet");
        // SFT samples none in any case.
        let figures = "step 9/9  loss  2.5000     812 tokens/s";
        assert_eq!(last_line("train.samples_every = 0", false), figures);
    }

    #[test]
    fn a_model_that_is_measured_on_the_way_has_the_course_of_its_rate() {
        let (_root, dir) = folder("train-7c1e");
        write_metrics(&dir, 1..=1, true);
        let lines = [(2, 0.25), (4, 0.5)].map(|(step, pass_at_1)| {
            let found = EvaluationRecord {
                step,
                pass_at_1,
                passed: 1,
                counts: std::collections::BTreeMap::new(),
            };
            serde_json::to_string(&found).unwrap() + "\n"
        });
        fs::write(dir.evaluations(), lines.concat()).unwrap();

        let picture = picture(&dir, &JobState::Done);

        let line = picture.lines().nth(2).unwrap();
        assert_eq!(line, "pass@1 0.250 ▁█ 0.500 (step 4)");
    }

    #[test]
    fn where_nothing_is_rewarded_the_loss_is_shown() {
        let (_root, dir) = folder("train-7c1e");
        write_metrics(&dir, 1..=2, false);

        insta::assert_snapshot!(picture(&dir, &JobState::Done), @r"
        train-7c1e  small_arena on scratch s42  done
        loss 2.500 ▁▁ 2.500 (moving average)
        step 1/2  loss  2.5000     812 tokens/s
        step 2/2  loss  2.5000     812 tokens/s
        ");
    }

    #[test]
    fn each_step_is_told_once_though_a_resumed_training_does_some_again() {
        let (_root, dir) = folder("train-7c1e");
        let mut view = View::new(dir.clone());
        let mut told = |steps: RangeInclusive<u8>| {
            write_metrics(&dir, steps, true);
            view.look().unwrap();
            let lines = view.new_lines();
            let step = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
            lines.lines().map(step).collect::<Vec<_>>()
        };

        // Of what was there before only the end.
        assert_eq!(told(1..=9), ["4/9", "5/9", "6/9", "7/9", "8/9", "9/9"]);
        assert_eq!(told(1..=9), [""; 0]);
        assert_eq!(told(1..=7), [""; 0]);
        assert_eq!(told(1..=11), ["10/11", "11/11"]);
    }

    #[test]
    fn an_evaluation_tells_how_far_it_is() {
        let (_root, dir) = folder("eval-7c1e");
        let progress = Some(write_note(&dir, 4, 8));
        let mut view = View::new(dir.clone());
        view.look().unwrap();

        assert_eq!(view.new_lines(), "step 4/8  5 passed\n");
        assert_eq!(view.new_lines(), "");
        let state = JobState::Running {
            owner: None,
            progress,
        };
        let header = view.header(&state);
        assert!(
            header.starts_with("eval-7c1e  small_arena on scratch s42  running, step 4/8, heard"),
            "{header}"
        );
        assert_eq!(view.picture(&JobState::Done)[1..], ["step 4/8  5 passed"]);
    }
}
