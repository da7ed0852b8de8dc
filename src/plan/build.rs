//! From the points of the grid to jobs: the same work is one job, however many cells need it.

use std::{collections::BTreeMap, path::Path};

use crate::{
    data::NoteMix,
    digest::Digest,
    eval::EvalSettings,
    model::{AdapterKind, ModelSettings},
    spec::{Experiment, Settings},
    train::TrainSettings,
};

use super::{
    Cell, Content, Inputs, Job, JobId, Missing, Plan, PlanError, Start, Task, TrainEval, Work,
    baseline,
};

/// Makes the plan of an experiment.
pub(super) fn build(experiment: &Experiment, inputs: &dyn Inputs) -> Result<Plan, PlanError> {
    let mut builder = Builder::new(inputs);
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

/// The names of the jobs of a point with one seed: those of its model, and those of the untrained one.
pub(super) fn jobs_of_point(
    settings: &Settings,
    inputs: &dyn Inputs,
) -> Result<Vec<JobId>, PlanError> {
    let mut builder = Builder::new(inputs);
    let seed = 0;
    builder.cell(settings, &BTreeMap::new(), seed)?;
    builder.evals(settings, &Start::Base, seed)?;
    Ok(builder.jobs.into_iter().map(|job| job.id).collect())
}

/// Collects jobs; one is added after those that it needs.
struct Builder<'a> {
    inputs: &'a dyn Inputs,
    jobs: Vec<Job>,
    /// Where each job is in `jobs`.
    places: BTreeMap<JobId, usize>,
    missing: BTreeMap<String, Missing>,
    /// What the next job to be added lacks.
    lacking: Vec<Missing>,
}

/// Digests of the files of a job, by their path in the spec, and what was hashed for them.
#[derive(Default)]
struct Digests {
    digests: BTreeMap<String, Digest>,
    contents: BTreeMap<String, Content>,
}

impl<'a> Builder<'a> {
    fn new(inputs: &'a dyn Inputs) -> Self {
        Self {
            inputs,
            jobs: Vec::new(),
            places: BTreeMap::new(),
            missing: BTreeMap::new(),
            lacking: Vec::new(),
        }
    }

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
        let mut digests = Digests::default();
        let model_path = self.base(&settings.model, &mut digests)?;
        let data = self.inputs.data(&settings.data.train)?;
        let data = self.take("data.train", data, &mut digests);
        let prompt = self.inputs.file(&settings.data.prompts.migration)?;
        self.take("data.prompts.migration", prompt, &mut digests);
        for (role, path) in reward_files(train) {
            let input = self.inputs.file(Path::new(path))?;
            self.take(&role, input, &mut digests);
        }
        let algorithm = &train.algorithm;
        let teacher_path = match algorithm.teacher() {
            Some(teacher) if algorithm.remote_teacher().is_none() => {
                let role = format!("train.{}.teacher", algorithm.name());
                let teacher = self.inputs.model(&teacher)?;
                Some(self.take(&role, teacher, &mut digests))
            }
            // A server does not show its weights: its address and the model's name are in the identity.
            _ => None,
        };
        let evaluation = match eval {
            Some(eval) => Some(Box::new(TrainEval {
                eval: eval.clone(),
                data: self.benchmark(settings, eval, "train.eval.", &mut digests)?,
            })),
            None => None,
        };
        self.add(Work {
            model: settings.model.clone(),
            model_path,
            teacher_path,
            start,
            task: Task::Train {
                train: train.clone(),
                evaluation,
            },
            data,
            prompts: settings.data.prompts.clone(),
            notes: settings.data.notes.clone(),
            seed,
            backend: settings.run.backend,
            digests: digests.digests,
            contents: digests.contents,
        })
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
            digests.digests.insert(format!("{prefix}repairs"), digest);
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
        let mut digests = Digests::default();
        let model_path = self.base(&settings.model, &mut digests)?;
        let data = self.benchmark(settings, eval, "", &mut digests)?;
        let mut model = settings.model.clone();
        if *start == Start::Base {
            // Nothing is trained, so the adapter of the spec makes no other job.
            model.adapter.kind = AdapterKind::None;
        }
        self.add(Work {
            model,
            model_path,
            teacher_path: None,
            start: start.clone(),
            task: Task::Eval(eval.clone()),
            data,
            prompts: settings.data.prompts.clone(),
            notes: NoteMix::default(),
            seed,
            backend: settings.run.backend,
            digests: digests.digests,
            contents: digests.contents,
        })
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
        digests.digests.insert(role.to_owned(), input.digest);
        let content = input.content.map(|content| (role.to_owned(), content));
        digests.contents.extend(content);
        self.lacking.extend(input.missing);
        input.path
    }

    /// Adds the job of this work unless it is there; returns its name. Two jobs of one name would share a
    /// folder, and one of them the other's result.
    fn add(&mut self, work: Work) -> Result<JobId, PlanError> {
        let job = Job::new(work);
        let id = job.id.clone();
        for missing in self.lacking.drain(..) {
            let known = self.missing.entry(missing.name.clone()).or_insert(missing);
            if !known.needed_by.contains(&id) {
                known.needed_by.push(id.clone());
            }
        }
        match self.places.get(&id) {
            Some(place) if self.jobs[*place].identity == job.identity => {}
            Some(place) => {
                let jobs = [self.jobs[*place].what(), job.what()];
                return Err(PlanError::SameName { id, jobs });
            }
            None => {
                self.places.insert(id.clone(), self.jobs.len());
                self.jobs.push(job);
            }
        }
        Ok(id)
    }
}

/// The files that a reward of one's own reads, with the path of each in the spec.
fn reward_files(train: &TrainSettings) -> Vec<(String, &str)> {
    let Some(custom) = &train.reward_settings.custom else {
        return Vec::new();
    };
    // The spec has completed the paths of arguments that are files.
    let is_file = |(_, argument): &(usize, &String)| Path::new(argument).is_file();
    let arguments = custom.command.iter().enumerate().filter(is_file);
    let files = custom.files.iter().enumerate();
    arguments
        .map(|one| with_role("command", one))
        .chain(files.map(|one| with_role("files", one)))
        .collect()
}

fn with_role<'a>(name: &str, (index, path): (usize, &'a String)) -> (String, &'a str) {
    (format!("reward.custom.{name}.{index}"), path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::{Input, tests::fixture::job};

    /// No inputs: these tests add work that is made already.
    struct Nothing;

    impl Inputs for Nothing {
        fn model(&self, _: &str) -> Result<Input, PlanError> {
            unreachable!()
        }

        fn data(&self, _: &str) -> Result<Input, PlanError> {
            unreachable!()
        }

        fn file(&self, _: &std::path::Path) -> Result<Input, PlanError> {
            unreachable!()
        }

        fn reference(&self, _: &str) -> Result<Input, PlanError> {
            unreachable!()
        }
    }

    #[test]
    fn equal_work_is_one_job_and_other_work_of_its_name_an_error() {
        let mut builder = Builder::new(&Nothing);
        let work = job("eval-1", &[]).work;
        let id = builder.add(work.clone()).unwrap();
        assert_eq!(builder.add(work.clone()).unwrap(), id);
        assert_eq!(builder.jobs.len(), 1);

        // As if the first digits of two digests were the same, which takes some 80,000 jobs to find.
        builder.jobs[0].identity = json!({"seed": 7});
        let error = builder.add(work).unwrap_err().to_string();

        assert!(error.contains(&format!("`{id}`")), "{error}");
    }
}
