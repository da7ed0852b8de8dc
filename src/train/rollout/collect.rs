//! Completions of a step's prompts, scored and compared.

use std::time::Instant;

use crate::{
    model::{Completion, Finish, LanguageModel, ModelError, SamplingSettings, generate},
    reward::Scorer,
    seed,
    train::{
        error::TrainError, learner::Sequence, observer::RewardRecord, order::rows_at, task::Task,
    },
};

use super::{advantage::has_spread, objective::Objective};

/// Scores completions against target codes, in the order given.
pub(in crate::train) trait Judge {
    /// The rewards of pairs of completion and target code.
    fn judge(&self, pairs: &[(String, String)]) -> Vec<RewardRecord>;
}

impl Judge for Scorer {
    fn judge(&self, pairs: &[(String, String)]) -> Vec<RewardRecord> {
        let record = |score: crate::reward::Score| RewardRecord {
            total: score.total,
            format: score.format,
            correctness: score.correctness,
            overlong: 0.0,
        };
        self.score_batch(pairs).into_iter().map(record).collect()
    }
}

/// A completion with all that is known about it.
#[derive(Clone, Debug)]
pub(in crate::train) struct Sample {
    /// The row of the data.
    pub(in crate::train) row: usize,
    pub(in crate::train) sequence: Sequence,
    /// Under the policy that sampled.
    pub(in crate::train) log_probs: Vec<f32>,
    pub(in crate::train) is_truncated: bool,
    pub(in crate::train) text: String,
    pub(in crate::train) reward: RewardRecord,
    /// None, if its group is not learned from.
    pub(in crate::train) advantage: Option<f64>,
}

/// What a step has sampled, group after group.
#[derive(Debug, Default)]
pub(in crate::train) struct Rollout {
    pub(in crate::train) samples: Vec<Sample>,
    pub(in crate::train) generation_batches: usize,
    /// Prompts taken from the data.
    pub(in crate::train) prompts: usize,
    pub(in crate::train) sampling_seconds: f64,
    pub(in crate::train) reward_seconds: f64,
}

/// Where a rollout takes its prompts and random numbers.
#[derive(Clone, Copy, Debug)]
pub(in crate::train) struct Start {
    /// The step, counted from 0.
    pub(in crate::train) step: usize,
    /// The place in the data.
    pub(in crate::train) place: usize,
}

/// How completions are sampled and scored.
pub(in crate::train) struct Collector<'a> {
    pub(in crate::train) task: &'a Task<'a>,
    pub(in crate::train) objective: &'a Objective,
    pub(in crate::train) sampling: &'a SamplingSettings,
    pub(in crate::train) judge: &'a dyn Judge,
    pub(in crate::train) batch_size: usize,
    pub(in crate::train) group_size: usize,
}

impl Collector<'_> {
    /// Samples until there are enough groups to learn from, or the budget is spent.
    ///
    /// None, if it was told to stop.
    pub(in crate::train) fn collect(
        &self,
        model: &LanguageModel,
        start: Start,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Rollout>, TrainError> {
        let mut rollout = Rollout::default();
        let mut kept = 0;
        let budget = self.objective.dynamic_sampling.unwrap_or(1).max(1);
        while kept < self.batch_size && rollout.generation_batches < budget {
            let first = rollout.samples.len();
            let Some(()) = self.generation_batch(model, start, &mut rollout, should_stop)? else {
                return Ok(None);
            };
            kept += self.compare(&mut rollout.samples[first..], self.batch_size - kept);
        }
        if should_stop() {
            Ok(None)
        } else {
            Ok(Some(rollout))
        }
    }

    /// Samples and scores a group of completions for each of `batch_size` more prompts.
    fn generation_batch(
        &self,
        model: &LanguageModel,
        start: Start,
        rollout: &mut Rollout,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<()>, TrainError> {
        let place = start.place + rollout.prompts;
        let rows = rows_at(self.task.seed, self.task.rows.len(), place, self.batch_size);
        let rows: Vec<usize> = rows
            .into_iter()
            .flat_map(|row| std::iter::repeat_n(row, self.group_size))
            .collect();
        let prompts: Vec<_> = rows
            .iter()
            .map(|row| self.task.sequences[*row].prompt.clone())
            .collect();
        let first = rollout.samples.len();
        let streams = (first..first + rows.len())
            .map(|index| seed::stream(self.task.seed, "sampling", start.step as u64, index as u64))
            .collect();

        let clock = Instant::now();
        let completions = match generate(model, &prompts, self.sampling, streams, should_stop) {
            Err(ModelError::Interrupted) => return Ok(None),
            other => other?,
        };
        rollout.sampling_seconds += clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        rollout
            .samples
            .extend(self.score(model, &rows, prompts, completions)?);
        rollout.reward_seconds += clock.elapsed().as_secs_f64();
        rollout.generation_batches += 1;
        rollout.prompts += self.batch_size;
        Ok(Some(()))
    }

    fn score(
        &self,
        model: &LanguageModel,
        rows: &[usize],
        prompts: Vec<Vec<u32>>,
        completions: Vec<Completion>,
    ) -> Result<Vec<Sample>, TrainError> {
        let texts = completions
            .iter()
            .map(|completion| model.tokenizer.decode(&completion.tokens))
            .collect::<Result<Vec<_>, _>>()?;
        let pairs: Vec<_> = texts
            .iter()
            .zip(rows)
            .map(|(text, row)| (text.clone(), self.task.rows[*row].target_code.clone()))
            .collect();
        let rewards = self.judge.judge(&pairs);
        let parts = completions
            .into_iter()
            .zip(prompts)
            .zip(texts)
            .zip(rows)
            .zip(rewards);
        let samples = parts.map(|((((completion, prompt), text), row), mut reward)| {
            let length = completion.tokens.len();
            let most = self.sampling.max_completion_tokens;
            reward.overlong = self.objective.overlong.penalty(length, most);
            reward.total += reward.overlong;
            Sample {
                row: *row,
                sequence: Sequence {
                    prompt,
                    completion: completion.tokens,
                },
                log_probs: completion.log_probs,
                is_truncated: completion.finish == Finish::Length,
                text,
                reward,
                advantage: None,
            }
        });
        Ok(samples.collect())
    }

    /// Gives advantages to the first groups of `samples` that are fit to learn from, at most
    /// `wanted`, and tells how many there are.
    fn compare(&self, samples: &mut [Sample], wanted: usize) -> usize {
        let rewards: Vec<f64> = samples.iter().map(|sample| sample.reward.total).collect();
        let advantages = self.objective.advantages(&rewards, self.group_size);
        let mut kept = 0;
        let groups = samples
            .chunks_mut(self.group_size)
            .zip(rewards.chunks(self.group_size));
        for ((group, rewards), advantages) in groups.zip(advantages.chunks(self.group_size)) {
            // A group of one has no spread to be judged by.
            let is_fit = self.objective.dynamic_sampling.is_none()
                || group.len() == 1
                || has_spread(rewards);
            if is_fit && kept < wanted {
                kept += 1;
                for (sample, advantage) in group.iter_mut().zip(advantages) {
                    sample.advantage = Some(*advantage);
                }
            }
        }
        kept
    }
}
