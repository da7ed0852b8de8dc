//! The loop: steps, records, checkpoints.

use std::{path::Path, time::Instant};

use serde_json::json;

use crate::{digest::Digest, model::LanguageModel, reward::Scorer};

use super::{
    FinalCheckpoint, NonFiniteRecord, NonFiniteSample, Observer, Row, SampleRecord, StepRecord,
    Timing, TrainError, TrainSettings,
    algorithm::with_method,
    evaluation::Best,
    learner::{Learner, Update, optimizer::Named},
    rollout::collect::Judge,
    state::checkpoint::{Checkpoint, State, Store},
    step::{LeftOut, Method, Place, Taken},
    task::Task,
};

/// All that a training reads, save the model.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// What to do.
    pub settings: &'a TrainSettings,
    /// What to learn from.
    pub rows: &'a [Row],
    /// The seed of all random numbers.
    pub seed: u64,
    /// The folder of checkpoints: an interrupted training goes on from what lies there.
    pub checkpoints: &'a Path,
}

/// What became of a training.
#[derive(Debug)]
pub struct Outcome {
    /// The model as it is now.
    pub model: LanguageModel,
    /// Steps done, those before an interruption included.
    pub steps: usize,
    /// The step whose weights the model has.
    pub weights: usize,
    /// Whether there are more to do.
    pub ended: Ended,
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Done,
    /// It was told to stop; the same call goes on from here.
    Stopped,
}

/// Trains a model that has trainable parameters, going on from the newest checkpoint if there is one.
pub fn train(
    model: LanguageModel,
    inputs: &Inputs<'_>,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError> {
    let settings = inputs.settings;
    let scorer = Scorer::new(settings.reward, &settings.reward_settings);
    train_with(model, inputs, observer, &scorer)
}

/// [`train`] with rewards of the caller's choice.
pub(super) fn train_with(
    model: LanguageModel,
    inputs: &Inputs<'_>,
    observer: &mut dyn Observer,
    judge: &dyn Judge,
) -> Result<Outcome, TrainError> {
    let settings = inputs.settings;
    settings.check()?;
    let task = Task::new(&model, inputs.rows, settings, inputs.seed)?;
    if task.cut > 0 {
        observer.on_note(&format!(
            "{} of {} prompts were longer than fits and have lost their beginning",
            task.cut,
            inputs.rows.len()
        ));
    }
    let start = model.decoder.without_adapter();
    let identity = identity(inputs, &model.decoder.trainable());
    let learner = Learner::new(
        model,
        settings.optimizer.clone(),
        settings.micro_batch_tokens,
        settings.gradient_checkpointing,
        inputs.seed,
    );
    with_method(&task, settings, judge, start, |method| {
        let mut run = Run {
            settings,
            task: &task,
            store: Store::new(inputs.checkpoints, settings.keep_checkpoints),
            identity,
            learner,
            step: 0,
            rows: 0,
            saved: 0,
            evaluated: 0,
            best: None,
        };
        run.resume(observer)?;
        let ended = run.steps(method, observer)?;
        let wants_best = settings.checkpoint == FinalCheckpoint::Best;
        let weights = match run.best {
            Some(best) if wants_best && ended == Ended::Done => run.take_up(best)?,
            _ => run.step,
        };
        Ok(Outcome {
            model: run.learner.model,
            steps: run.step,
            weights,
            ended,
        })
    })
}

/// What a checkpoint must agree with: all that decides what a training computes.
fn identity(inputs: &Inputs<'_>, initial: &Named) -> Digest {
    // Neither checkpoints nor what is told of completions change anything that is computed.
    let settings = TrainSettings {
        save_every: 0,
        keep_checkpoints: 0,
        samples_every: 1,
        ..inputs.settings.clone()
    };
    let digests: Vec<(&String, Digest)> = initial
        .iter()
        .map(|(name, tensor)| (name, Digest::of_bytes(tensor.to_data().as_bytes())))
        .collect();
    Digest::of_json(&json!({
        "settings": settings,
        "rows": inputs.rows,
        "seed": inputs.seed,
        "initial": digests,
    }))
}

/// A training under way.
struct Run<'a> {
    settings: &'a TrainSettings,
    task: &'a Task<'a>,
    store: Store,
    identity: Digest,
    learner: Learner,
    /// Steps done.
    step: usize,
    /// Rows taken from the data.
    rows: usize,
    /// The step of the last checkpoint.
    saved: usize,
    /// The step of the last evaluation.
    evaluated: usize,
    best: Option<Best>,
}

impl Run<'_> {
    /// Takes up the newest checkpoint, if there is one.
    fn resume(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let device = self.learner.device();
        let found = self
            .store
            .newest(&self.identity, &device, &mut |note| observer.on_note(note))?;
        if let Some(Checkpoint {
            state,
            trainable,
            first,
            second,
        }) = found
        {
            self.step = state.step;
            self.saved = state.step;
            self.rows = state.rows;
            self.evaluated = state.evaluated;
            self.best = state.best;
            self.learner.skipped = state.skipped;
            self.learner.skipped_in_a_row = state.skipped_in_a_row;
            self.learner.optimizer.updates = state.updates;
            self.learner.optimizer.first = first;
            self.learner.optimizer.second = second;
            self.put(trainable);
        }
        observer
            .on_resume(self.step, self.evaluated)
            .map_err(|source| TrainError::Observe {
                step: self.step,
                source,
            })
    }

    fn steps(
        &mut self,
        method: &mut dyn Method,
        observer: &mut dyn Observer,
    ) -> Result<Ended, TrainError> {
        loop {
            if !self.evaluate(observer)? {
                self.save_if(true)?;
                return Ok(Ended::Stopped);
            }
            let is_last = self.step >= self.settings.max_steps;
            self.save_if(is_last || self.is_worth_saving())?;
            if is_last {
                return Ok(Ended::Done);
            }
            let clock = Instant::now();
            let rate = self
                .settings
                .learning_rate
                .at(self.step, self.settings.max_steps);
            let place = Place {
                step: self.step,
                row: self.rows,
                rate,
            };
            let taken = if observer.should_stop() {
                None
            } else {
                method.step(&mut self.learner, place, &mut || observer.should_stop())?
            };
            let Some(taken) = taken else {
                self.save_if(true)?;
                return Ok(Ended::Stopped);
            };
            self.step += 1;
            self.rows += taken.prompts;
            self.report(taken, rate, clock, observer)?;
            if self.learner.has_diverged() {
                return Err(TrainError::Diverged {
                    count: self.learner.skipped_in_a_row,
                    step: self.step,
                });
            }
        }
    }

    fn is_worth_saving(&self) -> bool {
        let every = self.settings.save_every;
        let is_due = every > 0 && self.step.is_multiple_of(every);
        is_due || self.best.is_some_and(|best| best.step == self.step)
    }

    /// Has the model measured if it is time; false if that was cut short.
    ///
    /// A checkpoint of this step follows it, or one of a later step, or none: what it has found comes
    /// again exactly if no checkpoint knows of it.
    fn evaluate(&mut self, observer: &mut dyn Observer) -> Result<bool, TrainError> {
        let step = self.step;
        let is_due = self.settings.eval.is_due(step, self.settings.max_steps);
        if !is_due || self.evaluated == step {
            return Ok(true);
        }
        let found = observer.evaluate(&self.learner.model, step);
        let Some(found) = found.map_err(|source| TrainError::Evaluate { step, source })? else {
            return Ok(false);
        };
        self.evaluated = step;
        let passed = found.passed;
        if self.best.is_none_or(|best| passed > best.passed) {
            self.best = Some(Best { step, passed });
        }
        Ok(true)
    }

    /// Takes up the weights of the best evaluation, and gives their step.
    fn take_up(&mut self, best: Best) -> Result<usize, TrainError> {
        if best.step != self.step {
            let device = self.learner.device();
            let checkpoint = self.store.of_step(best.step, &self.identity, &device)?;
            self.put(checkpoint.trainable);
        }
        Ok(best.step)
    }

    /// Replaces the trainable parameters.
    fn put(&mut self, mut trainable: Named) {
        let decoder = self.learner.model.decoder.clone();
        self.learner.model.decoder =
            decoder.map_trainable(|name, value| trainable.remove(name).unwrap_or(value));
    }

    /// Hands a step's records to the observer.
    fn report(
        &self,
        taken: Taken,
        learning_rate: f64,
        clock: Instant,
        observer: &mut dyn Observer,
    ) -> Result<(), TrainError> {
        let failed = |source| TrainError::Observe {
            step: self.step,
            source,
        };
        for note in &taken.notes {
            observer.on_note(note);
        }
        if self.settings.tells_samples(self.step) {
            for record in self.samples(&taken) {
                observer.on_sample(&record).map_err(failed)?;
            }
        }
        for left_out in &taken.left_out {
            observer
                .on_non_finite(&self.non_finite(left_out))
                .map_err(failed)?;
        }
        let made = taken.updates.iter().filter(|update| update.is_finite());
        let made: Vec<&Update> = made.collect();
        let mean = |value: fn(&Update) -> f64| {
            let sum: f64 = made.iter().map(|update| value(update)).sum();
            (!made.is_empty()).then(|| sum / made.len() as f64)
        };
        let seconds = clock.elapsed().as_secs_f64();
        let record = StepRecord {
            step: self.step,
            epoch: self.rows as f64 / self.task.rows.len() as f64,
            loss: mean(|update| update.loss),
            gradient_norm: mean(|update| update.gradient_norm),
            learning_rate,
            tokens: taken.tokens,
            skipped_updates: self.learner.skipped,
            rollout: taken.rollout,
            timing: Timing {
                seconds,
                tokens_per_second: taken.tokens as f64 / seconds,
                sampling_seconds: taken.sampling_seconds,
                reward_seconds: taken.reward_seconds,
                update_seconds: taken.update_seconds,
            },
        };
        observer.on_step(&record).map_err(failed)
    }

    fn samples(&self, taken: &Taken) -> impl Iterator<Item = SampleRecord> {
        let samples = taken.samples.iter().enumerate();
        samples.map(|(index, sample)| {
            let row = &self.task.rows[sample.row];
            SampleRecord {
                step: self.step,
                index,
                row: row.id.clone(),
                prompt: row.prompt.clone(),
                completion: sample.text.clone(),
                tokens: sample.sequence.completion.len(),
                is_truncated: sample.is_truncated,
                reward: sample.reward,
                advantage: sample.advantage,
            }
        })
    }

    fn non_finite(&self, left_out: &LeftOut) -> NonFiniteRecord {
        let finite = |value: f64| value.is_finite().then_some(value);
        let samples = left_out.samples.iter().map(|lesson| {
            let row = &self.task.rows[lesson.row];
            NonFiniteSample {
                row: row.id.clone(),
                prompt: row.prompt.clone(),
                completion: lesson.completion.clone(),
                reward: lesson.reward,
                advantage: lesson.advantage.and_then(finite),
            }
        });
        NonFiniteRecord {
            step: self.step,
            update: left_out.update,
            loss: finite(left_out.made.loss),
            gradient_norm: finite(left_out.made.gradient_norm),
            samples: samples.collect(),
        }
    }

    /// Writes a checkpoint if asked to, unless there is one of this step.
    fn save_if(&mut self, is_wanted: bool) -> Result<(), TrainError> {
        if !is_wanted || self.step == self.saved {
            return Ok(());
        }
        self.store.save(&Checkpoint {
            state: State {
                identity: self.identity.clone(),
                step: self.step,
                rows: self.rows,
                updates: self.learner.optimizer.updates,
                skipped: self.learner.skipped,
                skipped_in_a_row: self.learner.skipped_in_a_row,
                evaluated: self.evaluated,
                best: self.best,
            },
            trainable: self.learner.model.decoder.trainable(),
            first: self.learner.optimizer.first.clone(),
            second: self.learner.optimizer.second.clone(),
        })?;
        self.saved = self.step;
        Ok(())
    }
}
