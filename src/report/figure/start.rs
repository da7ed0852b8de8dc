//! The score before a training: the point of step 0 in the figure of its evaluations.
//!
//! A training evaluates its model after some steps, and never before the first. If the plan measures the
//! base model on the same benchmark with the same settings, the same tasks of that evaluation are step 0.
//! Its completions are other random ones than those of the evaluations during training.

use serde_json::{Value as Json, json};

use crate::{
    plan::{Job, Plan, Start, Task, TrainEval},
    results::Store,
};

/// A line as in `evaluations.jsonl` for step 0 of a training, if the plan has measured it.
pub(super) fn before_training(plan: &Plan, store: &Store, training: &Job) -> Option<Json> {
    let Task::Train {
        evaluation: Some(evaluation),
        ..
    } = &training.work.task
    else {
        return None;
    };
    let job = plan
        .jobs
        .iter()
        .find(|job| measures_the_start(job, training, evaluation))?;
    let outcome = store.job_dir(&job.id).outcome_of(job).ok()??;
    let tasks = &outcome.as_eval()?.tasks;
    let limit = match evaluation.eval.limit {
        0 => tasks.len(),
        limit => limit,
    };
    let tasks = tasks.get(..limit)?;
    let samples = evaluation.eval.samples;
    let passed: Vec<&[bool]> = tasks
        .iter()
        .map(|task| task.passed.get(..samples))
        .collect::<Option<_>>()?;
    let all = passed.iter().map(|samples| samples.len()).sum::<usize>();
    let passed = passed.iter().copied().flatten().filter(|passed| **passed);
    (all > 0).then(|| json!({ "step": 0, "pass@1": passed.count() as f64 / all as f64 }))
}

/// Whether a job measures the model that a training starts from, as the training measures it later.
fn measures_the_start(job: &Job, training: &Job, evaluation: &TrainEval) -> bool {
    let Task::Eval(eval) = &job.work.task else {
        return false;
    };
    let (work, trained, wanted) = (&job.work, &training.work, &evaluation.eval);
    let mut model = trained.model.clone();
    // An untrained model has no adapter.
    model.adapter.clone_from(&work.model.adapter);
    let digest = |role: &str, of: &str| work.digests.get(role) == trained.digests.get(of);
    work.start == Start::Base
        && trained.start == Start::Base
        && work.model == model
        && work.seed == trained.seed
        && work.backend == trained.backend
        && digest("model.base", "model.base")
        && digest("data", "train.eval.data")
        && digest("prompt", "train.eval.prompt")
        && digest("repairs", "train.eval.repairs")
        && eval.benchmark == wanted.benchmark
        && eval.sampling == wanted.sampling
        && eval.max_prompt_tokens == wanted.max_prompt_tokens
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        digest::Digest,
        eval::{EvalOutcome, TaskOutcome},
        plan::tests::fixture::plan_of,
        results::Outcome,
    };

    const SPEC: &str = "name = \"x\"\n[model]\nbase = \"a\"\n[data]\ntrain = \"t\"\n\
                        [train]\neval = { every = 5, benchmark = \"humaneval\", limit = 2, samples = 1 }\n\
                        [eval]\nbenchmarks = [\"humaneval\"]\nsamples = { humaneval = 2 }\n\
                        [table]\nbaseline = { method = \"untrained\" }\n";

    fn task(id: &str, passed: [bool; 2]) -> TaskOutcome {
        TaskOutcome {
            task_id: id.into(),
            group: None,
            kind: None,
            passed: passed.to_vec(),
            verdicts: Vec::new(),
            measures: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn step_0_is_the_base_model_on_the_tasks_of_the_training() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let plan = plan_of(SPEC);
        let is_base = |job: &&Job| job.work.as_train().is_none() && job.after.is_empty();
        let base = plan.jobs.iter().find(is_base).unwrap();
        let training = plan
            .jobs
            .iter()
            .find(|job| job.work.as_train().is_some())
            .unwrap();
        assert_eq!(before_training(&plan, &store, training), None);

        let dir = store.job_dir(&base.id);
        dir.prepare(base).unwrap();
        let outcome = EvalOutcome {
            benchmark: "humaneval".into(),
            tasks: vec![
                task("a", [true, false]),
                task("b", [false, true]),
                task("c", [true, true]),
            ],
            metrics: BTreeMap::new(),
            counts: BTreeMap::new(),
            samples_digest: Digest::of_bytes(b""),
            warnings: Vec::new(),
        };
        dir.write_outcome(&Outcome::Eval(outcome)).unwrap();

        // By hand: of the first samples of the first two tasks one passes.
        let line = before_training(&plan, &store, training).unwrap();
        assert_eq!(line, json!({"step": 0, "pass@1": 0.5}));
        let other = plan_of(&SPEC.replace("[eval]", "[eval]\nsampling = { temperature = 0.5 }"));
        let other = other
            .jobs
            .iter()
            .find(|job| job.work.as_train().is_some())
            .unwrap();
        assert_eq!(before_training(&plan, &store, other), None);
    }
}
