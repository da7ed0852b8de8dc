//! From the points of the grid to jobs: the same work is one job, however many cells need it.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    eval::EvalSettings,
    model::{AdapterKind, ModelSettings},
    spec::{Experiment, Settings},
    train::TrainSettings,
};

use super::{
    Cell, Inputs, Job, JobId, Missing, Plan, PlanError, Start, Task, TrainEval, Work, baseline,
};

/// Makes the plan of an experiment.
pub(super) fn build(experiment: &Experiment, inputs: &dyn Inputs) -> Result<Plan, PlanError> {
    let mut builder = Builder {
        inputs,
        jobs: Vec::new(),
        missing: BTreeMap::new(),
        lacking: Vec::new(),
    };
    let reference = experiment.table.reference.as_deref();
    let reference = reference.map(|name| inputs.reference(name)).transpose()?;
    let mut cells = Vec::new();
    let mut settings = Vec::new();
    for point in &experiment.points {
        for seed in &point.settings.run.seeds {
            cells.push(builder.cell(&point.settings, &point.values, *seed)?);
            settings.push(&point.settings);
        }
    }
    let baseline = experiment.table.baseline.as_ref();
    for index in baseline::wanted(baseline, &cells) {
        let cell = &mut cells[index];
        cell.baseline = builder.evals(settings[index], &Start::Base, cell.seed)?;
    }
    baseline::connect(baseline, &mut cells);
    Ok(Plan {
        experiment: experiment.name.clone(),
        description: experiment.description.clone(),
        axes: experiment.axes.clone(),
        table: experiment.table.clone(),
        reference,
        cells,
        jobs: builder.jobs,
        missing: builder.missing.into_values().collect(),
    })
}

/// Collects jobs; one is added after those that it needs.
struct Builder<'a> {
    inputs: &'a dyn Inputs,
    jobs: Vec<Job>,
    missing: BTreeMap<String, Missing>,
    /// What the next job to be added lacks.
    lacking: Vec<Missing>,
}

/// Digests of the files of a job, by their path in the spec.
type Digests = BTreeMap<String, Digest>;

impl Builder<'_> {
    fn cell(
        &mut self,
        settings: &Settings,
        values: &BTreeMap<String, serde_json::Value>,
        seed: u64,
    ) -> Result<Cell, PlanError> {
        let mut start = Start::Base;
        for (stage, eval) in settings.stages.iter().zip(&settings.stage_evals) {
            start = Start::Job(self.training(settings, (stage, eval.as_ref()), start, seed)?);
        }
        let train = match &start {
            Start::Base => None,
            Start::Job(id) => Some(id.clone()),
        };
        Ok(Cell {
            point: values.clone(),
            seed,
            model: settings.model.name().to_owned(),
            method: settings.method.clone(),
            reward: settings.reward(),
            train,
            evals: self.evals(settings, &start, seed)?,
            baseline: BTreeMap::new(),
            is_baseline: false,
        })
    }

    /// The evaluations of a model, by benchmark.
    fn evals(
        &mut self,
        settings: &Settings,
        start: &Start,
        seed: u64,
    ) -> Result<BTreeMap<String, JobId>, PlanError> {
        let mut evals = BTreeMap::new();
        for eval in &settings.evals {
            let id = self.evaluation(settings, eval, start, seed)?;
            evals.insert(eval.benchmark.clone(), id);
        }
        Ok(evals)
    }

    fn training(
        &mut self,
        settings: &Settings,
        (train, eval): (&TrainSettings, Option<&EvalSettings>),
        start: Start,
        seed: u64,
    ) -> Result<JobId, PlanError> {
        let mut digests = Digests::new();
        let model_path = self.base(&settings.model, &mut digests)?;
        let data = self.inputs.data(&settings.data.train)?;
        let data = self.take("data.train", data, &mut digests);
        let prompt = self.inputs.file(&settings.data.prompts.migration)?;
        self.take("data.prompts.migration", prompt, &mut digests);
        let evaluation = match eval {
            Some(eval) => Some(Box::new(TrainEval {
                eval: eval.clone(),
                data: self.benchmark(settings, eval, "train.eval.", &mut digests)?,
            })),
            None => None,
        };
        Ok(self.add(Work {
            model: settings.model.clone(),
            model_path,
            start,
            task: Task::Train {
                train: train.clone(),
                evaluation,
            },
            data,
            prompts: settings.data.prompts.clone(),
            seed,
            backend: settings.run.backend,
            digests,
        }))
    }

    /// The file of a benchmark; adds its digest and others that matter to `digests`.
    fn benchmark(
        &mut self,
        settings: &Settings,
        eval: &EvalSettings,
        prefix: &str,
        digests: &mut Digests,
    ) -> Result<std::path::PathBuf, PlanError> {
        let data = match settings.data.benchmarks.get(&eval.benchmark) {
            Some(path) => self.inputs.file(path)?,
            None => self.inputs.data(&eval.benchmark)?,
        };
        let data = self.take(&format!("{prefix}data"), data, digests);
        let prompts = &settings.data.prompts;
        let format = eval.descriptor()?.format;
        let prompt = self.inputs.file(prompts.of_tasks(format))?;
        self.take(&format!("{prefix}prompt"), prompt, digests);
        if let Some(digest) = eval.repairs.digest() {
            digests.insert(format!("{prefix}repairs"), digest);
        }
        Ok(data)
    }

    fn evaluation(
        &mut self,
        settings: &Settings,
        eval: &EvalSettings,
        start: &Start,
        seed: u64,
    ) -> Result<JobId, PlanError> {
        let mut digests = Digests::new();
        let model_path = self.base(&settings.model, &mut digests)?;
        let data = self.benchmark(settings, eval, "", &mut digests)?;
        let mut model = settings.model.clone();
        if *start == Start::Base {
            // Nothing is trained, so the adapter of the spec makes no other job.
            model.adapter.kind = AdapterKind::None;
        }
        Ok(self.add(Work {
            model,
            model_path,
            start: start.clone(),
            task: Task::Eval(eval.clone()),
            data,
            prompts: settings.data.prompts.clone(),
            seed,
            backend: settings.run.backend,
            digests,
        }))
    }

    /// The folder of the base model; a model from scratch or at an endpoint has none.
    fn base(
        &mut self,
        model: &ModelSettings,
        digests: &mut Digests,
    ) -> Result<Option<std::path::PathBuf>, PlanError> {
        if model.base == "scratch" {
            let tokenizer = self.inputs.file(&model.scratch.tokenizer)?;
            self.take("model.scratch.tokenizer", tokenizer, digests);
            return Ok(None);
        }
        if model.remote.is_some() {
            return Ok(None);
        }
        let base = self.inputs.model(&model.base)?;
        Ok(Some(self.take("model.base", base, digests)))
    }

    fn take(
        &mut self,
        role: &str,
        input: super::Input,
        digests: &mut Digests,
    ) -> std::path::PathBuf {
        digests.insert(role.to_owned(), input.digest);
        self.lacking.extend(input.missing);
        input.path
    }

    /// Adds the job of this work unless it is there; returns its name.
    fn add(&mut self, work: Work) -> JobId {
        let job = Job::new(work);
        let id = job.id.clone();
        for missing in self.lacking.drain(..) {
            let known = self.missing.entry(missing.name.clone()).or_insert(missing);
            if !known.needed_by.contains(&id) {
                known.needed_by.push(id.clone());
            }
        }
        if !self.jobs.iter().any(|job| job.id == id) {
            self.jobs.push(job);
        }
        id
    }
}
