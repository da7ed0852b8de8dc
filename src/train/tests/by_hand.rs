//! Several updates a rollout, preferences and distillation against the plain formulas.
//!
//! The oracle of each test is a sum over log-probabilities of single completions, which the model gives
//! one at a time, or the graph of such a sum.

use burn::tensor::{Device, Tensor, activation::log_sigmoid};

use crate::{
    model::{AdapterKind, Decoder, LanguageModel, TokenBatch},
    train::{
        Algorithm, DistillEstimator, DistillSettings, DpoSettings, GrpoSettings, SampleRecord,
        Schedule, StepRecord, Teacher, TrainSettings,
    },
};

use super::fixture::{
    ByText, grpo, model, rows, settings, train_on, train_two_rows, train_with_teacher, values,
};

/// The temperature of the settings.
const TEMPERATURE: f64 = 0.9;

/// A reward that differs within most groups.
pub(super) const REWARD: ByText = ByText(|text| (text.len() % 3) as f64);

/// One step at a constant rate.
pub(super) fn one_step(algorithm: Algorithm) -> TrainSettings {
    let mut settings = TrainSettings {
        max_steps: 1,
        ..settings(algorithm)
    };
    settings.learning_rate.schedule = Schedule::Constant;
    settings
}

pub(super) fn start() -> LanguageModel {
    model(AdapterKind::None, 0.0)
}

/// The tokens of a prompt and of a completion: `w7` is the token 7, and 0 ends a completion.
fn tokens(sample: &SampleRecord) -> (Vec<u32>, Vec<u32>) {
    let words = |text: &str| -> Vec<u32> {
        let words = text.split_whitespace();
        words
            .map(|word| word.trim_start_matches('w').parse().unwrap())
            .collect()
    };
    let mut completion = words(&sample.completion);
    if completion.len() < sample.tokens {
        completion.push(0);
    }
    assert_eq!(completion.len(), sample.tokens);
    (words(&sample.prompt), completion)
}

/// The log-probability of each token of a completion alone, `[1, tokens]`.
pub(super) fn log_probs(decoder: &Decoder, sample: &SampleRecord) -> Tensor<2> {
    let (prompt, completion) = tokens(sample);
    let batch = TokenBatch::new(&[prompt], &[completion]);
    decoder.log_probs(&batch, TEMPERATURE, None).log_probs
}

pub(super) fn numbers(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

pub(super) fn close(found: f64, expected: f64) {
    // 5e-5: 32 bits, sums of some sixty log-probabilities.
    let tolerance = 5e-5 * expected.abs().max(1.0);
    assert!((found - expected).abs() < tolerance, "{found} {expected}");
}

/// GRPO with so many updates a rollout, at a rate at which the clip acts in the second.
fn grpo_of(updates_per_rollout: usize) -> TrainSettings {
    let Algorithm::Grpo(grpo) = grpo(0.0) else {
        panic!("it is GRPO")
    };
    let mut settings = one_step(Algorithm::Grpo(GrpoSettings {
        updates_per_rollout,
        ..grpo
    }));
    settings.learning_rate.peak = 0.05;
    settings
}

#[test]
fn the_second_update_of_a_rollout_has_the_clipped_loss_of_the_formula() {
    let before = start();
    let (after, first) = train_two_rows(before.clone(), &grpo_of(1), &REWARD);
    let (_, both) = train_two_rows(before.clone(), &grpo_of(2), &REWARD);
    // The rollout is the same.
    assert_eq!(first.samples, both.samples);
    let (old, new) = (
        before.decoder.frozen(),
        after.unwrap().model.decoder.frozen(),
    );

    let mut clipped = 0;
    let losses = both.samples.iter().map(|sample| {
        let advantage = sample.advantage.unwrap();
        let (old, new) = (
            numbers(log_probs(&old, sample)),
            numbers(log_probs(&new, sample)),
        );
        let gains = new.iter().zip(&old).map(|(new, old)| {
            let ratio = (new - old).exp();
            let bounded = ratio.clamp(0.8, 1.2) * advantage;
            clipped += usize::from(bounded < ratio * advantage);
            bounded.min(ratio * advantage)
        });
        let gains: Vec<f64> = gains.collect();
        -gains.iter().sum::<f64>() / gains.len() as f64
    });
    let losses: Vec<f64> = losses.collect();
    let second = losses.iter().sum::<f64>() / losses.len() as f64;

    // A record has the mean of the losses of a step.
    let mean = f64::midpoint(first.records[0].loss.unwrap(), second);
    assert!(clipped > 0, "the clip is part of the test");
    close(both.records[0].loss.unwrap(), mean);
}

fn dpo_of(updates_per_rollout: usize) -> TrainSettings {
    one_step(Algorithm::Dpo(DpoSettings {
        beta: 0.5,
        updates_per_rollout,
    }))
}

/// Loss and gradient norm of pairs by the formula, in one graph: the mean of `-log σ(β m)`.
fn dpo_by_formula(policy: &Decoder, reference: &Decoder, pairs: &[[&SampleRecord; 2]]) -> [f64; 2] {
    let change = |sample: &SampleRecord| {
        let start: f64 = numbers(log_probs(reference, sample)).iter().sum();
        log_probs(policy, sample).sum() - start
    };
    let losses = pairs.iter().map(|[better, worse]| {
        let margin = (change(better) - change(worse)) * 0.5;
        log_sigmoid(margin).neg()
    });
    let loss = Tensor::cat(losses.collect(), 0).mean();
    let gradients = policy.gradients(&mut loss.backward());
    let squares = values(&gradients)
        .into_iter()
        .map(|one| f64::from(one).powi(2));
    let loss = loss.into_data().iter::<f64>().next().unwrap();
    [loss, squares.sum::<f64>().sqrt()]
}

#[test]
fn preferences_have_loss_and_gradient_of_their_formula() {
    let before = start();
    let (after, first) = train_on(&rows(), before.clone(), &dpo_of(1), &REWARD);
    let (_, both) = train_on(&rows(), before.clone(), &dpo_of(2), &REWARD);
    assert_eq!(first.samples, both.samples);
    let after = after.unwrap().model.decoder;
    let reference = before.decoder.frozen();
    let pairs: Vec<[&SampleRecord; 2]> = both
        .samples
        .chunks(4)
        .filter_map(|group| {
            let of = |sign: f64| group.iter().find(|one| one.advantage == Some(sign));
            Some([of(1.0)?, of(-1.0)?])
        })
        .collect();
    assert!(pairs.len() > 1);
    for [better, worse] in &pairs {
        assert!(better.reward.total > worse.reward.total);
    }
    let kept = both.samples.iter().filter(|one| one.advantage.is_some());
    assert_eq!(kept.count(), 2 * pairs.len());

    let of = |policy| dpo_by_formula(policy, &reference, &pairs);
    let (one, two) = (of(&before.decoder), of(&after));

    // At the start the policy is the reference: each pair has a margin of 0.
    close(one[0], 2.0_f64.ln());
    let found = |record: &StepRecord| [record.loss.unwrap(), record.gradient_norm.unwrap()];
    for (which, found) in found(&first.records[0]).into_iter().enumerate() {
        close(found, one[which]);
    }
    for (which, found) in found(&both.records[0]).into_iter().enumerate() {
        close(found, f64::midpoint(one[which], two[which]));
    }
}

#[test]
fn a_step_without_pairs_makes_no_update() {
    let before = start();
    let weights = values(&before.decoder.trainable());
    let (outcome, recorder) = train_two_rows(before, &dpo_of(1), &ByText(|_| 1.0));
    assert_eq!(values(&outcome.unwrap().model.decoder.trainable()), weights);
    assert_eq!(recorder.records[0].loss, None);
    assert_eq!(recorder.notes.len(), 1, "{:?}", recorder.notes);
}

pub(super) fn distillation() -> TrainSettings {
    one_step(Algorithm::Distill(DistillSettings {
        teacher: String::new(),
        estimator: DistillEstimator::Exact,
        remote: None,
    }))
}

/// The logarithm of the probability of every token after some tokens.
fn distribution(decoder: &Decoder, before: &[u32]) -> Vec<f64> {
    let words = 0..13;
    let next = |token: u32| {
        let batch = TokenBatch::new(&[before.to_vec()], &[vec![token]]);
        numbers(decoder.log_probs(&batch, TEMPERATURE, None).log_probs)[0]
    };
    words.map(next).collect()
}

/// Another model, which prefers other words.
pub(super) fn teacher() -> Decoder {
    let moved = start().decoder.map_trainable(|_, value| {
        let shape = value.dims();
        let count = shape[0] * shape[1];
        let wave = (0..count).map(|place| ((place * 7 % 13) as f32 - 6.0) * 0.02);
        let wave: Vec<f32> = wave.collect();
        let wave = Tensor::<1>::from_floats(wave.as_slice(), &Device::flex());
        value + wave.reshape(shape)
    });
    moved.frozen()
}

#[test]
fn distillation_has_the_mean_divergence_of_the_tokens_that_were_drawn() {
    let (student, teacher) = (start(), teacher());
    let (outcome, recorder) = train_with_teacher(
        &rows(),
        student.clone(),
        &distillation(),
        Some(Teacher::Local(&teacher)),
        &REWARD,
    );
    outcome.unwrap();
    let student = student.decoder.frozen();
    let (mut sum, mut count) = (0.0, 0);
    for sample in &recorder.samples {
        let (mut before, completion) = tokens(sample);
        for token in completion {
            let ours = distribution(&student, &before);
            let theirs = distribution(&teacher, &before);
            let terms = ours.iter().zip(&theirs);
            sum += terms.map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
            count += 1;
            before.push(token);
        }
    }
    let mean = sum / f64::from(count);
    assert!(mean > 1e-3, "{mean}");
    close(recorder.records[0].loss.unwrap(), mean);
    let rollout = recorder.records[0].rollout.as_ref().unwrap();
    close(rollout.kl.unwrap(), mean);
    // What is rewarded is measured.
    assert!(rollout.reward_spread > 0.0);
}

#[test]
fn distillation_ends_at_the_teacher_and_stays_there() {
    let teacher = teacher();
    let mut settings = TrainSettings {
        max_steps: 60,
        ..distillation()
    };
    settings.learning_rate.peak = 0.01;
    let (_, recorder) = train_with_teacher(
        &rows(),
        start(),
        &settings,
        Some(Teacher::Local(&teacher)),
        &REWARD,
    );
    let losses: Vec<f64> = recorder
        .records
        .iter()
        .map(|one| one.loss.unwrap())
        .collect();
    assert!(
        losses[59] < losses[0] / 10.0,
        "{} {}",
        losses[0],
        losses[59]
    );

    // A model is at no distance from itself, and has no gradient there.
    let student = start();
    let same = student.decoder.frozen();
    let (_, recorder) = train_with_teacher(
        &rows(),
        student,
        &distillation(),
        Some(Teacher::Local(&same)),
        &REWARD,
    );
    close(recorder.records[0].loss.unwrap(), 0.0);
    close(recorder.records[0].gradient_norm.unwrap(), 0.0);

    let (lacking, _) = train_with_teacher(&rows(), start(), &settings, None, &REWARD);
    let error = lacking.unwrap_err().to_string();
    assert_eq!(error, "cannot train: `distill` needs a teacher");
}

#[test]
fn an_entropy_bonus_keeps_the_policy_unsure() {
    let entropy = |entropy_bonus: f64| {
        let Algorithm::Grpo(grpo) = grpo(0.0) else {
            panic!("it is GRPO")
        };
        let mut settings = TrainSettings {
            max_steps: 30,
            ..settings(Algorithm::Grpo(GrpoSettings {
                entropy_bonus,
                ..grpo
            }))
        };
        settings.learning_rate.peak = 0.02;
        let reward = ByText(|text| if text.contains("w5") { 1.0 } else { 0.0 });
        let (_, recorder) = train_two_rows(start(), &settings, &reward);
        let rollout = recorder.records[29].rollout.clone().unwrap();
        let loss = recorder.records[0].loss.unwrap();
        (loss, rollout.entropy.unwrap(), recorder.samples)
    };
    let (plain, sure, samples) = entropy(0.0);
    let (with, unsure, _) = entropy(1.0);
    assert!(unsure > sure + 0.3, "{sure} {unsure}");

    // The first loss is less by the mean over completions of the mean entropy of a token.
    let start = start().decoder.frozen();
    let first = samples.iter().filter(|sample| sample.step == 1);
    let means: Vec<f64> = first
        .map(|sample| {
            let (mut before, completion) = tokens(sample);
            let mut sum = 0.0;
            for token in &completion {
                let words = distribution(&start, &before);
                sum -= words.iter().map(|p| p.exp() * p).sum::<f64>();
                before.push(*token);
            }
            sum / completion.len() as f64
        })
        .collect();
    close(plain - with, means.iter().sum::<f64>() / means.len() as f64);
}
