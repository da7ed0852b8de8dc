//! Completions of a step's prompts, with their rewards and advantages.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    model::{
        Completion, Finish, LanguageModel, ModelError, SamplingSettings, generate, generate_watched,
    },
    ranks::Ranks,
    seed::{self, Stream},
    train::{
        context::StepContext, error::TrainError, learner::Sequence, observer::TestShares,
        order::Draw, task::Task,
    },
};

use super::{
    advantage::has_spread,
    answer::Answer,
    beside::{Group, Judged},
    exchange::of_all_ranks,
    objective::Objective,
    preference::Preference,
    reward::RewardFn,
};

pub(in crate::train) use super::sample::Sample;

/// The samples of a step, group after group.
#[derive(Debug, Default)]
pub(in crate::train) struct Rollout {
    pub(in crate::train) samples: Vec<Sample>,
    pub(in crate::train) generation_batches: usize,
    /// Prompts taken from the data.
    pub(in crate::train) prompts: usize,
    pub(in crate::train) sampling_seconds: f64,
    /// Scoring completions after all of them were sampled.
    pub(in crate::train) reward_seconds: f64,
    /// Running tests, in part while others were sampled.
    pub(in crate::train) judging_seconds: f64,
}

/// The completions of a generation batch, and what was judged while they were sampled.
struct Sampled {
    completions: Vec<Completion>,
    judged: Option<Judged>,
    /// When the last completion ended.
    ended: Instant,
}

/// Samples and scores completions, of which each rank has a share.
pub(in crate::train) struct Collector<'a> {
    pub(in crate::train) task: &'a Task<'a>,
    pub(in crate::train) ranks: &'a Ranks,
    /// How prompts are drawn.
    pub(in crate::train) draw: Draw,
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
    #[expect(
        clippy::too_many_lines,
        reason = "the parts of a batch, in their order"
    )]
    fn generation_batch(
        &self,
        model: &LanguageModel,
        context: StepContext,
        rollout: &mut Rollout,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<()>, TrainError> {
        let first_row = context.first_row + rollout.prompts;
        let rows = self.draw.rows_at(
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
        let own_rows = &rows[own];
        let sampled = self.sample(
            model,
            context.step,
            own_rows,
            &prompts,
            streams,
            should_stop,
        )?;
        let samples = match sampled {
            Some(Sampled {
                completions,
                judged,
                ended,
            }) => {
                rollout.sampling_seconds += (ended - clock).as_secs_f64();
                let busy = judged.as_ref().map_or(Duration::ZERO, |judged| judged.busy);
                rollout.judging_seconds += busy.as_secs_f64();
                let groups = own_rows.len() / self.group_size.max(1);
                let tested = judged.and_then(|judged| judged.in_order(groups));
                let samples =
                    self.score(model, context.step, own_rows, prompts, completions, tested)?;
                rollout.reward_seconds += ended.elapsed().as_secs_f64();
                (!should_stop()).then_some(samples)
            }
            None => None,
        };
        let Some(samples) = of_all_ranks(
            self.ranks,
            self.task,
            [self.batch_size, self.group_size],
            &rows,
            samples,
        )?
        else {
            return Ok(None);
        };
        rollout.samples.extend(samples);
        rollout.generation_batches += 1;
        rollout.prompts += self.batch_size;
        Ok(Some(()))
    }

    /// Samples completions, and judges each group beside the sampling of the others, if the reward runs
    /// tests. Returns `None` if it has to stop.
    #[expect(clippy::too_many_arguments, reason = "each is another part of a batch")]
    fn sample(
        &self,
        model: &LanguageModel,
        step: usize,
        rows: &[usize],
        prompts: &[Vec<u32>],
        streams: Vec<Stream>,
        should_stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Sampled>, TrainError> {
        let Some(beside) = self.reward_fn.beside() else {
            let found = generate(model, prompts, self.sampling, streams, should_stop);
            return Ok(finished(found)?.map(|completions| Sampled {
                completions,
                judged: None,
                ended: Instant::now(),
            }));
        };
        let stop = AtomicBool::new(false);
        let (sender, groups) = mpsc::channel();
        let (found, judged, ended) = thread::scope(|scope| {
            let stop = &stop;
            let judge = scope.spawn(move || beside.judge(groups, stop));
            let mut gathered = Gathered::new(rows, self.group_size);
            let mut broken = Ok(());
            let mut on_end = |index: usize, completion: &Completion| {
                match model.tokenizer.decode(&completion.tokens) {
                    // Without a receiver the judge has failed, and its error counts.
                    Ok(text) => {
                        if let Some(group) = gathered.add(index, text) {
                            let _ = sender.send(group);
                        }
                    }
                    Err(error) => broken = Err(error),
                }
            };
            let mut is_over = || stop.load(Ordering::Relaxed) || should_stop();
            let (settings, watch) = (self.sampling, &mut on_end);
            let found = generate_watched(model, prompts, settings, streams, &mut is_over, watch);
            let found = broken.and(found);
            let ended = Instant::now();
            if found.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            drop(sender);
            let judged = judge
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (found, judged, ended)
        });
        let judged = judged.map_err(|source| TrainError::Reward {
            step: step + 1,
            source,
        })?;
        Ok(finished(found)?.map(|completions| Sampled {
            completions,
            judged: Some(judged),
            ended,
        }))
    }

    #[expect(clippy::too_many_arguments, reason = "each is another part of a batch")]
    fn score(
        &self,
        model: &LanguageModel,
        step: usize,
        rows: &[usize],
        prompts: Vec<Vec<u32>>,
        completions: Vec<Completion>,
        tested: Option<Vec<TestShares>>,
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
            .rewards_after(&answers, self.group_size, tested)
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
            if kept == wanted {
                break;
            }
            if self.objective.preference.is_some() {
                let Some([best, worst]) = Preference::extremes(rewards) else {
                    continue;
                };
                group[best].advantage = Some(1.0);
                group[worst].advantage = Some(-1.0);
                kept += 1;
                continue;
            }
            // A group of one never has a spread.
            let is_kept = self.objective.dynamic_sampling.is_none()
                || group.len() == 1
                || has_spread(rewards);
            if is_kept {
                kept += 1;
                for (sample, advantage) in group.iter_mut().zip(advantages) {
                    sample.advantage = Some(*advantage);
                }
            }
        }
        kept
    }
}

/// The completions, unless the caller has stopped their sampling.
fn finished(
    found: Result<Vec<Completion>, ModelError>,
) -> Result<Option<Vec<Completion>>, TrainError> {
    match found {
        Err(ModelError::Interrupted) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// The texts of completions that have ended, until their group is whole.
struct Gathered<'a> {
    rows: &'a [usize],
    group_size: usize,
    texts: BTreeMap<usize, BTreeMap<usize, String>>,
}

impl<'a> Gathered<'a> {
    fn new(rows: &'a [usize], group_size: usize) -> Self {
        Self {
            rows,
            group_size,
            texts: BTreeMap::new(),
        }
    }

    /// Adds the text of a completion; returns its group if that is whole now.
    fn add(&mut self, index: usize, text: String) -> Option<Group> {
        let number = index / self.group_size;
        let texts = self.texts.entry(number).or_default();
        texts.insert(index, text);
        if texts.len() < self.group_size {
            return None;
        }
        Some(Group {
            number,
            row: *self.rows.get(index)?,
            texts: self.texts.remove(&number)?.into_values().collect(),
        })
    }
}
