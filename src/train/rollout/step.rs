//! A step of the algorithms of the GRPO kind: sample, score, compare, update.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use burn::tensor::Tensor;

use crate::{
    model::Decoder,
    train::{
        error::TrainError,
        learner::{Learner, Moment, Piece, Sequence, Update, narrow, read, rectangle},
        loss::sequence_weights,
        observer::{RewardRecord, RolloutRecord},
        step::{LeftOut, Lesson, Method, Place, Stop, Taken},
    },
};

use super::{
    advantage::{deviation, has_spread, mean},
    collect::{Collector, Rollout, Sample, Start},
    objective::Objective,
};

/// Learns from groups of its own completions.
pub(in crate::train) struct Policy<'a> {
    pub(in crate::train) collector: Collector<'a>,
    /// The frozen start, if the objective looks at it.
    pub(in crate::train) reference: Option<Decoder>,
}

impl Method for Policy<'_> {
    fn step(
        &mut self,
        learner: &mut Learner,
        place: Place,
        should_stop: &mut Stop<'_>,
    ) -> Result<Option<Taken>, TrainError> {
        let start = Start {
            step: place.step,
            place: place.row,
        };
        let Some(rollout) = self.collector.collect(&learner.model, start, should_stop)? else {
            return Ok(None);
        };
        let clock = Instant::now();
        let kept: Vec<&Sample> = rollout
            .samples
            .iter()
            .filter(|sample| sample.advantage.is_some())
            .collect();
        let mut seen = Seen::default();
        let (updates, left_out) = self.learn(learner, place, &kept, &mut seen);
        let tokens = kept.iter().map(|sample| sample.sequence.len()).sum();
        let kept_groups = kept.len() / self.collector.group_size;
        let mut notes = Vec::new();
        if kept_groups < self.collector.batch_size {
            notes.push(self.shortage(place.step, kept_groups, &rollout));
        }
        if kept_groups == 0 {
            learner.skipped += 1;
        }
        Ok(Some(Taken {
            prompts: rollout.prompts,
            updates,
            left_out,
            tokens,
            rollout: Some(self.record(&rollout, kept_groups, &seen)),
            notes,
            sampling_seconds: rollout.sampling_seconds,
            reward_seconds: rollout.reward_seconds,
            update_seconds: clock.elapsed().as_secs_f64(),
            samples: rollout.samples,
        }))
    }
}

impl Policy<'_> {
    fn objective(&self) -> &Objective {
        self.collector.objective
    }

    /// Makes the updates of a step, each from its own prompts.
    fn learn(
        &self,
        learner: &mut Learner,
        place: Place,
        kept: &[&Sample],
        seen: &mut Seen,
    ) -> (Vec<Update>, Vec<LeftOut>) {
        let sequences: Vec<Sequence> = kept.iter().map(|one| one.sequence.clone()).collect();
        let size = self.objective().mini_batch_size.max(1) * self.collector.group_size;
        let temperature = self.collector.sampling.temperature;
        // With one update the old policy is the one that learns, and its log-probabilities are
        // those of the update itself.
        let old = (sequences.len() > size).then(|| {
            learner.log_probs_under(&learner.model.decoder.frozen(), &sequences, temperature)
        });
        if let Some(old) = &old {
            seen.compare(kept, old);
        }
        let (mut updates, mut left_out) = (Vec::new(), Vec::new());
        for (update, first) in (0..sequences.len()).step_by(size).enumerate() {
            let range = first..(first + size).min(sequences.len());
            let moment = Moment {
                step: place.step,
                update,
                rate: place.rate,
                temperature,
            };
            let batch = MiniBatch {
                objective: self.objective(),
                reference: self.reference.as_ref(),
                samples: &kept[range.clone()],
                old: old.as_ref().map(|old| &old[range.clone()]),
                weights: self.weights(&kept[range.clone()]),
                temperature,
                device: learner.device(),
                seen: Mutex::default(),
            };
            let made = learner.update(&sequences[range], moment, &|piece| batch.loss(piece));
            if !made.is_finite() {
                let samples = batch.samples.iter().map(|sample| lesson(sample)).collect();
                left_out.push(LeftOut {
                    update,
                    made,
                    samples,
                });
            }
            updates.push(made);
            batch.tell(seen);
            if learner.has_diverged() {
                break;
            }
        }
        (updates, left_out)
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
        let most = self.collector.sampling.max_completion_tokens;
        let weights = sequence_weights(self.objective().aggregation, &lengths, most);
        let rows = weights.into_iter().zip(lengths);
        rows.map(|(weight, length)| vec![narrow(weight); length])
            .collect()
    }

    /// Says that fewer groups than wanted were fit to learn from.
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

    fn record(&self, rollout: &Rollout, kept_groups: usize, seen: &Seen) -> RolloutRecord {
        let samples = &rollout.samples;
        let part = |part: fn(&RewardRecord) -> f64| -> Vec<f64> {
            samples.iter().map(|sample| part(&sample.reward)).collect()
        };
        let totals = part(|reward| reward.total);
        let groups = totals.chunks(self.collector.group_size);
        let flat = groups.clone().filter(|group| !has_spread(group)).count();
        let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
        let tokens = samples
            .iter()
            .map(|sample| sample.sequence.completion.len())
            .sum();
        RolloutRecord {
            reward: RewardRecord {
                total: mean(&totals),
                format: mean(&part(|reward| reward.format)),
                correctness: mean(&part(|reward| reward.correctness)),
                overlong: mean(&part(|reward| reward.overlong)),
            },
            reward_spread: deviation(&totals, 0.0),
            zero_spread_share: share(flat, groups.len()),
            completions: samples.len(),
            completion_tokens: share(tokens, samples.len()),
            truncated_share: share(
                samples.iter().filter(|sample| sample.is_truncated).count(),
                samples.len(),
            ),
            generation_batches: rollout.generation_batches,
            kept_groups,
            kl: seen.mean_of(&seen.divergence),
            entropy: seen.mean_of(&seen.entropy),
            log_prob_gap: seen.gap(),
        }
    }
}

fn lesson(sample: &Sample) -> Lesson {
    Lesson {
        row: sample.row,
        completion: sample.text.clone(),
        reward: Some(sample.reward),
        advantage: sample.advantage,
    }
}

/// The completions of one update, and what their loss needs.
struct MiniBatch<'a> {
    objective: &'a Objective,
    /// The frozen start, if the objective looks at it.
    reference: Option<&'a Decoder>,
    samples: &'a [&'a Sample],
    /// Log-probabilities before the step's first update.
    old: Option<&'a [Vec<f32>]>,
    weights: Vec<Vec<f32>>,
    temperature: f64,
    device: burn::tensor::Device,
    /// What is seen on the way, by micro-batch: several may be on it at once.
    seen: Mutex<BTreeMap<usize, Seen>>,
}

impl MiniBatch<'_> {
    /// The part of the loss that a micro-batch has in it.
    fn loss(&self, piece: Piece<'_>) -> Tensor<1> {
        let mut seen = Seen::default();
        let width = piece.tokens.completion_time();
        let samples: Vec<&Sample> = piece.rows.iter().map(|row| self.samples[*row]).collect();
        let weights = piece.rows.iter().map(|row| self.weights[*row].as_slice());
        let weight = rectangle(weights, width, &self.device);
        let advantages: Vec<[f32; 1]> = samples
            .iter()
            .map(|sample| [narrow(sample.advantage.unwrap_or(0.0))])
            .collect();
        let advantage = rectangle(advantages.iter().map(<[f32; 1]>::as_slice), 1, &self.device);
        let mask = piece.tokens.completion_mask(&self.device);
        let log_prob = piece.scores.log_probs;
        let old = match self.old {
            Some(old) => rectangle(
                piece.rows.iter().map(|row| old[*row].as_slice()),
                width,
                &self.device,
            ),
            None => log_prob.clone().detach(),
        };
        let reference = self.reference.map(|reference| {
            reference
                .log_probs(piece.tokens, self.temperature, None)
                .log_probs
        });
        if self.old.is_none() {
            let drawn = samples.iter().map(|sample| sample.log_probs.as_slice());
            let drawn = rectangle(drawn, width, &self.device);
            seen.gaps
                .push((log_prob.clone().inner() - drawn).abs().max());
        }
        let (loss, divergence) = self
            .objective
            .token_loss(log_prob, old, advantage, mask, reference);
        seen.divergence.extend(divergence.map(Tensor::sum));
        seen.entropy.push(piece.scores.entropy.inner().sum());
        seen.tokens += piece.tokens.completion_lengths().iter().sum::<usize>();
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(piece.index, seen);
        (loss * weight).sum()
    }
}

impl MiniBatch<'_> {
    /// Adds what was seen, in the order of the micro-batches.
    fn tell(self, all: &mut Seen) {
        let seen = self.seen.into_inner();
        for seen in seen.unwrap_or_else(PoisonError::into_inner).into_values() {
            all.entropy.extend(seen.entropy);
            all.divergence.extend(seen.divergence);
            all.gaps.extend(seen.gaps);
            all.tokens += seen.tokens;
        }
    }
}

/// What is seen of the policy while it learns; read from the device when the step is over.
#[derive(Debug, Default)]
struct Seen {
    entropy: Vec<Tensor<1>>,
    divergence: Vec<Tensor<1>>,
    gaps: Vec<Tensor<1>>,
    largest_gap: Option<f64>,
    tokens: usize,
}

impl Seen {
    /// Looks for the largest difference between the sampler and the trainer.
    fn compare(&mut self, samples: &[&Sample], old: &[Vec<f32>]) {
        let pairs = samples
            .iter()
            .zip(old)
            .flat_map(|(sample, old)| sample.log_probs.iter().zip(old));
        let gap = pairs
            .map(|(one, other)| f64::from((one - other).abs()))
            .reduce(f64::max);
        self.largest_gap = gap;
    }

    fn gap(&self) -> Option<f64> {
        read(self.gaps.clone())
            .into_iter()
            .chain(self.largest_gap)
            .reduce(f64::max)
    }

    /// The mean a token, if anything was summed.
    fn mean_of(&self, sums: &[Tensor<1>]) -> Option<f64> {
        (!sums.is_empty())
            .then(|| read(sums.to_vec()).iter().sum::<f64>() / self.tokens.max(1) as f64)
    }
}
