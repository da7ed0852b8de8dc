//! Taking steps of a training again, from its start or from a checkpoint.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{
    Elsewhere, Part, WorkerError,
    compared::{Tolerance, difference},
    replay,
};
use crate::{
    disk::JsonLines,
    model::LanguageModel,
    ranks::Ranks,
    results::{Finding, JobDir, TrainOutcome},
    seed::Stream,
    train::{
        Ended, EvaluationRecord, FinalCheckpoint, Inputs, NonFiniteRecord, Observer, SampleRecord,
        StepRecord, TargetLogProb, Teacher, TrainError, TrainSettings, checkpoint_folder,
        inspect_checkpoints, train,
    },
    worker::{
        reward_tools::Tools,
        train_job::{self, Loaded},
    },
};

/// Takes so many steps of a training again, from a random one of its checkpoints or from its start, and compares the
/// records of the steps, the samples, the checkpoint after them, and the model if the last step is among them.
pub fn replay_training(
    dir: &JobDir,
    from: &Elsewhere,
    steps: usize,
    scratch: &Path,
    stream: Stream,
) -> Vec<Finding> {
    replay(dir, from, scratch, stream, |part| again(part, steps))
}

fn again(part: &mut Part<'_>, steps: usize) -> Result<Vec<Finding>, WorkerError> {
    let (id, work) = (part.dir.id(), &part.job.work);
    let unchecked = |what: String| Ok(vec![Finding::unchecked(&id, what)]);
    let Some(settings) = work.as_train() else {
        return unchecked("it is no training".to_owned());
    };
    let outcome = part.dir.outcome();
    let Some(outcome) = outcome.as_ref().and_then(|outcome| outcome.as_train()) else {
        return unchecked("it is not done".to_owned());
    };
    if let Some(teacher) = settings.algorithm.remote_teacher() {
        // Nor is a server asked that somebody else has named, with a key of this machine.
        return unchecked(format!(
            "no step is replayed: its teacher `{}` is at `{}`, and what that server said then is not kept",
            teacher.model,
            teacher.address()
        ));
    }
    let mut last = settings.max_steps;
    if settings.checkpoint == FinalCheckpoint::Best && settings.eval.every > 0 {
        // The model is that of another step, which may be before the first one that is replayed.
        last = last.saturating_sub(1);
    }
    let found = inspect_checkpoints(&part.dir.checkpoints());
    let sound = found.iter().filter(|(_, problem)| problem.is_none());
    let mut starts: Vec<usize> = sound.map(|(step, _)| *step).collect();
    starts.push(0);
    starts.retain(|start| *start < last);
    starts.sort_unstable();
    let Some(start) = starts.get(part.stream.below(starts.len())).copied() else {
        return unchecked("it has no step that could be replayed".to_owned());
    };
    let end = start.saturating_add(steps.max(1)).min(last);
    if start > 0 {
        let from = checkpoint_folder(&part.dir.checkpoints(), start);
        let to = checkpoint_folder(&part.scratch.checkpoints(), start);
        copy_folder(&from, &to).map_err(|source| WorkerError::OpenFolder { path: to, source })?;
    }
    let steps = Steps { start, end };
    let observer = observer(part, steps)?;
    let compared = take(part, settings, observer, outcome)?;
    Ok(compared)
}

/// The steps after `start`, up to `end`.
#[derive(Clone, Copy, Debug)]
struct Steps {
    start: usize,
    end: usize,
}

fn observer(part: &Part<'_>, steps: Steps) -> Result<Replayed, WorkerError> {
    let records: Vec<StepRecord> = JsonLines::read(&part.dir.metrics())?;
    let samples: Vec<SampleRecord> = JsonLines::read(&part.dir.samples())?;
    let evaluations: Vec<EvaluationRecord> = JsonLines::read(&part.dir.evaluations())?;
    let within = |step: usize| step > steps.start && step <= steps.end;
    Ok(Replayed {
        steps,
        tolerance: Tolerance::of(part.job.work.backend),
        records: records
            .into_iter()
            .filter(|record| within(record.step))
            .map(|record| (record.step, record))
            .collect(),
        samples: samples
            .into_iter()
            .filter(|sample| within(sample.step))
            .map(|sample| ((sample.step, sample.index), sample))
            .collect(),
        evaluations: evaluations
            .into_iter()
            .map(|record| (record.step, record))
            .collect(),
        step: steps.start,
        begun: None,
        compared_steps: 0,
        compared_samples: 0,
        differences: Vec::new(),
        lacking: Vec::new(),
        lacking_samples: 0,
        reused: 0,
    })
}

fn take(
    part: &Part<'_>,
    settings: &TrainSettings,
    mut observer: Replayed,
    outcome: &TrainOutcome,
) -> Result<Vec<Finding>, WorkerError> {
    // How often it is written changes nothing that is computed; only the last state is of interest.
    let settings = TrainSettings {
        save_every: 0,
        ..settings.clone()
    };
    let work = &part.job.work;
    let Loaded {
        model,
        rows,
        teacher,
    } = train_job::start(work, &settings, part.dir, 0)?;
    let tools = Tools::start(&settings, 1)?;
    let inputs = Inputs {
        settings: &settings,
        rows: &rows,
        seed: work.seed,
        checkpoints: &part.scratch.checkpoints(),
        tools: tools.as_reward_tools(),
        // However many there were: their number changes no digit.
        ranks: &Ranks::alone(),
        teacher: teacher.as_ref().map(Teacher::Local),
    };
    let trained = train(model, &inputs, &mut observer)?;
    let steps = observer.steps;
    let mut findings = observer.findings(&part.dir.id());
    findings.extend(checkpoint(part, steps.end));
    let measured = [outcome.target_log_prob, trained.target_log_prob];
    findings.extend(targets(part, measured, observer.tolerance));
    if trained.ended == Ended::Done {
        let digest = train_job::save(&trained.model, work, &part.scratch.model())?;
        findings.push(if digest == outcome.model_digest {
            Finding::same(
                part.dir.id(),
                "the replayed model has the digest of the outcome",
            )
        } else if observer.tolerance == Tolerance::Bits {
            Finding::differs(
                part.dir.id(),
                "the replayed model has another digest than the outcome",
            )
        } else {
            Finding::unchecked(
                part.dir.id(),
                "the replayed model has other bits, as on a GPU it may",
            )
        });
    }
    Ok(findings)
}

/// The targets under the model before the first update, as they were measured and measured again.
fn targets(
    part: &Part<'_>,
    [recorded, found]: [Option<TargetLogProb>; 2],
    tolerance: Tolerance,
) -> Option<Finding> {
    recorded?;
    let id = part.dir.id();
    let what = "the log-probability of the targets, measured again,";
    Some(match difference(&recorded, &found, "", tolerance) {
        None => Finding::same(id, format!("{what} agrees {}", tolerance.in_words())),
        Some(difference) => Finding::differs(id, format!("{what} differs: {difference}")),
    })
}

/// The checkpoint after the replayed steps, if the training has kept one there.
fn checkpoint(part: &Part<'_>, step: usize) -> Option<Finding> {
    let recorded = checkpoint_folder(&part.dir.checkpoints(), step).join("manifest.json");
    let found = checkpoint_folder(&part.scratch.checkpoints(), step).join("manifest.json");
    let (recorded, found) = (fs::read(recorded).ok()?, fs::read(found).ok()?);
    let id = part.dir.id();
    if recorded == found {
        let what = format!("the checkpoint of step {step} is the same, bit for bit");
        return Some(Finding::same(id, what));
    }
    let what = format!("the replayed checkpoint of step {step} is another one");
    Some(if Tolerance::of(part.job.work.backend) == Tolerance::Bits {
        Finding::differs(id, what)
    } else {
        Finding::unchecked(id, what + ", as on a GPU it may be")
    })
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Compares what a training reports with what it has reported before.
struct Replayed {
    steps: Steps,
    tolerance: Tolerance,
    records: BTreeMap<usize, StepRecord>,
    samples: BTreeMap<(usize, usize), SampleRecord>,
    evaluations: BTreeMap<usize, EvaluationRecord>,
    /// The last step that was taken.
    step: usize,
    /// The step after which it has begun.
    begun: Option<usize>,
    compared_steps: usize,
    compared_samples: usize,
    differences: Vec<String>,
    lacking: Vec<usize>,
    lacking_samples: usize,
    /// Evaluations whose recorded result was taken.
    reused: usize,
}

impl Replayed {
    fn findings(&self, id: &crate::plan::JobId) -> Vec<Finding> {
        let Steps { start, end } = self.steps;
        let from = match start {
            0 => "its start".to_owned(),
            step => format!("the checkpoint of step {step}"),
        };
        let mut findings = Vec::new();
        if self.begun != Some(start) {
            let what = format!(
                "no step is replayed: {from} is of a training with other settings or data than this program reads"
            );
            return vec![Finding::unchecked(id, what)];
        }
        let mut differs = |what: String| findings.push(Finding::differs(id, what));
        for difference in self.differences.iter().take(3) {
            differs(difference.clone());
        }
        if self.step < end {
            differs(format!("the replay ended after step {}", self.step));
        }
        if self.differences.is_empty() && self.compared_steps > 0 {
            let mut what = format!(
                "steps {} to {end} again from {from}: {} steps and {} completions {}",
                start + 1,
                self.compared_steps,
                self.compared_samples,
                self.tolerance.in_words()
            );
            if self.tolerance != Tolerance::Bits {
                what += " (figures only; completions are not compared)";
            }
            findings.push(Finding::same(id, what));
        }
        for step in &self.lacking {
            let what = format!("`metrics.jsonl` has no step {step} to compare with");
            findings.push(Finding::unchecked(id, what));
        }
        if self.lacking_samples > 0 {
            let what = format!(
                "`samples.jsonl` lacks {} completions of the replayed steps",
                self.lacking_samples
            );
            findings.push(Finding::unchecked(id, what));
        }
        if self.reused > 0 {
            let what = format!(
                "{} evaluations within the replayed steps were not measured again",
                self.reused
            );
            findings.push(Finding::unchecked(id, what));
        }
        findings
    }
}

impl Observer for Replayed {
    fn on_resume(&mut self, step: usize, _: usize) -> io::Result<()> {
        self.begun = Some(step);
        self.step = step;
        Ok(())
    }

    fn evaluate(
        &mut self,
        _: &LanguageModel,
        step: usize,
    ) -> Result<Option<EvaluationRecord>, TrainError> {
        let recorded = self.evaluations.get(&step).cloned();
        self.reused += 1;
        recorded.map(Some).ok_or_else(|| TrainError::Evaluate {
            step,
            source: io::Error::other("`evaluations.jsonl` has no evaluation of this step"),
        })
    }

    fn on_step(&mut self, record: &StepRecord) -> io::Result<()> {
        self.step = record.step;
        let Some(recorded) = self.records.get(&record.step) else {
            self.lacking.push(record.step);
            return Ok(());
        };
        self.compared_steps += 1;
        let found = difference(recorded, record, "timing", self.tolerance);
        let step = record.step;
        self.differences
            .extend(found.map(|what| format!("step {step}, taken again: {what}")));
        Ok(())
    }

    fn on_sample(&mut self, sample: &SampleRecord) -> io::Result<()> {
        // Samples of a GPU part after the first token that it draws in another way.
        if self.tolerance != Tolerance::Bits {
            return Ok(());
        }
        let (step, index) = (sample.step, sample.index);
        let Some(recorded) = self.samples.get(&(step, index)) else {
            self.lacking_samples += 1;
            return Ok(());
        };
        self.compared_samples += 1;
        let found = difference(recorded, sample, "", self.tolerance);
        let what = |what| format!("completion {index} of step {step}, sampled again: {what}");
        self.differences.extend(found.map(what));
        Ok(())
    }

    fn on_non_finite(&mut self, _: &NonFiniteRecord) -> io::Result<()> {
        Ok(())
    }

    fn on_note(&mut self, text: &str) {
        tracing::info!("{text}");
    }

    fn should_stop(&self) -> bool {
        self.step >= self.steps.end
    }
}
