//! Distillation from a teacher that says only how likely the drawn tokens were.

use std::{cell::Cell, io};

use burn::tensor::{Device, Tensor};

use crate::{
    model::{Decoder, LanguageModel, TokenBatch, to_f32},
    ranks::{Ranks, tests::on_ranks},
    train::{
        Algorithm, DistillEstimator, DistillSettings, Ended, Inputs, Outcome, RemoteTeacher,
        RewardTools, Teacher, TeacherQuestion, TrainError, TrainSettings, run::train_with,
    },
};

use super::{
    by_hand::{REWARD, close, distillation, log_probs, numbers, one_step, start, teacher},
    fixture::{Recorder, bits, rows, train_with_teacher, values},
};

/// A teacher elsewhere, in fact a model here, which reads each completion alone.
#[derive(Debug)]
struct Elsewhere {
    decoder: Decoder,
    rank: usize,
    /// How many times it was asked.
    asked: Cell<usize>,
    /// The question that it does not answer.
    silent_at: Option<usize>,
    /// What becomes of the log-probabilities of the second completion.
    spoiled: fn(&mut Vec<f32>),
    /// Whether the training has to stop instead.
    stops: bool,
}

impl Elsewhere {
    fn new(rank: usize) -> Self {
        Self {
            decoder: teacher(),
            rank,
            asked: Cell::new(0),
            silent_at: None,
            spoiled: |_| {},
            stops: false,
        }
    }
}

impl RemoteTeacher for Elsewhere {
    fn log_probs(&self, questions: &[TeacherQuestion<'_>]) -> io::Result<Option<Vec<Vec<f32>>>> {
        assert_eq!(self.rank, 0, "the first rank asks");
        self.asked.set(self.asked.get() + 1);
        if self.silent_at == Some(self.asked.get()) {
            return Err(io::Error::other("nobody is there"));
        }
        let one = |question: &TeacherQuestion<'_>| {
            let completion = [question.completion.to_vec()];
            let tokens = TokenBatch::new(&[question.prompt.to_vec()], &completion);
            let scores = self.decoder.log_probs(&tokens, 1.0, None).log_probs;
            scores.into_data().iter::<f32>().collect()
        };
        let mut said: Vec<Vec<f32>> = questions.iter().map(one).collect();
        (self.spoiled)(&mut said[1]);
        Ok((!self.stops).then_some(said))
    }
}

/// Distillation by the estimate, at the temperature at which a remote teacher answers.
fn sampled() -> TrainSettings {
    let distill = DistillSettings {
        teacher: "remote".to_owned(),
        estimator: DistillEstimator::Sampled,
        remote: None,
    };
    let mut settings = one_step(Algorithm::Distill(distill));
    settings.sampling.temperature = 1.0;
    settings
}

fn run(
    settings: &TrainSettings,
    teacher: Teacher<'_>,
    folder: &std::path::Path,
    ranks: &Ranks,
    recorder: &mut Recorder,
) -> Result<Outcome, TrainError> {
    let inputs = Inputs {
        settings,
        rows: &rows(),
        seed: 5,
        checkpoints: folder,
        tools: RewardTools::default(),
        ranks,
        teacher: Some(teacher),
    };
    train_with(start(), &inputs, recorder, &REWARD)
}

/// The weights and the recorder of a training in a folder of its own.
fn whole(settings: &TrainSettings, teacher: Teacher<'_>) -> (Vec<u32>, Recorder) {
    let (folder, mut recorder) = (tempfile::tempdir().unwrap(), Recorder::default());
    let outcome = run(
        settings,
        teacher,
        folder.path(),
        &Ranks::alone(),
        &mut recorder,
    );
    (weights(&outcome.unwrap()), recorder)
}

fn weights(outcome: &Outcome) -> Vec<u32> {
    bits(&outcome.model.decoder.trainable())
}

/// Why a step with a teacher elsewhere fails.
fn failure(settings: &TrainSettings, teacher: &Elsewhere) -> String {
    let (folder, mut recorder) = (tempfile::tempdir().unwrap(), Recorder::default());
    let teacher = Teacher::Remote(teacher);
    let ended = run(
        settings,
        teacher,
        folder.path(),
        &Ranks::alone(),
        &mut recorder,
    );
    let error = ended.unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

/// Oracle: the mean of `log π - log teacher` over the drawn tokens, and the gradient of the sum of
/// `k1 · log π` in one graph, in which k1 is a number.
#[test]
fn an_estimate_has_loss_and_gradient_of_its_formula() {
    let mut settings = sampled();
    // That of the helpers of the formula. Only a remote teacher has one of its own.
    settings.sampling.temperature = 0.9;
    let (student, teacher) = (start(), teacher());
    let (outcome, recorder) = train_with_teacher(
        &rows(),
        student.clone(),
        &settings,
        Some(Teacher::Local(&teacher)),
        &REWARD,
    );
    outcome.unwrap();
    let (mut sum, mut costs) = (0.0, Vec::new());
    let mut count = 0;
    for sample in &recorder.samples {
        let ours = log_probs(&student.decoder, sample);
        let theirs = numbers(log_probs(&teacher, sample));
        let k1 = numbers(ours.clone()).into_iter().zip(theirs);
        let k1: Vec<f64> = k1.map(|(ours, theirs)| ours - theirs).collect();
        sum += k1.iter().sum::<f64>();
        count += sample.tokens;
        let k1: Vec<f32> = k1.into_iter().map(to_f32).collect();
        let k1 = Tensor::<1>::from_floats(k1.as_slice(), &Device::flex()).unsqueeze::<2>();
        costs.push((ours * k1).sum());
    }
    let loss = Tensor::cat(costs, 0).sum() / count as f64;
    let gradients = student.decoder.gradients(&mut loss.backward());
    let squares = values(&gradients);
    let squares = squares.into_iter().map(|one| f64::from(one).powi(2));

    let mean = sum / count as f64;
    assert!(mean.abs() > 1e-3, "{mean}");
    let record = &recorder.records[0];
    close(record.loss.unwrap(), mean);
    close(record.gradient_norm.unwrap(), squares.sum::<f64>().sqrt());
    close(record.rollout.as_ref().unwrap().kl.unwrap(), mean);
}

/// Oracle: the divergence over the whole vocabulary, which the estimate does not compute.
#[test]
fn an_estimate_leads_to_the_teacher() {
    let divergence = |model: &LanguageModel| {
        let teacher = teacher();
        let teacher = Some(Teacher::Local(&teacher));
        let (_, recorder) =
            train_with_teacher(&rows(), model.clone(), &distillation(), teacher, &REWARD);
        recorder.records[0].loss.unwrap()
    };
    let mut settings = TrainSettings {
        max_steps: 60,
        ..sampled()
    };
    settings.learning_rate.peak = 0.01;
    let (student, elsewhere) = (start(), Elsewhere::new(0));
    let teacher = Some(Teacher::Remote(&elsewhere));
    let (outcome, _) = train_with_teacher(&rows(), student.clone(), &settings, teacher, &REWARD);

    let (before, after) = (divergence(&student), divergence(&outcome.unwrap().model));

    assert!(after < before / 2.0, "{before} {after}");
}

/// Oracle: the same model on this machine, to the last bit.
#[test]
fn a_teacher_elsewhere_teaches_as_one_here() {
    let settings = TrainSettings {
        max_steps: 4,
        ..sampled()
    };
    let (here, elsewhere) = (teacher(), Elsewhere::new(0));

    let local = whole(&settings, Teacher::Local(&here));
    let remote = whole(&settings, Teacher::Remote(&elsewhere));

    assert_eq!(elsewhere.asked.get(), 4);
    assert_eq!(remote.0, local.0);
    assert_eq!(remote.1.records, local.1.records);
    assert_eq!(remote.1.samples, local.1.samples);
    assert_ne!(local.0, bits(&start().decoder.trainable()));

    // The first rank alone asks, and the others have its answers.
    let folder = tempfile::tempdir().unwrap();
    let ranks = on_ranks(3, |ranks| {
        let elsewhere = Elsewhere::new(ranks.rank());
        let teacher = Teacher::Remote(&elsewhere);
        let ended = run(
            &settings,
            teacher,
            folder.path(),
            &ranks,
            &mut Recorder::default(),
        );
        (weights(&ended.unwrap()), elsewhere.asked.get())
    });
    let asked: Vec<usize> = ranks.iter().map(|rank| rank.1).collect();
    assert_eq!(asked, [4, 0, 0]);
    assert!(ranks.iter().all(|rank| rank.0 == local.0));
}

/// Oracle: the training whose teacher always answers.
#[test]
fn a_teacher_that_falls_silent_costs_no_step() {
    let settings = TrainSettings {
        max_steps: 4,
        save_every: 0,
        ..sampled()
    };
    let expected = whole(&settings, Teacher::Remote(&Elsewhere::new(0)));
    let (folder, mut recorder) = (tempfile::tempdir().unwrap(), Recorder::default());
    let mut attempt = |teacher: &Elsewhere| {
        let teacher = Teacher::Remote(teacher);
        let alone = Ranks::alone();
        let ended = run(&settings, teacher, folder.path(), &alone, &mut recorder);
        (ended, recorder.resumed.clone())
    };

    let silent = Elsewhere {
        silent_at: Some(3),
        ..Elsewhere::new(0)
    };
    let (ended, _) = attempt(&silent);
    let error = ended.unwrap_err();
    assert!(
        matches!(error, TrainError::Teacher { step: 3, .. }),
        "{error}"
    );
    let stopping = Elsewhere {
        stops: true,
        ..Elsewhere::new(0)
    };
    let (ended, _) = attempt(&stopping);
    assert_eq!(ended.unwrap().ended, Ended::Stopped);
    let (ended, resumed) = attempt(&Elsewhere::new(0));

    assert_eq!(resumed, [0, 2, 2]);
    assert_eq!(weights(&ended.unwrap()), expected.0);
    assert_eq!(recorder.records, expected.1.records);
}

#[test]
fn what_a_teacher_must_not_say_is_an_error_with_its_row() {
    let spoiled = |spoiled: fn(&mut Vec<f32>)| {
        let teacher = Elsewhere {
            spoiled,
            ..Elsewhere::new(0)
        };
        failure(&sampled(), &teacher)
    };

    let short = spoiled(Vec::clear);
    assert!(
        short.contains("completions of step 1") && short.contains(": row "),
        "{short}"
    );
    assert!(
        short.contains("gives `0` log-probabilities for a completion of"),
        "{short}"
    );
    let odd = spoiled(|said| said[0] = f32::NAN);
    assert!(odd.contains("gives the log-probability `NaN`"), "{odd}");
}

#[test]
fn a_teacher_elsewhere_needs_an_estimate_at_its_temperature() {
    let mut warm = sampled();
    warm.sampling.temperature = 0.9;
    let mut exact = distillation();
    exact.sampling.temperature = 1.0;
    let elsewhere = Elsewhere::new(0);

    assert!(failure(&warm, &elsewhere).contains("set `sampling.temperature` to `1.0`"));
    assert!(failure(&exact, &elsewhere).contains("set `estimator` to `sampled`"));
    assert_eq!(elsewhere.asked.get(), 0);
}
