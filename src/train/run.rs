//! A training from its first step, or its last checkpoint, to its last step.

use std::{path::Path, time::Instant};

use crate::{digest::Digest, model::LanguageModel, ranks::Ranks};

use super::{
    context::StepContext,
    drawing::Drawing,
    error::TrainError,
    evaluation::{Best, FinalCheckpoint},
    identity::{compare, identity},
    learner::Learner,
    method::{Frozen, method},
    observer::Observer,
    records::FinishedStep,
    rollout::reward::{MixedReward, NoReward, RewardFn, RewardTools},
    settings::TrainSettings,
    state::{Checkpoint, Progress, Store},
    step::{Method, StepOutput},
    target_log_prob::{Measuring, TargetLogProb},
    task::{CompletionSource, Row, Task},
    teacher::Teacher,
};

/// Everything that a training reads, except the model.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The settings.
    pub settings: &'a TrainSettings,
    /// The data.
    pub rows: &'a [Row],
    /// The seed of all random numbers.
    pub seed: u64,
    /// The folder of checkpoints. An interrupted training continues from the newest one.
    pub checkpoints: &'a Path,
    /// What the reward runs besides the program; empty if it runs nothing.
    pub tools: RewardTools<'a>,
    /// The processes that share the training. All of them call [`train`] with the same inputs; the first writes
    /// checkpoints, and its evaluations count.
    pub ranks: &'a Ranks,
    /// The model that is imitated; none if the algorithm imitates none.
    pub teacher: Option<Teacher<'a>>,
}

/// The result of a training.
#[derive(Debug)]
pub struct Outcome {
    /// The trained model.
    pub model: LanguageModel,
    /// Steps done, including those before an interruption.
    pub steps: usize,
    /// The step whose weights the model has.
    pub weights: usize,
    /// The targets under the model before the first update, if they were measured.
    pub target_log_prob: Option<TargetLogProb>,
    /// Whether all steps are done.
    pub ended: Ended,
}

impl Outcome {
    /// The result of a training that was stopped before its first step.
    fn before_the_first_step(model: LanguageModel) -> Self {
        Self {
            model,
            steps: 0,
            weights: 0,
            target_log_prob: None,
            ended: Ended::Stopped,
        }
    }
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Done,
    /// The observer stopped it; the same call continues from here.
    Stopped,
}

/// Trains a model that has trainable parameters, from the newest checkpoint if there is one.
pub fn train(
    model: LanguageModel,
    inputs: &Inputs<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let settings = inputs.settings;
    if !settings.algorithm.has_reward() {
        return train_with(model, inputs, observer, &NoReward);
    }
    let reward = MixedReward::new(
        &settings.reward,
        &settings.reward_settings,
        inputs.rows,
        inputs.tools,
        inputs.seed,
    )?;
    train_with(model, inputs, observer, &reward)
}

/// [`train`] with any reward.
#[expect(
    clippy::too_many_lines,
    reason = "the parts of a training, in the order in which they are made"
)]
pub(super) fn train_with(
    model: LanguageModel,
    inputs: &Inputs<'_>,
    observer: &mut dyn Observer,
    reward_fn: &dyn RewardFn,
) -> Result<Outcome, TrainError> {
    let settings = inputs.settings;
    settings.check()?;
    let task = task(&model, inputs)?;
    if task.truncated > 0 {
        observer.on_warning(&format!(
            "{} of {} prompts were too long and are cut at their beginning",
            task.truncated,
            inputs.rows.len()
        ));
    }
    let start = model.decoder.without_adapter();
    let identity = identity(
        settings,
        inputs.rows,
        inputs.seed,
        &model.decoder.trainable(),
    );
    compare(inputs.ranks, &identity)?;
    let learner = Learner::new(
        model,
        settings.optimizer.clone(),
        settings.micro_batch_tokens,
        settings.gradient_checkpointing,
        inputs.seed,
    );
    let mut target_log_prob = None;
    if settings.target_log_prob_rows > 0 {
        let measuring = Measuring {
            settings,
            rows: inputs.rows,
            learner: &learner,
            folder: inputs.checkpoints,
            identity: &identity,
            ranks: inputs.ranks,
        };
        target_log_prob = measuring.measure(observer)?;
        if target_log_prob.is_none() {
            return Ok(Outcome::before_the_first_step(learner.into_model()));
        }
    }
    let learner = learner.shared(inputs.ranks)?;
    let draw = Drawing {
        task: &task,
        settings,
        reward_fn,
        folder: inputs.checkpoints,
        identity: &identity,
        ranks: inputs.ranks,
    };
    let Some(draw) = draw.prepare(learner.model(), observer)? else {
        return Ok(Outcome::before_the_first_step(learner.into_model()));
    };
    let teacher = inputs.teacher;
    let frozen = Frozen { start, teacher };
    let mut method = method(&task, settings, reward_fn, frozen, draw, inputs.ranks)?;
    let mut run = Run {
        settings,
        rows: inputs.rows,
        ranks: inputs.ranks,
        store: Store::new(inputs.checkpoints, settings.keep_checkpoints),
        identity,
        learner,
        progress: Progress::default(),
        saved: 0,
    };
    run.resume(observer)?;
    let ended = run.steps(&mut *method, observer)?;
    let wants_best = settings.checkpoint == FinalCheckpoint::Best;
    let weights = match run.progress.best {
        // The others have no use for the model.
        Some(best) if wants_best && ended == Ended::Done && inputs.ranks.is_first() => {
            run.load_best(best)?
        }
        _ => run.progress.step,
    };
    Ok(Outcome {
        model: run.learner.into_model(),
        steps: run.progress.step,
        weights,
        target_log_prob,
        ended,
    })
}

/// Tokenizes the rows.
fn task<'a>(model: &LanguageModel, inputs: &Inputs<'a>) -> Result<Task<'a>, TrainError> {
    let settings = inputs.settings;
    let completions = if settings.algorithm.has_reward() {
        CompletionSource::Sampled {
            max_tokens: settings.sampling.max_completion_tokens,
        }
    } else {
        CompletionSource::Target
    };
    Task::new(
        model,
        inputs.rows,
        settings.max_prompt_tokens,
        completions,
        inputs.seed,
    )
}

/// A training in progress.
struct Run<'a> {
    settings: &'a TrainSettings,
    rows: &'a [Row],
    ranks: &'a Ranks,
    store: Store,
    identity: Digest,
    learner: Learner,
    progress: Progress,
    /// The step of the last checkpoint.
    saved: usize,
}

impl Run<'_> {
    /// Loads the newest checkpoint, if there is one.
    fn resume(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let device = self.learner.device();
        let found = if self.ranks.is_first() {
            let newest = self
                .store
                .newest(&self.identity, &device, &mut |note| observer.on_note(note))?;
            self.ranks
                .first_says(Some(newest.as_ref().map(|one| one.progress.step)))?;
            newest
        } else {
            let step: Option<usize> = self.ranks.first_says(None)?;
            let read = |step| self.store.of_step(step, &self.identity, &device);
            step.map(read).transpose()?
        };
        if let Some(checkpoint) = found {
            self.progress = checkpoint.progress;
            self.saved = checkpoint.progress.step;
            self.learner.restore(checkpoint.learner);
        }
        let Progress {
            step, evaluated, ..
        } = self.progress;
        observer
            .on_resume(step, evaluated)
            .map_err(|source| TrainError::Observe { step, source })
    }

    /// Takes all steps that are left, until the observer stops them.
    fn steps(
        &mut self,
        method: &mut dyn Method,
        observer: &mut dyn Observer,
    ) -> Result<Ended, TrainError> {
        loop {
            if !self.evaluate(observer)? {
                self.save(observer)?;
                return Ok(Ended::Stopped);
            }
            let is_last = self.progress.step >= self.settings.max_steps;
            if is_last || self.is_worth_saving() {
                self.save(observer)?;
            }
            if is_last {
                return Ok(Ended::Done);
            }
            let start = Instant::now();
            let context = self.context();
            let output = if self.ranks.any(observer.should_stop())? {
                None
            } else {
                let taken = method.step(&mut self.learner, context, &mut || observer.should_stop());
                // It has made no update, so that nothing is lost.
                if matches!(taken, Err(TrainError::Teacher { .. })) {
                    self.save(observer)?;
                }
                taken?
            };
            let Some(output) = output else {
                self.save(observer)?;
                return Ok(Ended::Stopped);
            };
            self.finish(output, context, start, observer)?;
            if self.learner.has_diverged() {
                return Err(TrainError::Diverged {
                    count: self.learner.skipped().in_a_row,
                    step: self.progress.step,
                });
            }
        }
    }

    fn context(&self) -> StepContext {
        let step = self.progress.step;
        StepContext {
            step,
            first_row: self.progress.rows,
            learning_rate: self
                .settings
                .learning_rate
                .at(step, self.settings.max_steps),
        }
    }

    /// Counts a step and reports it to the observer.
    fn finish(
        &mut self,
        output: StepOutput,
        context: StepContext,
        start: Instant,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        self.progress.step += 1;
        self.progress.rows += output.prompts;
        if output.updates.is_empty() {
            self.progress.empty_steps += 1;
        }
        let step = self.progress.step;
        let finished = FinishedStep {
            step,
            epoch: self.progress.rows as f64 / self.rows.len() as f64,
            learning_rate: context.learning_rate,
            skipped_updates: self.learner.skipped().total + self.progress.empty_steps,
            start,
            has_samples: self.settings.writes_samples(step),
            rows: self.rows,
        };
        finished
            .report(output, observer)
            .map_err(|source| TrainError::Observe { step, source })
    }

    fn is_worth_saving(&self) -> bool {
        let (step, every) = (self.progress.step, self.settings.save_every);
        let is_due = every > 0 && step.is_multiple_of(every);
        is_due || self.progress.best.is_some_and(|best| best.step == step)
    }

    /// Has the observer evaluate the model if that is due; returns false if it was stopped.
    ///
    /// If no later checkpoint is written, the evaluation is repeated on resume.
    fn evaluate(&mut self, observer: &mut dyn Observer) -> Result<bool, TrainError> {
        let step = self.progress.step;
        let is_due = self.settings.eval.is_due(step, self.settings.max_steps);
        if !is_due || self.progress.evaluated == step {
            return Ok(true);
        }
        let found = observer.evaluate(self.learner.model(), step)?;
        let passed = found.map(|found| found.passed);
        let Some(passed) = self
            .ranks
            .first_says(self.ranks.is_first().then_some(passed))?
        else {
            return Ok(false);
        };
        self.progress.evaluated = step;
        if self.progress.best.is_none_or(|best| passed > best.passed) {
            self.progress.best = Some(Best { step, passed });
        }
        Ok(true)
    }

    /// Loads the weights of the best evaluation, and returns their step.
    fn load_best(&mut self, best: Best) -> Result<usize, TrainError> {
        if best.step != self.progress.step {
            let device = self.learner.device();
            let checkpoint = self.store.of_step(best.step, &self.identity, &device)?;
            self.learner.set_trainable(checkpoint.learner.trainable);
        }
        Ok(best.step)
    }

    /// Writes a checkpoint, unless the one of this step is already written, or another rank writes it.
    fn save(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let step = self.progress.step;
        if step == self.saved || !self.ranks.is_first() {
            return Ok(());
        }
        observer
            .before_checkpoint()
            .map_err(|source| TrainError::Observe { step, source })?;
        self.store.save(&Checkpoint {
            identity: self.identity.clone(),
            progress: self.progress,
            learner: self.learner.snapshot(),
        })?;
        self.saved = step;
        Ok(())
    }
}
