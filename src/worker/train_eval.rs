//! Evaluating a model while it learns.

use std::{collections::BTreeMap, io};

use super::{
    StopFlag, WorkerError,
    measuring::{judge, start_pool, warn_of_failures},
};
use crate::{
    data::PromptTemplate,
    eval::{EvalError, EvalOutcome, Inputs, Observer, SampleRecord, benchmark::Benchmark, measure},
    model::LanguageModel,
    plan::{TrainEval, Work},
    ranks::Ranks,
    sandbox::Pool,
    seed,
    train::{EvaluationRecord, TrainError},
};

/// Evaluates the model of a training.
pub(super) struct Evaluation<'a> {
    planned: &'a TrainEval,
    benchmark: Box<dyn Benchmark>,
    template: PromptTemplate,
    pool: Pool,
    seed: u64,
    ranks: Ranks,
    stop: StopFlag,
}

impl<'a> Evaluation<'a> {
    /// Opens the benchmark and starts the sandbox, so that missing files are reported before the
    /// first step.
    pub(super) fn start(
        work: &Work,
        planned: &'a TrainEval,
        ranks: &Ranks,
        stop: StopFlag,
    ) -> Result<Self, WorkerError> {
        let eval = &planned.eval;
        let descriptor = eval.descriptor()?;
        Ok(Self {
            planned,
            benchmark: descriptor.open(&planned.data, &eval.options())?,
            template: PromptTemplate::load(work.prompts.of_tasks(descriptor.format))?,
            pool: start_pool(eval, ranks.count_here())?,
            // The same seed at every step, so that only the model differs. It is not the seed of
            // the final evaluation, or a checkpoint picked by luck would be scored on the same
            // luck.
            seed: seed::stream(work.seed, "evaluate in training", 0, 0).next_u64(),
            ranks: ranks.clone(),
            stop,
        })
    }

    /// What judges, for the provenance.
    pub(super) fn judge(&self) -> Result<BTreeMap<String, String>, WorkerError> {
        judge(&self.planned.eval, &self.pool)
    }

    /// The name of the benchmark.
    pub(super) fn name(&self) -> &str {
        &self.planned.eval.benchmark
    }

    /// Evaluates the model after `step` steps; returns `None` if it has to stop.
    pub(super) fn measure(
        &self,
        model: &LanguageModel,
        step: usize,
    ) -> Result<Option<EvaluationRecord>, TrainError> {
        let inputs = Inputs {
            settings: &self.planned.eval,
            template: &self.template,
            pool: &self.pool,
            seed: self.seed,
            ranks: &self.ranks,
        };
        let mut watch = Watch(&self.stop);
        let samples = match measure(model, &*self.benchmark, &inputs, Vec::new(), &mut watch) {
            Err(EvalError::Stopped) => return Ok(None),
            Err(EvalError::Ranks(error)) => return Err(error.into()),
            samples => samples.map_err(|error| TrainError::Evaluate {
                step,
                source: io::Error::other(error),
            })?,
        };
        let outcome = EvalOutcome::of_samples(&*self.benchmark, &samples);
        let passed = outcome.tasks.iter().flat_map(|task| &task.passed);
        let passed = passed.filter(|passed| **passed).count();
        Ok(Some(EvaluationRecord {
            step,
            pass_at_1: passed as f64 / samples.len().max(1) as f64,
            passed,
            counts: outcome.counts,
        }))
    }
}

/// Forwards the wish to stop, and warns about samples that could not be judged.
struct Watch<'a>(&'a StopFlag);

impl Observer for Watch<'_> {
    fn on_chunk(&mut self, samples: &[SampleRecord], _: usize) -> io::Result<()> {
        warn_of_failures(samples);
        Ok(())
    }

    fn should_stop(&self) -> bool {
        self.0.is_set()
    }
}
