//! Training moves a model in the right direction.

use crate::{
    model::{AdapterKind, LanguageModel, TokenBatch},
    train::{Algorithm, RowOrder, SftSettings, TrainSettings, rollout::advantage::mean},
};

use super::fixture::{
    ByText, cispo, dapo, grpo, gspo, model, settings, train_two_rows, values, with_defaults,
};

const NO_REWARD: ByText = ByText(|_| 0.0);

fn sft(prompt_weight: f64) -> Algorithm {
    Algorithm::Sft(SftSettings {
        prompt_weight,
        order: RowOrder::Shuffled,
    })
}

#[test]
fn sft_memorizes_two_rows() {
    let settings = TrainSettings {
        max_steps: 120,
        batch_size: 2,
        ..settings(sft(0.0))
    };

    let (outcome, recorder) = train_two_rows(model(AdapterKind::None, 0.0), &settings, &NO_REWARD);

    outcome.unwrap();
    let first = recorder.records[0].loss.unwrap();
    let last = recorder.records[119].loss.unwrap();
    // 13 words: an untrained model has a loss near ln 13 = 2.56.
    assert!(first > 2.0, "{first}");
    assert!(last < 0.02, "{last}");
    // Two rows: 2 + 3 and 1 + 2 tokens, including the token that ends each.
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
    // With a prompt weight of 0.5, "w2" after "w1" counts half; nothing predicts a first token.
    let with_prompt = alone(&[1], &[2, 5, 6, 0]) + alone(&[2], &[7, 0]);
    let prompt_alone = alone(&[1], &[2]);

    let (_, plain) = train_two_rows(model.clone(), &settings, &NO_REWARD);
    let settings = TrainSettings {
        algorithm: sft(0.5),
        ..settings
    };
    let (_, weighted) = train_two_rows(model.clone(), &settings, &NO_REWARD);

    // 1e-6: f32.
    assert!((plain.records[0].loss.unwrap() + sum / 5.0).abs() < 1e-6);
    let expected = (with_prompt - 0.5 * prompt_alone) / 5.5;
    assert!((weighted.records[0].loss.unwrap() + expected).abs() < 1e-6);
}

#[test]
fn every_algorithm_makes_a_rewarded_word_likelier() {
    let reward = ByText(|text| if text.contains("w5") { 1.0 } else { 0.0 });
    let probability = |model: &LanguageModel| {
        let batch = TokenBatch::new(&[vec![1, 2]], &[vec![5]]);
        let scores = model.decoder.frozen().log_probs(&batch, 1.0, None);
        f64::from(scores.log_probs.into_scalar::<f32>()).exp()
    };
    let registered = Algorithm::ALL
        .iter()
        .filter(|algorithm| algorithm.has_reward)
        .map(with_defaults)
        // What imitates a teacher learns nothing from a reward.
        .filter(|algorithm| algorithm.teacher().is_none())
        .map(|algorithm| (algorithm, AdapterKind::None, 0.02, 5.0));
    // An adapter on small random weights can do little, even with long steps.
    let adapted = [
        (grpo(0.0), AdapterKind::None, 0.02, 5.0),
        (grpo(0.001), AdapterKind::Dora, 0.3, 1.3),
        (dapo(), AdapterKind::None, 0.02, 5.0),
        (gspo(), AdapterKind::None, 0.02, 5.0),
        (cispo(), AdapterKind::None, 0.02, 5.0),
    ];
    for (algorithm, adapter, peak, least) in registered.chain(adapted) {
        let mut settings = TrainSettings {
            max_steps: 40,
            group_size: 8,
            ..settings(algorithm)
        };
        settings.learning_rate.peak = peak;
        let start = model(adapter, 0.0);
        let before = probability(&start);

        let (outcome, recorder) = train_two_rows(start, &settings, &reward);

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
    let reward = ByText(|text| text.len() as f64);
    let registered = Algorithm::ALL
        .iter()
        .filter(|algorithm| algorithm.has_reward)
        .map(with_defaults)
        .filter(|algorithm| algorithm.teacher().is_none());
    for algorithm in registered.chain([grpo(0.1), dapo(), gspo(), cispo()]) {
        let (_, recorder) =
            train_two_rows(model(AdapterKind::Dora, 0.0), &settings(algorithm), &reward);
        for record in &recorder.records {
            let rollout = record.rollout.as_ref().unwrap();
            let gap = rollout.log_prob_gap.unwrap();
            // 1e-5: f32; the sampler has a cache, and the adapter merged into the weights.
            assert!(gap < 1e-5, "{gap}");
            // At most ln 13 nats, and random weights are close to that.
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
fn equal_rewards_change_no_weight() {
    let mut settings = settings(grpo(0.0));
    settings.optimizer.weight_decay = 0.0;
    let start = model(AdapterKind::None, 0.0);
    let before = values(&start.decoder.trainable());

    let (outcome, recorder) = train_two_rows(start, &settings, &ByText(|_| 1.0));

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
fn truncated_completions_can_be_excluded_from_the_loss() {
    // Oracle: if every completion is truncated, nothing is left to learn from although rewards
    // differ.
    let reward = ByText(|text| text.len() as f64);
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
        let (_, recorder) = train_two_rows(start.clone(), &settings, &reward);
        let record = recorder.records[0].clone();
        assert!(record.rollout.unwrap().truncated_share > 0.999);
        record.gradient_norm.unwrap()
    };

    assert!(norms(false) > 1e-3);
    assert!(norms(true) < f64::MIN_POSITIVE);
}
