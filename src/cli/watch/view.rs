//! A watched job as text.

use super::{
    completion::Completion,
    job_log::JobLog,
    sparkline::{moving_average, sparkline},
};
use crate::{
    cli::progress::{duration, progress_in_words},
    plan::JobKind,
    results::{JobDir, JobState, Progress},
    train::StepRecord,
};

/// How many steps are shown in figures.
const STEPS: usize = 6;

/// The most bars of a curve.
const COLUMNS: usize = 60;

/// Shows a job's latest steps and completions.
pub(super) struct View {
    pub(super) log: JobLog,
    /// The last step that [`Self::new_lines`] has returned.
    shown: Option<u64>,
}

impl View {
    /// A view of a job of which nothing is read yet.
    pub(super) fn new(dir: JobDir) -> Self {
        Self {
            log: JobLog::new(dir),
            shown: None,
        }
    }

    /// The job and its state.
    pub(super) fn header(&self, state: &JobState) -> String {
        let state = match state {
            JobState::New => "waiting".to_owned(),
            JobState::Done => "done".to_owned(),
            JobState::Resumable { step } => format!("interrupted, continues after step {step}"),
            JobState::Failed { reason } => {
                format!("failed: {}", reason.lines().next().unwrap_or_default())
            }
            JobState::Running { progress, .. } => {
                let age = self
                    .log
                    .note
                    .as_ref()
                    .map(|note| duration(note.heartbeat.age()));
                let age = age.map_or_else(String::new, |age| format!(", updated {age} ago"));
                let steps = progress
                    .as_ref()
                    .map(|Progress { step, of, .. }| format!("running, step {step}/{of}"));
                format!("{}{age}", steps.as_deref().unwrap_or("running"))
            }
        };
        let parts = [self.log.dir.id().0, self.log.what.clone(), state];
        let parts = parts.iter().filter(|part| !part.is_empty());
        parts.cloned().collect::<Vec<_>>().join("  ")
    }

    /// The whole view, as lines for a terminal.
    pub(super) fn picture(&self, state: &JobState) -> Vec<String> {
        let mut lines = vec![self.header(state)];
        lines.extend(self.curve());
        lines.extend(self.evaluation());
        if self.log.steps.is_empty() {
            lines.extend(self.log.progress().map(progress_in_words));
        }
        let first = self.log.steps.len().saturating_sub(STEPS);
        lines.extend(
            self.log
                .steps
                .iter()
                .skip(first)
                .map(|step| self.line(step)),
        );
        lines.extend(self.log.completions.iter().flat_map(Completion::lines));
        lines.extend(self.why_no_completion());
        lines
    }

    /// Why there are no completions of a training that generates some.
    fn why_no_completion(&self) -> Option<String> {
        self.log.steps.last()?.rollout.as_ref()?;
        let every = self.log.samples_every?;
        self.log.completions.is_empty().then(|| match every {
            0 => "no completions: `train.samples_every` is 0".to_owned(),
            1 => "no completions yet".to_owned(),
            every => format!("no completions yet: they are written every {every} steps"),
        })
    }

    /// A line for each step that was not shown yet; of those before the first call only the last ones.
    pub(super) fn new_lines(&mut self) -> String {
        let mut lines = Vec::new();
        if self.is_training() {
            let shown = self.shown.unwrap_or(0);
            let new: Vec<&StepRecord> = self
                .log
                .steps
                .iter()
                .filter(|step| step.step as u64 > shown)
                .collect();
            let first = self.shown.map_or(new.len().saturating_sub(STEPS), |_| 0);
            lines.extend(new.iter().skip(first).map(|step| self.line(step)));
            let last = self.log.steps.last().map_or(0, |step| step.step as u64);
            // Steps that are repeated after an interruption are not shown again.
            self.shown = Some(shown.max(last));
        } else if let Some(progress) = self.log.progress() {
            if self.shown != Some(progress.step) {
                lines.push(progress_in_words(progress));
            }
            self.shown = Some(progress.step);
        }
        lines
            .into_iter()
            .flat_map(|line| [line, "\n".to_owned()])
            .collect()
    }

    fn is_training(&self) -> bool {
        self.log.dir.id().kind() == Some(JobKind::Train)
    }

    /// The curve of the reward, or of the loss if there is no reward.
    fn curve(&self) -> Option<String> {
        let is_rewarded = self.log.steps.last()?.rollout.is_some();
        let value = |step: &StepRecord| match &step.rollout {
            Some(rollout) => Some(rollout.reward.total),
            None => step.loss,
        };
        let averages = moving_average(self.log.steps.iter().filter_map(value));
        let (first, last) = (averages.first()?, averages.last()?);
        let name = if is_rewarded { "reward" } else { "loss" };
        let bars = sparkline(&averages, COLUMNS);
        Some(format!(
            "{name} {first:.3} {bars} {last:.3} (moving average)"
        ))
    }

    /// The curve of pass@1, if the model is evaluated.
    fn evaluation(&self) -> Option<String> {
        let (first, last) = (self.log.evaluations.first()?, self.log.evaluations.last()?);
        let rates: Vec<f64> = self
            .log
            .evaluations
            .iter()
            .map(|found| found.pass_at_1)
            .collect();
        let bars = sparkline(&rates, COLUMNS);
        let (from, to, step) = (first.pass_at_1, last.pass_at_1, last.step);
        Some(format!("pass@1 {from:.3} {bars} {to:.3} (step {step})"))
    }

    /// The figures of a step.
    fn line(&self, record: &StepRecord) -> String {
        // The note may have been written before the step.
        let last = self.log.steps.last().map_or(0, |step| step.step as u64);
        let of = self.log.progress().map_or(0, |progress| progress.of);
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
        results::{Note, Owner, Status, Store, Timestamp},
        train::{EvaluationRecord, RewardRecord, RolloutRecord, SampleRecord, Timing},
    };

    fn folder(name: &str) -> (tempfile::TempDir, JobDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&JobId(name.into()));
        dir.prepare(&job(name, &[])).unwrap();
        (root, dir)
    }

    fn record(step: usize, reward: Option<f64>) -> StepRecord {
        let rollout = reward.map(|total| RolloutRecord {
            gaming: None,
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

    /// Replaces the metrics, as a resumed training does.
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
        view.log.read_new().unwrap();
        view.picture(state).join("\n")
    }

    #[test]
    fn a_training_is_shown_by_a_curve_and_its_latest_steps_and_completions() {
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
        train-7c1e  small_arena on scratch s42  interrupted, continues after step 9
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

    /// The folder of the training in a spec with this line.
    fn training(line: &str) -> (tempfile::TempDir, JobDir) {
        let job = plan_of(&format!("name = \"t\"\n{line}\n")).jobs.remove(0);
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&job.id);
        dir.prepare(&job).unwrap();
        (root, dir)
    }

    #[test]
    fn a_view_without_completions_says_why() {
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
            "no completions yet: they are written every 50 steps"
        );
        assert_eq!(last_line("", true), "no completions yet");
        // SFT generates no completions.
        let figures = "step 9/9  loss  2.5000     812 tokens/s";
        assert_eq!(last_line("train.samples_every = 0", false), figures);
    }

    #[test]
    fn a_model_that_is_evaluated_during_training_has_a_curve_of_pass_at_1() {
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
    fn without_a_reward_the_loss_is_shown() {
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
    fn each_step_is_shown_once_although_a_resumed_training_repeats_some() {
        let (_root, dir) = folder("train-7c1e");
        let mut view = View::new(dir.clone());
        let mut shown = |steps: RangeInclusive<u8>| {
            write_metrics(&dir, steps, true);
            view.log.read_new().unwrap();
            let lines = view.new_lines();
            let step = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
            lines.lines().map(step).collect::<Vec<_>>()
        };

        // Of the steps before the first call only the last.
        assert_eq!(shown(1..=9), ["4/9", "5/9", "6/9", "7/9", "8/9", "9/9"]);
        assert_eq!(shown(1..=9), [""; 0]);
        assert_eq!(shown(1..=7), [""; 0]);
        assert_eq!(shown(1..=11), ["10/11", "11/11"]);
    }

    #[test]
    fn an_evaluation_shows_its_progress() {
        let (_root, dir) = folder("eval-7c1e");
        let progress = Some(write_note(&dir, 4, 8));
        let mut view = View::new(dir.clone());
        view.log.read_new().unwrap();

        assert_eq!(view.new_lines(), "step 4/8  5 passed\n");
        assert_eq!(view.new_lines(), "");
        let state = JobState::Running {
            owner: None,
            progress,
        };
        let header = view.header(&state);
        assert!(
            header.starts_with("eval-7c1e  small_arena on scratch s42  running, step 4/8, updated"),
            "{header}"
        );
        assert_eq!(view.picture(&JobState::Done)[1..], ["step 4/8  5 passed"]);
    }
}
