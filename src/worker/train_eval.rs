//! Measuring a model while it learns.

use std::io;

use super::{
    Context, StopFlag, WorkerError,
    measuring::{start_pool, warn_of_failures},
};
use crate::{
    data::PromptTemplate,
    eval::{EvalError, EvalOutcome, Inputs, Observer, SampleRecord, benchmark::Benchmark, measure},
    model::LanguageModel,
    plan::{TrainEval, TrainWork},
    python::Pool,
    seed,
    train::EvaluationRecord,
};

/// All that it takes to measure the model of a training.
pub(super) struct Evaluation<'a> {
    told: &'a TrainEval,
    benchmark: Box<dyn Benchmark>,
    template: PromptTemplate,
    pool: Pool,
    seed: u64,
    stop: StopFlag,
}

impl<'a> Evaluation<'a> {
    /// Opens the benchmark and starts the judge: what is missing is known before the first step.
    pub(super) fn start(
        context: &mut Context<'_>,
        work: &TrainWork,
        told: &'a TrainEval,
    ) -> Result<Self, WorkerError> {
        let eval = &told.eval;
        let descriptor = eval.descriptor()?;
        Ok(Self {
            told,
            benchmark: descriptor.open(&told.data, &eval.options())?,
            template: PromptTemplate::load(work.prompts.of_tasks(descriptor.format))?,
            pool: start_pool(context, eval)?,
            // The same draws at every step, so that only the model differs; but not those of the job
            // that measures the trained model, where one that was chosen for its luck would have
            // it again.
            seed: seed::stream(work.seed, "evaluate in training", 0, 0).next_u64(),
            stop: context.stop.clone(),
        })
    }

    /// The benchmark's name.
    pub(super) fn name(&self) -> &str {
        &self.told.eval.benchmark
    }

    /// Measures the model that has taken `step` steps; none if it was told to stop.
    pub(super) fn measure(
        &self,
        model: &LanguageModel,
        step: usize,
    ) -> Result<Option<EvaluationRecord>, EvalError> {
        let inputs = Inputs {
            settings: &self.told.eval,
            template: &self.template,
            pool: &self.pool,
            seed: self.seed,
        };
        let mut watch = Watch(&self.stop);
        let samples = match measure(model, &*self.benchmark, &inputs, Vec::new(), &mut watch) {
            Err(EvalError::Stopped) => return Ok(None),
            samples => samples?,
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

/// Asks whether to stop, and says what could not be judged.
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
