//! The records of a step, for the observer.

use std::{io, time::Instant};

use super::{
    learner::Update,
    observer::{NonFiniteRecord, NonFiniteSample, Observer, SampleRecord, StepRecord, Timing},
    rollout::collect::Sample,
    step::{SkippedUpdate, StepOutput},
    task::Row,
};

/// A step that is over, and what its records need besides its output.
#[derive(Clone, Copy, Debug)]
pub(super) struct FinishedStep<'a> {
    /// The step, counted from 1.
    pub(super) step: usize,
    /// Passes through the data, this step included.
    pub(super) epoch: f64,
    pub(super) learning_rate: f64,
    /// Updates skipped so far for any reason.
    pub(super) skipped_updates: usize,
    /// When it began.
    pub(super) start: Instant,
    /// Whether its samples are recorded.
    pub(super) has_samples: bool,
    pub(super) rows: &'a [Row],
}

impl FinishedStep<'_> {
    /// Hands notes and records to the observer, that of the step last.
    pub(super) fn report(self, output: StepOutput, observer: &mut dyn Observer) -> io::Result<()> {
        for note in &output.notes {
            observer.on_note(note);
        }
        if self.has_samples {
            for (index, sample) in output.samples.iter().enumerate() {
                observer.on_sample(&self.sample(index, sample))?;
            }
        }
        for skipped in &output.skipped {
            observer.on_non_finite(&self.non_finite(skipped))?;
        }
        observer.on_step(&self.record(output))
    }

    fn record(&self, output: StepOutput) -> StepRecord {
        let made = output.updates.iter().filter(|update| update.is_finite());
        let made: Vec<&Update> = made.collect();
        let mean = |value: fn(&Update) -> f64| {
            let sum: f64 = made.iter().map(|update| value(update)).sum();
            (!made.is_empty()).then(|| sum / made.len() as f64)
        };
        let seconds = self.start.elapsed().as_secs_f64();
        StepRecord {
            step: self.step,
            epoch: self.epoch,
            loss: mean(|update| update.loss),
            gradient_norm: mean(|update| update.gradient_norm),
            learning_rate: self.learning_rate,
            tokens: output.tokens,
            skipped_updates: self.skipped_updates,
            rollout: output.rollout,
            timing: Timing {
                seconds,
                // A clock may stand still, and an infinite rate could not be read back.
                tokens_per_second: output.tokens as f64 / seconds.max(1e-9),
                sampling_seconds: output.sampling_seconds,
                reward_seconds: output.reward_seconds,
                reward_share: output.reward_seconds / seconds.max(1e-9),
                judging_seconds: output.judging_seconds,
                judging_share: output.judging_seconds / seconds.max(1e-9),
                update_seconds: output.update_seconds,
            },
        }
    }

    fn sample(&self, index: usize, sample: &Sample) -> SampleRecord {
        let row = &self.rows[sample.row];
        SampleRecord {
            step: self.step,
            index,
            row: row.id.clone(),
            prompt: row.prompt.clone(),
            completion: sample.text.clone(),
            tokens: sample.sequence.completion.len(),
            is_truncated: sample.is_truncated,
            reward: sample.reward.clone(),
            advantage: sample.advantage,
        }
    }

    fn non_finite(&self, skipped: &SkippedUpdate) -> NonFiniteRecord {
        let finite = |value: f64| value.is_finite().then_some(value);
        let samples = skipped.samples.iter().map(|sample| {
            let row = &self.rows[sample.row];
            NonFiniteSample {
                row: row.id.clone(),
                prompt: row.prompt.clone(),
                completion: sample.completion.clone(),
                reward: sample.reward.clone(),
                advantage: sample.advantage.and_then(finite),
            }
        });
        NonFiniteRecord {
            step: self.step,
            update: skipped.index,
            loss: finite(skipped.update.loss),
            gradient_norm: finite(skipped.update.gradient_norm),
            samples: samples.collect(),
        }
    }
}
