//! The split of a batch into micro-batches does not change what is learned.

use burn::tensor::{Device, Tensor};

use crate::{
    model::{AdapterKind, Wanted, to_f32},
    train::{
        Aggregation,
        learner::{Diagnostics, Learner, Loss, MicroBatchScores, Sequence},
        loss::{ClipRange, Surrogate, column, rectangle, sequence_weights},
    },
};

use super::fixture::{UPDATE, grpo, model, settings, values};

const ADVANTAGES: [f32; 4] = [1.0, -0.5, 0.25, -2.0];

fn learner(max_tokens: usize) -> Learner {
    let optimizer = settings(grpo(0.0)).optimizer;
    Learner::new(
        model(AdapterKind::None, 0.0),
        optimizer,
        max_tokens,
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

/// The gradient of all parameters, and the loss.
fn gradients(learner: &Learner, loss: &Loss<'_>) -> (Vec<f32>, f64) {
    let batch = learner
        .gradients_with(&sequences(), UPDATE, Wanted::default(), loss)
        .unwrap();
    (values(&batch.gradients), batch.loss)
}

/// One number for each sequence of a micro-batch.
fn of_rows(numbers: [f32; 4], rows: &[usize], device: &Device) -> Tensor<2> {
    column(rows.iter().map(|row| numbers[*row]).collect(), device)
}

/// The contribution of a micro-batch to a policy loss with old log-probabilities that are far
/// enough from the new ones for the clip to act.
fn policy_loss(
    micro_batch: &MicroBatchScores<'_>,
    aggregation: Aggregation,
    device: &Device,
) -> Tensor<1> {
    const SHIFTS: [f32; 4] = [0.3, 0.05, -0.4, -0.1];
    let lengths: Vec<usize> = sequences().iter().map(|one| one.completion.len()).collect();
    let weights = sequence_weights(aggregation, &lengths, 5);
    let width = micro_batch.tokens.completion_time();
    let rows: Vec<Vec<f32>> = micro_batch
        .rows
        .iter()
        .map(|row| vec![to_f32(weights[*row]); lengths[*row]])
        .collect();
    let weight = rectangle(rows.iter().map(Vec::as_slice), width, device);
    let log_prob = micro_batch.scores.log_probs.clone();
    let old = log_prob.clone().detach() - of_rows(SHIFTS, micro_batch.rows, device);
    let advantage = of_rows(ADVANTAGES, micro_batch.rows, device);
    let clip = ClipRange {
        low: 0.2,
        high: 0.28,
        dual: Some(3.0),
    };
    let surrogate = Surrogate::Token(clip);
    let mask = weight.clone().ones_like();
    (surrogate.token_loss(log_prob, old, advantage, mask) * weight).sum()
}

#[test]
fn micro_batches_change_nothing_but_rounding() {
    for aggregation in [
        Aggregation::Sequence,
        Aggregation::SequenceSum,
        Aggregation::Token,
        Aggregation::Constant,
    ] {
        let gradients = |max_tokens: usize| {
            let learner = learner(max_tokens);
            let device = learner.device();
            gradients(&learner, &|micro_batch| {
                let loss = policy_loss(&micro_batch, aggregation, &device);
                (loss, Diagnostics::default())
            })
        };
        let (whole, whole_loss) = gradients(1000);
        for max_tokens in [1, 12] {
            let (split, split_loss) = gradients(max_tokens);
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
fn diagnostics_are_summed_in_the_order_of_the_micro_batches() {
    // Side by side in threads, so that they may end in any order. Oracle: a split puts the longest
    // sequences first, here 6, 5, 5 and 4 tokens, each alone.
    let learner = learner(1);
    let device = learner.device();

    let batch = learner.gradients_with(&sequences(), UPDATE, Wanted::default(), &|micro_batch| {
        let row = micro_batch.rows[0] as f32;
        let diagnostics = Diagnostics {
            entropy: Some(Tensor::from_floats([row], &device)),
            tokens: micro_batch.tokens.completion_time(),
            ..Diagnostics::default()
        };
        (micro_batch.scores.log_probs.sum(), diagnostics)
    });

    let measured = batch.unwrap().measured;
    assert_eq!(measured.entropy, [1.0, 0.0, 3.0, 2.0]);
    assert_eq!(measured.tokens, 2 + 5 + 2 + 3);
}

#[test]
fn at_ratio_one_the_surrogate_is_reinforce() {
    // Identity: d/dθ of -A·exp(lp - lp.detach()) is -A·d lp/dθ.
    let learner = learner(1000);
    let device = learner.device();

    let (surrogate, _) = gradients(&learner, &|micro_batch| {
        let advantage = of_rows(ADVANTAGES, micro_batch.rows, &device);
        let log_prob = micro_batch.scores.log_probs;
        let old = log_prob.clone().detach();
        let clip = ClipRange {
            low: 0.2,
            high: 0.28,
            dual: Some(10.0),
        };
        let mask = micro_batch.tokens.completion_mask(&device);
        let surrogate = Surrogate::Token(clip);
        let loss = surrogate.token_loss(log_prob, old, advantage, mask.clone()) * mask;
        (loss.sum(), Diagnostics::default())
    });
    let (reinforce, _) = gradients(&learner, &|micro_batch| {
        let advantage = of_rows(ADVANTAGES, micro_batch.rows, &device);
        let mask = micro_batch.tokens.completion_mask(&device);
        let loss = micro_batch.scores.log_probs * advantage * mask;
        (loss.sum().neg(), Diagnostics::default())
    });

    for (one, other) in surrogate.iter().zip(reinforce) {
        // 1e-5: f32, gradients of order one.
        assert!((one - other).abs() < 1e-5, "{one} {other}");
    }
}
