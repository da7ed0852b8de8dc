//! Training moves a model the way it should.

use burn::tensor::Tensor;

use crate::{
    model::{AdapterKind, LanguageModel, TokenBatch},
    train::{
        Aggregation, Algorithm, Inputs, Outcome, SftSettings, TrainError, TrainSettings,
        learner::{Learner, Moment, Piece, Sequence, narrow, rectangle},
        loss::{ClipRange, Surrogate, sequence_weights},
        order::{RowOrder, rows_at},
        rollout::{advantage::mean, collect::Judge},
        run::train_with,
    },
};

use super::fixture::{ByText, Recorder, cispo, dapo, grpo, gspo, model, rows, settings, values};

const MOMENT: Moment = Moment {
    step: 0,
    update: 0,
    rate: 0.01,
    temperature: 0.9,
};

fn run(
    model: LanguageModel,
    settings: &TrainSettings,
    judge: &dyn Judge,
) -> (Result<Outcome, TrainError>, Recorder) {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows();
    let inputs = Inputs {
        settings,
        rows: &rows[..2],
        seed: 5,
        checkpoints: folder.path(),
    };
    let mut recorder = Recorder::default();
    (train_with(model, &inputs, &mut recorder, judge), recorder)
}

const NO_REWARD: ByText = ByText(|_| 0.0);

fn sft(prompt_weight: f64) -> Algorithm {
    Algorithm::Sft(SftSettings {
        prompt_weight,
        order: RowOrder::Shuffled,
    })
}

fn learner(adapter: AdapterKind, most_tokens: usize) -> Learner {
    let settings = settings(grpo(0.0));
    Learner::new(
        model(adapter, 0.0),
        settings.optimizer,
        most_tokens,
        false,
        5,
    )
}

/// Four completions of different lengths.
fn sequences() -> Vec<Sequence> {
    let sequence = |prompt: &[u32], completion: &[u32]| Sequence {
        prompt: prompt.to_vec(),
        completion: completion.to_vec(),
    };
    vec![
        sequence(&[1, 2, 3], &[4, 0]),
        sequence(&[4], &[5, 6, 7, 8, 0]),
        sequence(&[9, 9], &[1, 0]),
        sequence(&[3, 1], &[2, 2, 0]),
    ]
}

#[test]
fn sft_learns_two_rows_by_heart() {
    let settings = TrainSettings {
        max_steps: 120,
        batch_size: 2,
        ..settings(sft(0.0))
    };

    let (outcome, recorder) = run(model(AdapterKind::None, 0.0), &settings, &NO_REWARD);

    outcome.unwrap();
    let first = recorder.records[0].loss.unwrap();
    let last = recorder.records[119].loss.unwrap();
    // 13 words: an untrained model is near ln 13 = 2.56.
    assert!(first > 2.0, "{first}");
    assert!(last < 0.02, "{last}");
    // Two rows: 2 + 3 and 1 + 2 tokens, with the one that ends each.
    assert_eq!(recorder.records[0].tokens, 8);
    assert!((recorder.records[119].epoch - 120.0).abs() < 1e-12);
    assert!(recorder.records[0].rollout.is_none());
}

#[test]
fn sft_is_the_mean_over_the_tokens_of_the_completions() {
    // Oracle: log-probabilities of each row alone, summed by hand.
    let model = model(AdapterKind::None, 0.0);
    let settings = TrainSettings {
        max_steps: 1,
        batch_size: 2,
        ..settings(sft(0.0))
    };
    let alone = |prompt: &[u32], completion: &[u32]| -> f64 {
        let batch = TokenBatch::new(&[prompt.to_vec()], &[completion.to_vec()]);
        let scores = model.decoder.frozen().log_probs(&batch, 1.0, None);
        scores.log_probs.into_data().iter::<f64>().sum()
    };
    // "w1 w2" -> "w5 w6" and "w2" -> "w7", each ended by token 0.
    let sum = alone(&[1, 2], &[5, 6, 0]) + alone(&[2], &[7, 0]);
    // With a prompt weight of 0.5, "w2" behind "w1" counts half; nothing predicts a first token.
    let with_prompt = alone(&[1], &[2, 5, 6, 0]) + alone(&[2], &[7, 0]);
    let prompt_alone = alone(&[1], &[2]);

    let (_, plain) = run(model.clone(), &settings, &NO_REWARD);
    let settings = TrainSettings {
        algorithm: sft(0.5),
        ..settings
    };
    let (_, weighted) = run(model.clone(), &settings, &NO_REWARD);

    // 1e-6: f32.
    assert!((plain.records[0].loss.unwrap() + sum / 5.0).abs() < 1e-6);
    let expected = (with_prompt - 0.5 * prompt_alone) / 5.5;
    assert!((weighted.records[0].loss.unwrap() + expected).abs() < 1e-6);
}

#[test]
fn every_policy_makes_a_rewarded_word_likelier() {
    let judge = ByText(|text| if text.contains("w5") { 1.0 } else { 0.0 });
    let probability = |model: &LanguageModel| {
        let batch = TokenBatch::new(&[vec![1, 2]], &[vec![5]]);
        let scores = model.decoder.frozen().log_probs(&batch, 1.0, None);
        f64::from(scores.log_probs.into_scalar::<f32>()).exp()
    };
    // An adapter beside small random weights can do little, even with long steps.
    for (algorithm, adapter, peak, least) in [
        (grpo(0.0), AdapterKind::None, 0.02, 5.0),
        (grpo(0.001), AdapterKind::Dora, 0.3, 1.3),
        (dapo(), AdapterKind::None, 0.02, 5.0),
        (gspo(), AdapterKind::None, 0.02, 5.0),
        (cispo(), AdapterKind::None, 0.02, 5.0),
    ] {
        let mut settings = TrainSettings {
            max_steps: 40,
            group_size: 8,
            ..settings(algorithm)
        };
        settings.learning_rate.peak = peak;
        let start = model(adapter, 0.0);
        let before = probability(&start);

        let (outcome, recorder) = run(start, &settings, &judge);

        let after = probability(&outcome.unwrap().model);
        // 1/13 at the start; the wrong sign drives it towards 0.
        assert!(before < 0.2, "{before}");
        assert!(after > least * before, "{before} -> {after}");
        let rewards: Vec<f64> = recorder
            .records
            .iter()
            .map(|record| record.rollout.as_ref().unwrap().reward.correctness)
            .collect();
        let (first, last) = (mean(&rewards[..10]), mean(&rewards[30..]));
        assert!(
            last > first || adapter != AdapterKind::None,
            "{first} -> {last}"
        );
    }
}

#[test]
fn one_engine_samples_and_trains() {
    let judge = ByText(|text| text.len() as f64);
    for algorithm in [grpo(0.1), dapo(), gspo(), cispo()] {
        let (_, recorder) = run(model(AdapterKind::Dora, 0.0), &settings(algorithm), &judge);
        for record in &recorder.records {
            let rollout = record.rollout.as_ref().unwrap();
            let gap = rollout.log_prob_gap.unwrap();
            // 1e-5: f32; the sampler has the adapter folded into the weights, and a cache.
            assert!(gap < 1e-5, "{gap}");
            // At most ln 13 nats; random weights are near.
            assert!((1.0..2.6).contains(&rollout.entropy.unwrap()));
        }
        let divergence = |step: usize| recorder.records[step].rollout.as_ref().unwrap().kl;
        if let Some(first) = divergence(0) {
            // The reference is the start: no divergence at first (1e-6: f32), some later.
            assert!(first.abs() < 1e-6, "{first}");
            assert!(divergence(5).unwrap() > 1e-6);
        }
    }
}

#[test]
fn equal_rewards_teach_nothing() {
    let mut settings = settings(grpo(0.0));
    settings.optimizer.weight_decay = 0.0;
    let start = model(AdapterKind::None, 0.0);
    let before = values(&start.decoder.trainable());

    let (outcome, recorder) = run(start, &settings, &ByText(|_| 1.0));

    assert_eq!(values(&outcome.unwrap().model.decoder.trainable()), before);
    for record in &recorder.records {
        assert_eq!(record.gradient_norm, Some(0.0));
        assert!(record.rollout.as_ref().unwrap().zero_spread_share > 0.999);
    }
    assert!(
        recorder
            .samples
            .iter()
            .all(|sample| sample.advantage == Some(0.0))
    );
}

#[test]
fn completions_that_were_cut_off_can_be_left_out_of_the_loss() {
    // Oracle: with every completion cut off, nothing is left to learn from; the reward differs.
    let judge = ByText(|text| text.len() as f64);
    let mut settings = settings(grpo(0.0));
    settings.sampling.max_completion_tokens = 1;
    settings.optimizer.weight_decay = 0.0;
    let mut start = model(AdapterKind::None, 0.0);
    start.stop_tokens.clear();
    let norms = |mask_truncated: bool| {
        let mut settings = settings.clone();
        if let Algorithm::Grpo(grpo) = &mut settings.algorithm {
            grpo.mask_truncated = mask_truncated;
        }
        let (_, recorder) = run(start.clone(), &settings, &judge);
        let record = recorder.records[0].clone();
        assert!(record.rollout.unwrap().truncated_share > 0.999);
        record.gradient_norm.unwrap()
    };

    assert!(norms(false) > 1e-3);
    assert!(norms(true) < f64::MIN_POSITIVE);
}

#[test]
fn dapo_adds_the_overlong_penalty_and_makes_an_update_for_each_mini_batch() {
    let judge = ByText(|text| if text.contains("w2") { 1.0 } else { 0.0 });
    let settings = settings(dapo());
    let (outcome, recorder) = run(model(AdapterKind::None, 0.0), &settings, &judge);

    // The limit is 5 tokens and the buffer 2: nothing up to 3, half at 4, all at 5.
    for sample in &recorder.samples {
        let expected = [0.0, 0.0, 0.0, 0.0, -0.5, -1.0][sample.tokens];
        let reward = sample.reward;
        assert!((reward.overlong - expected).abs() < 1e-12);
        let sum = reward.format + reward.correctness + reward.overlong;
        assert!((reward.total - sum).abs() < 1e-12);
    }
    assert!(
        recorder
            .samples
            .iter()
            .any(|sample| sample.reward.overlong < -0.4)
    );
    // Three groups in mini-batches of two.
    assert!(
        recorder
            .records
            .iter()
            .all(|record| record.rollout.as_ref().unwrap().kept_groups == 3)
    );
    assert_eq!(outcome.unwrap().steps, 6);
}

#[test]
fn dapo_without_a_group_to_learn_from_says_so_and_goes_on() {
    let mut settings = settings(dapo());
    if let Algorithm::Dapo(dapo) = &mut settings.algorithm {
        dapo.overlong_buffer = 0;
    }
    let start = model(AdapterKind::None, 0.0);
    let before = values(&start.decoder.trainable());

    let (outcome, recorder) = run(start, &settings, &ByText(|_| 1.0));

    assert_eq!(values(&outcome.unwrap().model.decoder.trainable()), before);
    let record = &recorder.records[5];
    assert_eq!((record.loss, record.skipped_updates), (None, 6));
    assert_eq!(record.rollout.as_ref().unwrap().generation_batches, 3);
    // Each generation batch goes on in the data where the last one ended: 9 prompts of 2 rows.
    let prompts = recorder.samples[..36]
        .chunks(4)
        .map(|group| group[0].row.clone());
    let order = rows_at(5, 2, 0, 9)
        .into_iter()
        .map(|row| format!("row {row}"));
    assert_eq!(prompts.collect::<Vec<_>>(), order.collect::<Vec<_>>());
    insta::assert_snapshot!(recorder.notes[0], @"step 1: 0 of 9 groups had rewards that differ, 3 were wanted; after 3 generation batches the step made no update");
}

#[test]
fn dapo_takes_only_groups_with_a_spread_and_no_more_than_it_needs() {
    let judge = ByText(|text| if text.starts_with("w5") { 1.0 } else { 0.0 });
    let mut settings = settings(dapo());
    if let Algorithm::Dapo(dapo) = &mut settings.algorithm {
        dapo.overlong_buffer = 0;
    }
    let (_, recorder) = run(model(AdapterKind::None, 0.0), &settings, &judge);

    for record in &recorder.records {
        let rollout = record.rollout.as_ref().unwrap();
        let samples: Vec<_> = recorder
            .samples
            .iter()
            .filter(|sample| sample.step == record.step)
            .collect();
        let kept: Vec<_> = samples
            .chunks(4)
            .filter(|group| group[0].advantage.is_some())
            .collect();
        assert_eq!(samples.len(), rollout.completions);
        assert_eq!(kept.len(), rollout.kept_groups);
        assert!(kept.len() <= 3);
        for group in kept {
            let sum: f64 = group.iter().map(|sample| sample.advantage.unwrap()).sum();
            // 1e-9: f64; the advantages of a group are centred.
            assert!(sum.abs() < 1e-9 && group[0].advantage != Some(0.0));
        }
    }
    assert!(recorder.records.iter().any(|record| {
        let rollout = record.rollout.as_ref().unwrap();
        rollout.generation_batches > 1 && rollout.kept_groups > 0
    }));
}

/// The part of a policy loss that a micro-batch has in it, with old log-probs far enough away for
/// the clip to act.
fn policy_loss(
    piece: &Piece<'_>,
    aggregation: Aggregation,
    device: &burn::tensor::Device,
) -> Tensor<1> {
    const ADVANTAGES: [f32; 4] = [1.0, -0.5, 0.25, -2.0];
    const SHIFTS: [f32; 4] = [0.3, 0.05, -0.4, -0.1];
    let lengths: Vec<usize> = sequences().iter().map(|one| one.completion.len()).collect();
    let weights = sequence_weights(aggregation, &lengths, 5);
    let width = piece.tokens.completion_time();
    let rows: Vec<Vec<f32>> = piece
        .rows
        .iter()
        .map(|row| vec![narrow(weights[*row]); lengths[*row]])
        .collect();
    let weight = rectangle(rows.iter().map(Vec::as_slice), width, device);
    let column = |numbers: [f32; 4]| {
        let rows: Vec<[f32; 1]> = piece.rows.iter().map(|row| [numbers[*row]]).collect();
        rectangle(rows.iter().map(<[f32; 1]>::as_slice), 1, device)
    };
    let log_prob = piece.scores.log_probs.clone();
    let old = log_prob.clone().detach() - column(SHIFTS);
    let clip = ClipRange {
        low: 0.2,
        high: 0.28,
        dual: Some(3.0),
    };
    let surrogate = Surrogate::Token(clip);
    let mask = weight.clone().ones_like();
    (surrogate.token_loss(log_prob, old, column(ADVANTAGES), mask) * weight).sum()
}

#[test]
fn micro_batches_change_nothing_but_rounding() {
    for aggregation in [
        Aggregation::Sequence,
        Aggregation::Token,
        Aggregation::Constant,
    ] {
        let gradients = |most_tokens: usize| {
            let learner = learner(AdapterKind::None, most_tokens);
            let device = learner.device();
            let (gradients, loss) = learner.gradients(&sequences(), MOMENT, &|piece| {
                policy_loss(&piece, aggregation, &device)
            });
            (values(&gradients), loss)
        };
        let (whole, whole_loss) = gradients(1000);
        for most_tokens in [1, 12] {
            let (split, split_loss) = gradients(most_tokens);
            let largest = whole
                .iter()
                .fold(0.0_f32, |largest, one| largest.max(one.abs()));
            assert!(largest > 1e-3, "{largest}");
            // 1e-6 of the largest: f32.
            for (one, other) in whole.iter().zip(&split) {
                assert!(
                    (one - other).abs() < 1e-6 * largest.max(1.0),
                    "{one} {other}"
                );
            }
            assert!(
                (whole_loss - split_loss).abs() < 1e-6,
                "{whole_loss} {split_loss}"
            );
        }
    }
}

#[test]
fn at_ratio_one_the_surrogate_is_reinforce() {
    // Identity: d/dθ of -A·exp(lp - lp.detach()) is -A·d lp/dθ.
    const ADVANTAGES: [f32; 4] = [1.0, -0.5, 0.25, -2.0];
    let learner = learner(AdapterKind::None, 1000);
    let device = learner.device();
    let advantage = |piece: &Piece<'_>| {
        let rows: Vec<[f32; 1]> = piece.rows.iter().map(|row| [ADVANTAGES[*row]]).collect();
        rectangle(rows.iter().map(<[f32; 1]>::as_slice), 1, &device)
    };

    let (surrogate, _) = learner.gradients(&sequences(), MOMENT, &|piece| {
        let advantage = advantage(&piece);
        let log_prob = piece.scores.log_probs;
        let old = log_prob.clone().detach();
        let clip = ClipRange {
            low: 0.2,
            high: 0.28,
            dual: Some(10.0),
        };
        let mask = piece.tokens.completion_mask(&device);
        let surrogate = Surrogate::Token(clip);
        (surrogate.token_loss(log_prob, old, advantage, mask.clone()) * mask).sum()
    });
    let (reinforce, _) = learner.gradients(&sequences(), MOMENT, &|piece| {
        let advantage = advantage(&piece);
        let mask = piece.tokens.completion_mask(&device);
        (piece.scores.log_probs * advantage * mask).sum().neg()
    });

    for (one, other) in values(&surrogate).iter().zip(values(&reinforce)) {
        // 1e-5: f32, gradients of order one.
        assert!((one - other).abs() < 1e-5, "{one} {other}");
    }
}
