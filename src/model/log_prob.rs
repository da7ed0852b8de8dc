//! Log-probabilities of given tokens, from logits.

use burn::tensor::{Device, Int, Tensor};

use super::{
    ops::LogSoftmax,
    token_batch::{Target, indices},
};

/// The log-probabilities of the tokens of some completions, under a model.
#[derive(Clone, Debug)]
pub struct LogProbs {
    /// The natural log-probability of each token, `[batch, completion_time]`; 0 at padding.
    pub log_probs: Tensor<2>,
    /// The entropy in nats of the distribution that each token was drawn from,
    /// `[batch, completion_time]`; 0 at padding. It has no gradient unless [`Wanted`](super::Wanted) says so.
    pub entropy: Tensor<2>,
    /// The divergence in nats of that distribution from a teacher's, if there is one,
    /// `[batch, completion_time]`; 0 at padding.
    pub divergence: Option<Tensor<2>>,
}

/// What is wanted of the distribution of each row, `[rows, 1]` each.
pub(super) struct RowScores {
    pub(super) log_probs: Tensor<2>,
    pub(super) entropy: Tensor<2>,
    pub(super) divergence: Option<Tensor<2>>,
}

impl RowScores {
    /// The scores of distributions, and those of a teacher for the same rows.
    ///
    /// # Shapes
    ///
    /// - `tokens`: `[rows, 1]`
    pub(super) fn new(
        scores: LogSoftmax,
        tokens: Tensor<2, Int>,
        has_entropy_gradient: bool,
        teacher: Option<&LogSoftmax>,
    ) -> Self {
        // The divergence of p from q is the mean of log p - log q over p.
        let divergence = teacher.map(|teacher| {
            let ours = scores.all();
            (ours.clone().exp() * (ours - teacher.all())).sum_dim(1)
        });
        let entropy = if has_entropy_gradient {
            let all = scores.all();
            (all.clone().exp() * all).sum_dim(1).neg()
        } else {
            scores.entropy()
        };
        Self {
            log_probs: scores.of(tokens),
            entropy,
            divergence,
        }
    }
}

/// Where some completions' tokens are predicted, which they are, and where their scores belong.
pub(super) struct Places {
    /// See [`Target`], `[rows]`.
    pub(super) predictors: Tensor<1, Int>,
    /// `[rows]`
    pub(super) slots: Tensor<1, Int>,
    /// `[rows, 1]`
    pub(super) tokens: Tensor<2, Int>,
}

impl Places {
    pub(super) fn new(targets: &[Target], device: &Device) -> Self {
        let part = |of: fn(&Target) -> i64| indices(targets.iter().map(of), device);
        Self {
            predictors: part(|target| target.predictor),
            slots: part(|target| target.slot),
            tokens: part(|target| target.token).reshape([-1, 1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device, TensorData};
    use serde_json::Value;

    use super::*;
    use crate::model::{
        TokenBatch,
        fixture::{self, distance, values},
        ops,
        rounding::to_f32,
    };

    /// 1e-5: 32 bits, two layers, log-probabilities of order ten.
    const CLOSE: f32 = 1e-5;

    #[test]
    fn padding_and_neighbours_change_nothing() {
        for family in fixture::families() {
            let model = fixture::model(family);
            let lengths = [(3, 6), (8, 2), (1, 4)];
            let row = |seed, (prompt, completion)| {
                let tokens = fixture::tokens(seed, prompt + completion);
                (tokens[..prompt].to_vec(), tokens[prompt..].to_vec())
            };
            let (prompts, completions): (Vec<_>, Vec<_>) = lengths
                .into_iter()
                .zip(10..)
                .map(|(length, seed)| row(seed, length))
                .unzip();

            let batch = TokenBatch::new(&prompts, &completions);
            let together = model.decoder.log_probs(&batch, 0.9, None);

            for (index, (_, length)) in lengths.into_iter().enumerate() {
                let only = |rows: &[Vec<u32>]| vec![rows[index].clone()];
                let alone = TokenBatch::new(&only(&prompts), &only(&completions));
                let alone = model.decoder.log_probs(&alone, 0.9, None);
                for (one, all) in [
                    (alone.log_probs, &together.log_probs),
                    (alone.entropy, &together.entropy),
                ] {
                    let row = values(all.clone().narrow(0, index, 1));
                    assert!(
                        distance(&values(one), &row[..length]) < CLOSE,
                        "{family} {index}"
                    );
                    assert!(row[length..].iter().all(|x| *x == 0.0), "padding gives 0");
                }
            }
        }
    }

    #[test]
    fn they_are_the_softmax_of_the_reference_logits() {
        let model = fixture::model("qwen2");
        let tokens = fixture::tokens(20, 7);
        let logits = fixture::reference_logits(&model.config, &model.decoder, &tokens);
        let batch = TokenBatch::new(&[tokens[..3].to_vec()], &[tokens[3..].to_vec()]);

        let output = values(model.decoder.log_probs(&batch, 0.7, None).log_probs);

        let expected: Vec<f32> = (3..7)
            .map(|place| {
                let scores: Vec<f64> = logits[place - 1].iter().map(|x| x / 0.7).collect();
                let sum: f64 = scores.iter().map(|x| x.exp()).sum();
                to_f32(scores[tokens[place] as usize] - sum.ln())
            })
            .collect();
        let worst = distance(&output, &expected);
        // 3e-5: 2e-5 of the logits, over the temperature.
        assert!(worst < 3e-5, "{worst}");
    }

    #[test]
    fn scores_are_those_of_the_goldens() {
        // Oracle: tests/golden/rl/logprobs_masks_kl.json, made by its `make/misc.py`.
        let text = include_str!("../../tests/golden/rl/logprobs_masks_kl.json");
        let golden: Value = serde_json::from_str(text).unwrap();
        let flat = |value: &Value| -> Vec<f64> {
            let rows = value.as_array().unwrap().iter();
            rows.flat_map(|row| row.as_array().unwrap().clone())
                .flat_map(|item| match item {
                    Value::Array(items) => items,
                    other => vec![other],
                })
                .map(|number| number.as_f64().unwrap())
                .collect()
        };
        let device = Device::flex();
        let logits: Vec<f32> = flat(&golden["logits"]).into_iter().map(to_f32).collect();
        let rows = flat(&golden["tokens"]).len();
        let logits = Tensor::<2>::from_data(TensorData::new(logits, [rows, 11]), &device);
        let tokens = golden["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap());
        let tokens = tokens.map(|token| token.as_i64().unwrap());
        let tokens = indices(tokens, &device).reshape([rows, 1]);
        for case in golden["logprobs"].as_array().unwrap() {
            let temperature = case["temperature"].as_f64().unwrap();
            let scores = ops::log_softmax(logits.clone(), temperature);
            let narrow =
                |key: &str| -> Vec<f32> { flat(&case[key]).into_iter().map(to_f32).collect() };

            // 2e-6: 32 bits, values of order ten.
            assert!(distance(&values(scores.entropy()), &narrow("entropy")) < 2e-6);
            assert!(distance(&values(scores.of(tokens.clone())), &narrow("logp")) < 2e-6);
        }
    }

    /// Numbers in double precision, as a leaf of a graph.
    fn leaf(rows: &[Vec<f64>]) -> Tensor<2> {
        let device = Device::flex().autodiff();
        let shape = [rows.len(), rows[0].len()];
        let data = TensorData::new(rows.concat(), shape);
        Tensor::from_data(data, (&device, DType::F64)).require_grad()
    }

    fn doubles(tensor: Tensor<2>) -> Vec<f64> {
        tensor.into_data().iter::<f64>().collect()
    }

    /// The plain formulas of entropy and of the divergence of p from q, at a temperature.
    fn by_formula(logits: &[f64], teacher: &[f64], temperature: f64) -> [f64; 2] {
        let softmax = |logits: &[f64]| -> Vec<f64> {
            let sum: f64 = logits.iter().map(|x| (x / temperature).exp()).sum();
            logits
                .iter()
                .map(|x| (x / temperature).exp() / sum)
                .collect()
        };
        let (p, q) = (softmax(logits), softmax(teacher));
        let entropy = p.iter().map(|p| -p * p.ln()).sum();
        let divergence = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
        [entropy, divergence]
    }

    /// Oracles: the plain formulas, and their quotients of differences.
    #[test]
    fn entropy_and_divergence_have_the_values_and_gradients_of_their_formulas() {
        let rows = [vec![0.3, -1.2, 2.0, 0.1], vec![4.0, 0.0, -3.0, 1.5]];
        let teacher = [vec![-0.5, 0.4, 1.0, 0.0], vec![2.0, 2.5, -1.0, 0.3]];
        // 1e-9: the error of the quotient. 1e-7: where there is a temperature, Burn's backward pass divides by
        // it in 32 bits.
        for (temperature, tolerance) in [(1.0, 1e-9), (0.7, 1e-7)] {
            for which in 0..2 {
                let logits = leaf(&rows);
                let scores = RowScores::new(
                    ops::log_softmax(logits.clone(), temperature),
                    indices([1, 0], &Device::flex()).reshape([2, 1]),
                    true,
                    Some(&ops::log_softmax(leaf(&teacher).inner(), temperature)),
                );
                let score = [scores.entropy, scores.divergence.unwrap()][which].clone();
                let gradient = doubles(logits.grad(&score.clone().sum().backward()).unwrap());
                let values = doubles(score);
                let each = rows
                    .iter()
                    .zip(&teacher)
                    .zip(values)
                    .zip(gradient.chunks(4));
                for (((row, teacher), value), gradient) in each {
                    let of = |logits: &[f64]| by_formula(logits, teacher, temperature)[which];
                    // 1e-12: double precision, numbers of order one.
                    assert!((value - of(row)).abs() < 1e-12);
                    for (place, found) in gradient.iter().enumerate() {
                        let moved = |step: f64| {
                            let mut logits = row.clone();
                            logits[place] += step;
                            of(&logits)
                        };
                        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                        let error = (found - slope).abs();
                        assert!(error < tolerance, "{temperature}, {which}: {error}");
                    }
                }
            }
        }
    }
}
