//! Completions of a step's prompts, with their rewards and advantages.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::{
    model::{Completion, Finish, LanguageModel, ModelError, SamplingSettings, generate},
    ranks::{RankError, Ranks, share},
    seed,
    train::{
        context::StepContext, error::TrainError, learner::Sequence, observer::RewardRecord,
        order::rows_at, task::Task,
    },
};

use super::{advantage::has_spread, answer::Answer, objective::Objective, reward::RewardFn};

/// A completion with everything that is known about it.
#[derive(Clone, Debug)]
pub(in crate::train) struct Sample {
    /// The row of the data.
    pub(in crate::train) row: usize,
    pub(in crate::train) sequence: Sequence,
    /// The log-probability of each token under the policy that sampled it.
    pub(in crate::train) log_probs: Vec<f32>,
    pub(in crate::train) is_truncated: bool,
    pub(in crate::train) text: String,
    pub(in crate::train) reward: RewardRecord,
    /// `None` if the group is not learned from.
    pub(in crate::train) advantage: Option<f64>,
}

/// The samples of a step, group after group.
#[derive(Debug, Default)]
pub(in crate::train) struct Rollout {
    pub(in crate::train) samples: Vec<Sample>,
    pub(in crate::train) generation_batches: usize,
    /// Prompts taken from the data.
    pub(in crate::train) prompts: usize,
    pub(in crate::train) sampling_seconds: f64,
    pub(in crate::train) reward_seconds: f64,
}

/// A completion on its way to the other ranks, which know its row.
#[derive(Serialize, Deserialize)]
struct Sent {
    tokens: Vec<u32>,
    /// The bits of the log-probabilities: text has no infinity.
    log_probs: Vec<u32>,
    is_truncated: bool,
    text: String,
    reward: RewardRecord,
}

impl From<&Sample> for Sent {
    fn from(sample: &Sample) -> Self {
        Self {
            tokens: sample.sequence.completion.clone(),
            log_probs: sample.log_probs.iter().map(|one| one.to_bits()).collect(),
            is_truncated: sample.is_truncated,
            text: sample.text.clone(),
            reward: sample.reward.clone(),
        }
    }
}

/// Samples and scores completions, of which each rank has a share.
pub(in crate::train) struct Collector<'a> {
    pub(in crate::train) task: &'a Task<'a>,
    pub(in crate::train) ranks: &'a Ranks,
    pub(in crate::train) objective: Objective,
    pub(in crate::train) sampling: &'a SamplingSettings,
    pub(in crate::train) reward_fn: &'a dyn RewardFn,
    /// Prompts a generation batch.
    pub(in crate::train) batch_size: usize,
    /// The number of completions of each prompt.
    pub(in crate::train) group_size: usize,
}

impl Collector<'_> {
    /// Samples until there are enough groups to learn from, or until the budget is spent.
    ///
    /// Returns `None` if it has to stop.
    pub(in crate::train) fn collect(
        &self,
        model: &LanguageModel,
        context: StepContext,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Rollout>, TrainError> {
        let mut rollout = Rollout::default();
        let mut kept = 0;
        let budget = self.objective.dynamic_sampling.unwrap_or(1).max(1);
        while kept < self.batch_size && rollout.generation_batches < budget {
            let first = rollout.samples.len();
            let Some(()) = self.generation_batch(model, context, &mut rollout, should_stop)? else {
                return Ok(None);
            };
            kept += self.compare(&mut rollout.samples[first..], self.batch_size - kept);
        }
        Ok(Some(rollout))
    }

    /// Samples and scores a group of completions for each of the next `batch_size` prompts, or returns `None` if a rank
    /// has to stop.
    fn generation_batch(
        &self,
        model: &LanguageModel,
        context: StepContext,
        rollout: &mut Rollout,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<()>, TrainError> {
        let first_row = context.first_row + rollout.prompts;
        let rows = rows_at(
            self.task.seed,
            self.task.rows.len(),
            first_row,
            self.batch_size,
        );
        let rows: Vec<usize> = rows
            .into_iter()
            .flat_map(|row| std::iter::repeat_n(row, self.group_size))
            .collect();
        let own = self.ranks.share(self.batch_size);
        let own = own.start * self.group_size..own.end * self.group_size;
        let first = rollout.samples.len();
        let step = context.step as u64;
        let streams = (first + own.start..first + own.end)
            .map(|index| seed::stream(self.task.seed, "sampling", step, index as u64))
            .collect();
        let prompts: Vec<_> = rows[own.clone()]
            .iter()
            .map(|row| self.task.sequences[*row].prompt.clone())
            .collect();

        let clock = Instant::now();
        let completions = match generate(model, &prompts, self.sampling, streams, should_stop) {
            Err(ModelError::Interrupted) => None,
            other => Some(other?),
        };
        rollout.sampling_seconds += clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        let samples = match completions {
            Some(completions) => {
                let samples = self.score(model, context.step, &rows[own], prompts, completions)?;
                (!should_stop()).then_some(samples)
            }
            None => None,
        };
        rollout.reward_seconds += clock.elapsed().as_secs_f64();
        let Some(samples) = self.of_all_ranks(&rows, samples)? else {
            return Ok(None);
        };
        rollout.samples.extend(samples);
        rollout.generation_batches += 1;
        rollout.prompts += self.batch_size;
        Ok(Some(()))
    }

    /// The samples of all `rows`, from those of each rank; `None` if a rank has to stop.
    fn of_all_ranks(
        &self,
        rows: &[usize],
        own: Option<Vec<Sample>>,
    ) -> Result<Option<Vec<Sample>>, TrainError> {
        if self.ranks.count() == 1 {
            return Ok(own);
        }
        let own: Option<Vec<Sent>> = own.map(|own| own.iter().map(Sent::from).collect());
        let all: Option<Vec<Vec<Sent>>> = self.ranks.gather_values(&own)?.into_iter().collect();
        for (rank, sent) in all.iter().flatten().enumerate() {
            let share = share(self.batch_size, rank, self.ranks.count());
            if sent.len() != share.len() * self.group_size {
                let what = "another number of completions";
                return Err(RankError::Garbled { rank, what }.into());
            }
        }
        let sample = |(row, sent): (&usize, Sent)| Sample {
            row: *row,
            sequence: Sequence {
                prompt: self.task.sequences[*row].prompt.clone(),
                completion: sent.tokens,
            },
            log_probs: sent.log_probs.into_iter().map(f32::from_bits).collect(),
            is_truncated: sent.is_truncated,
            text: sent.text,
            reward: sent.reward,
            advantage: None,
        };
        Ok(all.map(|all| {
            rows.iter()
                .zip(all.into_iter().flatten())
                .map(sample)
                .collect()
        }))
    }

    fn score(
        &self,
        model: &LanguageModel,
        step: usize,
        rows: &[usize],
        prompts: Vec<Vec<u32>>,
        completions: Vec<Completion>,
    ) -> Result<Vec<Sample>, TrainError> {
        // A rank may have no share of few prompts.
        if completions.is_empty() {
            return Ok(Vec::new());
        }
        let texts = completions
            .iter()
            .map(|completion| model.tokenizer.decode(&completion.tokens))
            .collect::<Result<Vec<_>, _>>()?;
        let answers: Vec<Answer<'_>> = texts
            .iter()
            .zip(rows)
            .map(|(text, row)| Answer { row: *row, text })
            .collect();
        let rewards = self
            .reward_fn
            .rewards(&answers, self.group_size)
            .map_err(|source| TrainError::Reward {
                step: step + 1,
                source,
            })?;
        let parts = completions
            .into_iter()
            .zip(prompts)
            .zip(texts)
            .zip(rows)
            .zip(rewards);
        let samples = parts.map(|((((completion, prompt), text), row), mut reward)| {
            let length = completion.tokens.len();
            let limit = self.sampling.max_completion_tokens;
            reward.overlong = self.objective.overlong.penalty(length, limit);
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

    /// Gives advantages to the first groups that can be learned from, at most `wanted`, and returns
    /// how many there are.
    fn compare(&self, samples: &mut [Sample], wanted: usize) -> usize {
        let rewards: Vec<f64> = samples.iter().map(|sample| sample.reward.total).collect();
        let advantages = self
            .objective
            .advantage
            .advantages(&rewards, self.group_size);
        let mut kept = 0;
        let groups = samples
            .chunks_mut(self.group_size)
            .zip(rewards.chunks(self.group_size));
        for ((group, rewards), advantages) in groups.zip(advantages.chunks(self.group_size)) {
            // A group of one never has a spread.
            let is_kept = self.objective.dynamic_sampling.is_none()
                || group.len() == 1
                || has_spread(rewards);
            if is_kept && kept < wanted {
                kept += 1;
                for (sample, advantage) in group.iter_mut().zip(advantages) {
                    sample.advantage = Some(*advantage);
                }
            }
        }
        kept
    }
}
