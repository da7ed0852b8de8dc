//! A step of an algorithm that learns from its own completions: sample, score, compare, update.

use std::time::Instant;

use rayon::prelude::*;

use crate::{
    model::{Decoder, Wanted, to_f32},
    reward::{copied_share, repeated_share},
    train::{
        context::{StepContext, UpdateContext},
        error::TrainError,
        learner::{Learner, Measured, MicroBatchScores, Sequence, Update},
        loss::sequence_weights,
        observer::{GamingRecord, RewardRecord, RolloutRecord},
        step::{Method, ShouldStop, SkippedSample, SkippedUpdate, StepOutput},
        teacher::Teacher,
    },
};

use super::{
    advantage::{deviation, has_spread, mean},
    collect::{Collector, Rollout, Sample},
    gap::GapWatch,
    imitated,
    mini_batch::MiniBatch,
    objective::Objective,
    reward::mean_reward,
};

/// Samples groups of completions and learns from them.
pub(in crate::train) struct RolloutStep<'a> {
    pub(in crate::train) collector: Collector<'a>,
    /// The frozen start of the training, if the objective needs a reference.
    pub(in crate::train) reference: Option<Decoder>,
    /// The model that is imitated, if the objective needs one.
    pub(in crate::train) teacher: Option<Teacher<'a>>,
    /// Watches the tests that are rewarded and those that are held out.
    pub(in crate::train) gap: GapWatch,
}

impl Method for RolloutStep<'_> {
    fn step(
        &mut self,
        learner: &mut Learner,
        context: StepContext,
        should_stop: &mut ShouldStop<'_>,
    ) -> Result<Option<StepOutput>, TrainError> {
        let rollout = self
            .collector
            .collect(learner.model(), context, should_stop)?;
        let Some(rollout) = rollout else {
            return Ok(None);
        };
        let clock = Instant::now();
        let kept: Vec<&Sample> = rollout
            .samples
            .iter()
            .filter(|sample| sample.advantage.is_some())
            .collect();
        let Some(learned) = self.learn(learner, context, &kept)? else {
            return Ok(None);
        };
        let tokens = kept.iter().map(|sample| sample.sequence.len()).sum();
        let kept_groups = kept.len() / self.completions_of_a_group();
        let record = self.record(&rollout, kept_groups, &learned.measured);
        let mut notes = Vec::new();
        notes.extend(self.gap.see(context.step, record.reward.tests.as_ref()));
        let is_short = kept_groups < self.collector.batch_size;
        if is_short && (kept_groups == 0 || self.objective().dynamic_sampling.is_some()) {
            notes.push(self.shortage(context.step, kept_groups, &rollout));
        }
        Ok(Some(StepOutput {
            prompts: rollout.prompts,
            updates: learned.updates,
            skipped: learned.skipped,
            tokens,
            rollout: Some(record),
            notes,
            sampling_seconds: rollout.sampling_seconds,
            reward_seconds: rollout.reward_seconds,
            judging_seconds: rollout.judging_seconds,
            update_seconds: clock.elapsed().as_secs_f64(),
            samples: rollout.samples,
        }))
    }
}

/// The updates of a step.
#[derive(Default)]
struct Learned {
    updates: Vec<Update>,
    skipped: Vec<SkippedUpdate>,
    measured: Measured,
}

/// The pairs of an update.
struct Pairs {
    /// The weight of each completion, with its sign.
    advantages: Vec<f64>,
    /// The mean loss of the pairs.
    loss: f64,
}

impl RolloutStep<'_> {
    fn objective(&self) -> &Objective {
        &self.collector.objective
    }

    /// The number of completions of a group that are learned from.
    fn completions_of_a_group(&self) -> usize {
        match self.objective().preference {
            Some(_) => 2,
            None => self.collector.group_size,
        }
    }

    /// Makes the updates of a step, each from its own prompts, in each pass; `None` if the training has to stop.
    #[expect(
        clippy::too_many_lines,
        reason = "the steps of an update, in their order"
    )]
    fn learn(
        &self,
        learner: &mut Learner,
        context: StepContext,
        kept: &[&Sample],
    ) -> Result<Option<Learned>, TrainError> {
        let sequences: Vec<Sequence> = kept.iter().map(|one| one.sequence.clone()).collect();
        let size = self.objective().mini_batch_size.max(1) * self.completions_of_a_group();
        let passes = self.objective().passes.max(1);
        let temperature = self.collector.sampling.temperature;
        // Asked before the first update, so that a teacher that does not answer leaves nothing half done.
        let Some(said) = self.teacher_says(learner, context, kept, &sequences)? else {
            return Ok(None);
        };
        let mut learned = Learned::default();
        // With a single update the old policy is the one that learns.
        let is_single = passes == 1 && sequences.len() <= size;
        let old = (!is_single).then(|| learner.log_probs(&sequences, temperature));
        let old = old.transpose()?;
        let gap = old.as_ref().and_then(|old| largest_gap(kept, old));
        learned.measured.log_prob_gaps.extend(gap);
        let starts = (0..passes).flat_map(|_| (0..sequences.len()).step_by(size));
        for (update, first) in starts.enumerate() {
            let range = first..(first + size).min(sequences.len());
            let samples = &kept[range.clone()];
            let context = UpdateContext {
                step: context,
                update,
                temperature,
            };
            let pairs = self.pairs(learner, samples, &sequences[range.clone()], temperature)?;
            let batch = MiniBatch {
                objective: self.objective(),
                reference: self
                    .reference
                    .as_ref()
                    .filter(|_| self.objective().kl_weight > 0.0),
                samples,
                advantages: match &pairs {
                    Some(pairs) => pairs.advantages.clone(),
                    None => samples
                        .iter()
                        .map(|one| one.advantage.unwrap_or(0.0))
                        .collect(),
                },
                old_log_probs: old.as_ref().map(|old| &old[range.clone()]),
                teacher_log_probs: self
                    .objective()
                    .samples_teacher
                    .then(|| &said[range.clone()]),
                weights: self.weights(samples),
                temperature,
                device: learner.device(),
            };
            let wanted = Wanted {
                entropy_gradient: self.objective().learns_entropy(),
                teacher: match self.teacher {
                    Some(Teacher::Local(teacher)) if !self.objective().samples_teacher => {
                        Some(teacher)
                    }
                    _ => None,
                },
            };
            let loss = |scores: MicroBatchScores<'_>| batch.loss(scores);
            let (mut made, measured) =
                learner.update_with(&sequences[range], context, wanted, &loss)?;
            made.loss += pairs.map_or(0.0, |pairs| pairs.loss);
            if !made.is_finite() {
                learned.skipped.push(SkippedUpdate {
                    index: update,
                    update: made,
                    samples: samples.iter().map(|sample| skipped(sample)).collect(),
                });
            }
            learned.updates.push(made);
            learned.measured.add(measured);
            if learner.has_diverged() {
                break;
            }
        }
        Ok(Some(learned))
    }

    /// The log-probability of each token under the teacher, if the objective needs it, or nothing; `None` if the
    /// training has to stop.
    fn teacher_says(
        &self,
        learner: &Learner,
        context: StepContext,
        kept: &[&Sample],
        sequences: &[Sequence],
    ) -> Result<Option<Vec<Vec<f32>>>, TrainError> {
        let Collector {
            task,
            ranks,
            sampling,
            ..
        } = &self.collector;
        match self.teacher.filter(|_| self.objective().samples_teacher) {
            Some(Teacher::Local(teacher)) => {
                let said = learner.log_probs_under(teacher, sequences, sampling.temperature)?;
                Ok(Some(said))
            }
            Some(Teacher::Remote(teacher)) => {
                imitated::log_probs(teacher, ranks, task.rows, kept, context.step)
            }
            None => Ok(Some(Vec::new())),
        }
    }

    /// The pairs of an update at the current weights, if the objective learns from pairs.
    fn pairs(
        &self,
        learner: &Learner,
        samples: &[&Sample],
        sequences: &[Sequence],
        temperature: f64,
    ) -> Result<Option<Pairs>, TrainError> {
        let (Some(preference), Some(reference)) =
            (self.objective().preference, self.reference.as_ref())
        else {
            return Ok(None);
        };
        let sums = |log_probs: Vec<Vec<f32>>| -> Vec<f64> {
            let sum = |tokens: &Vec<f32>| tokens.iter().map(|one| f64::from(*one)).sum();
            log_probs.iter().map(sum).collect()
        };
        let ours = sums(learner.log_probs(sequences, temperature)?);
        let start = sums(learner.log_probs_under(reference, sequences, temperature)?);
        let moved: Vec<f64> = ours.iter().zip(start).map(|(new, old)| new - old).collect();
        let count = sequences.len() as f64 / 2.0;
        let mut pairs = Pairs {
            advantages: Vec::with_capacity(sequences.len()),
            loss: 0.0,
        };
        for (samples, moved) in samples.chunks_exact(2).zip(moved.chunks_exact(2)) {
            // The advantage of the better one is 1, that of the other -1.
            let signs = [samples[0], samples[1]].map(|one| one.advantage.unwrap_or(0.0));
            let pair = preference.of_margin(signs[0] * moved[0] + signs[1] * moved[1]);
            pairs.loss += pair.loss / count;
            // The mean of a loss of single completions counts each pair twice.
            let advantages = signs.map(|sign| 2.0 * sign * pair.weight);
            pairs.advantages.extend(advantages);
        }
        Ok(Some(pairs))
    }

    /// The weight of each token of each completion.
    fn weights(&self, samples: &[&Sample]) -> Vec<Vec<f32>> {
        let is_masked = |sample: &Sample| self.objective().mask_truncated && sample.is_truncated;
        let length = |sample: &&Sample| {
            if is_masked(sample) {
                0
            } else {
                sample.sequence.completion.len()
            }
        };
        let lengths: Vec<usize> = samples.iter().map(length).collect();
        let limit = self.collector.sampling.max_completion_tokens;
        let weights = sequence_weights(self.objective().aggregation, &lengths, limit);
        let rows = weights.into_iter().zip(lengths);
        rows.map(|(weight, length)| vec![to_f32(weight); length])
            .collect()
    }

    /// The message that there were fewer groups to learn from than wanted.
    fn shortage(&self, step: usize, kept: usize, rollout: &Rollout) -> String {
        let groups = rollout.samples.len() / self.collector.group_size;
        let wanted = self.collector.batch_size;
        let end = if kept == 0 {
            "the step made no update"
        } else {
            "the step went on with these"
        };
        format!(
            "step {}: {kept} of {groups} groups had rewards that differ, {wanted} were wanted; after \
             {} generation batches {end}",
            step + 1,
            rollout.generation_batches
        )
    }

    /// How much completions repeat themselves, and copy of their notes.
    fn gaming(&self, samples: &[Sample]) -> GamingRecord {
        let mean_of = |share: &(dyn Fn(&Sample) -> f64 + Sync)| {
            mean(&samples.par_iter().map(share).collect::<Vec<f64>>())
        };
        let rows = self.collector.task.rows;
        GamingRecord {
            repeated_share: mean_of(&|sample| repeated_share(&sample.text)),
            copied_share: mean_of(&|sample| copied_share(&sample.text, &rows[sample.row].note)),
        }
    }

    fn record(&self, rollout: &Rollout, kept_groups: usize, measured: &Measured) -> RolloutRecord {
        let samples = &rollout.samples;
        let rewards: Vec<&RewardRecord> = samples.iter().map(|sample| &sample.reward).collect();
        let totals: Vec<f64> = rewards.iter().map(|reward| reward.total).collect();
        let groups = totals.chunks(self.collector.group_size);
        let flat = groups.clone().filter(|group| !has_spread(group)).count();
        let truncated = samples.iter().filter(|sample| sample.is_truncated).count();
        let tokens = samples
            .iter()
            .map(|sample| sample.sequence.completion.len())
            .sum();
        RolloutRecord {
            reward: mean_reward(&rewards),
            reward_spread: deviation(&totals, 0.0),
            zero_spread_share: share(flat, groups.len()),
            completions: samples.len(),
            completion_tokens: share(tokens, samples.len()),
            truncated_share: share(truncated, samples.len()),
            gaming: Some(self.gaming(samples)),
            generation_batches: rollout.generation_batches,
            kept_groups,
            kl: measured.mean_kl(),
            entropy: measured.mean_entropy(),
            log_prob_gap: measured.largest_log_prob_gap(),
        }
    }
}

/// `count` as a share of `of`, or 0 of nothing.
fn share(count: usize, of: usize) -> f64 {
    count as f64 / of.max(1) as f64
}

fn skipped(sample: &Sample) -> SkippedSample {
    SkippedSample {
        row: sample.row,
        completion: sample.text.clone(),
        reward: Some(sample.reward.clone()),
        advantage: sample.advantage,
    }
}

/// The largest difference between a token's log-probability in the sampler and in the trainer.
fn largest_gap(samples: &[&Sample], trainer: &[Vec<f32>]) -> Option<f64> {
    samples
        .iter()
        .zip(trainer)
        .flat_map(|(sample, trainer)| sample.log_probs.iter().zip(trainer))
        .map(|(sampled, trained)| f64::from((sampled - trained).abs()))
        .reduce(f64::max)
}
