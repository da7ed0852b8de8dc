//! Gradients with the graph of one block at a time (arXiv 1604.06174).
//!
//! The forward pass stores the input of every block and builds no graph. The backward pass runs each
//! block again from its input, with a graph for that block alone, and the head likewise, a few rows at
//! a time. So the memory grows by one row per token and block, whatever a block computes, at the cost
//! of a second forward pass.

use std::collections::BTreeMap;

use burn::tensor::{IndexingUpdateOp, Tensor};

use crate::model::{
    adapter::Dropout,
    attention::Pass,
    log_prob::{LogProbs, Places, RowScores},
    ops,
    parameter::{self, EMBEDDING, FINAL_NORM, HEAD, Parameter},
    token_batch::TokenBatch,
};

use super::{Block, Decoder, log_probs::Wanted, trainable::leaf};

/// Gradients by the names of their parameters.
type Named = BTreeMap<String, Tensor<2>>;

impl Decoder {
    /// Computes a loss of the completions' [log-probabilities](Decoder::log_probs), and the gradient
    /// of every parameter that is trained.
    ///
    /// Except for rounding, the result is that of a pass with one graph and its backward pass.
    ///
    /// # Panics
    ///
    /// If the temperature is not positive.
    pub fn backward_by_block(
        &self,
        tokens: &TokenBatch,
        temperature: f64,
        mut dropout: Option<&mut Dropout>,
        wanted: Wanted<'_>,
        loss: impl FnOnce(LogProbs) -> Tensor<1>,
    ) -> (Tensor<1>, Named) {
        assert!(
            temperature > 0.0,
            "log-probabilities need a positive temperature"
        );
        let plain = self.frozen();
        let columns = plain.columns(tokens, 0);
        let mut starts = Vec::with_capacity(self.layers.len());
        let mut x = plain.embed(tokens);
        for (index, block) in plain.layers.iter().enumerate() {
            // A block drops the same elements when it runs again.
            starts.push((x.clone(), dropout.as_deref().cloned()));
            let mut pass = Pass {
                columns: &columns,
                cache: None,
                dropout: dropout.as_deref_mut(),
            };
            x = block.forward(x, index, &mut pass);
        }

        let teacher = wanted.teacher.map(|teacher| teacher.rows(tokens, None));
        let hidden = plain.norm.forward(x.clone());
        let scores = plain.scores_of(&hidden, tokens, temperature, wanted, teacher.as_ref());
        let leaves = Leaves::of(scores, wanted);
        let loss = loss(leaves.0.clone());
        let mut gradients = loss.backward();
        let mut named = Named::new();
        if let Some(weights) = leaves.gradients(&mut gradients, wanted) {
            let head = HeadPass {
                tokens,
                temperature,
                wanted,
                teacher,
                weights,
            };
            let mut gradient = self.head_backward(&x, head, &mut named);
            let first = usize::from(!self.embed_tokens.is_require_grad());
            for (index, (input, mut dropout)) in starts.into_iter().enumerate().rev() {
                // If the embedding is frozen, nothing below the first block is trained.
                let input = if index < first { input } else { leaf(input) };
                let mut pass = Pass {
                    columns: &columns,
                    cache: None,
                    dropout: dropout.as_mut(),
                };
                let output = self.layers[index].forward(input.clone(), index, &mut pass);
                if !output.is_autodiff() {
                    break;
                }
                let mut gradients = (output * gradient).sum().backward();
                self.layers[index].collect(index, &mut gradients, &mut named);
                match input.grad_remove(&mut gradients) {
                    Some(next) => gradient = next,
                    None => return (loss.inner(), named),
                }
            }
            self.embedding_backward(tokens, gradient, &mut named);
        }
        (loss.inner(), named)
    }

    /// The backward pass through the head and the final norm, a few rows at a time.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[batch · time, d]`
    fn head_backward(&self, x: &Tensor<2>, head: HeadPass<'_>, named: &mut Named) -> Tensor<2> {
        let device = self.device();
        let HeadPass {
            tokens,
            temperature,
            wanted,
            teacher,
            weights,
        } = head;
        let mut sum = x.zeros_like();
        for targets in tokens.targets().chunks(self.head_rows()) {
            let places = Places::new(targets, &device);
            let rows = leaf(x.clone().select(0, places.predictors.clone()));
            let logits = self.logits(self.norm.forward(rows.clone()));
            let scores = ops::log_softmax(logits, temperature);
            let teacher = wanted.teacher_scores(teacher.as_ref(), &places, temperature);
            let scores = RowScores::new(
                scores,
                places.tokens,
                wanted.entropy_gradient,
                teacher.as_ref(),
            );
            let weighted = |values: Tensor<2>, weight: &Tensor<2>| {
                (values * weight.clone().select(0, places.slots.clone())).sum()
            };
            let mut total = weighted(scores.log_probs, &weights.log_probs);
            if let Some(weight) = &weights.entropy {
                total = total + weighted(scores.entropy, weight);
            }
            if let (Some(values), Some(weight)) = (scores.divergence, &weights.divergence) {
                total = total + weighted(values, weight);
            }
            let mut gradients = total.backward();
            if let Some(part) = rows.grad_remove(&mut gradients) {
                sum = sum.select_assign(0, places.predictors, part, IndexingUpdateOp::Add);
            }
            let mut top = self.clone();
            top.norm.each_parameter(FINAL_NORM, &mut |parameter| {
                collect(parameter, &mut gradients, named);
            });
            let (name, head) = match &mut top.lm_head {
                Some(head) => (HEAD, head),
                None => (EMBEDDING, &mut top.embed_tokens),
            };
            if let Some(part) = head.grad_remove(&mut gradients) {
                add(parameter::weight(name), part, named);
            }
        }
        sum
    }

    /// # Shapes
    ///
    /// - `gradient`: `[batch · time, d]`
    fn embedding_backward(&self, tokens: &TokenBatch, gradient: Tensor<2>, named: &mut Named) {
        if self.embed_tokens.is_require_grad() {
            let ids = tokens.ids(&self.device());
            let zeros = self.embed_tokens.clone().inner().zeros_like();
            let part = zeros.select_assign(0, ids, gradient, IndexingUpdateOp::Add);
            add(parameter::weight(EMBEDDING), part, named);
        }
    }
}

/// The scores of completions as leaves of the graph of a loss.
struct Leaves(LogProbs);

/// What the backward pass of the head needs.
struct HeadPass<'a> {
    tokens: &'a TokenBatch,
    temperature: f64,
    wanted: Wanted<'a>,
    /// The output of the teacher's final norm.
    teacher: Option<Tensor<2>>,
    weights: Weights,
}

/// The gradient of a loss by each score, `[batch · completion_time, 1]`.
struct Weights {
    log_probs: Tensor<2>,
    entropy: Option<Tensor<2>>,
    divergence: Option<Tensor<2>>,
}

impl Leaves {
    fn of(scores: LogProbs, wanted: Wanted<'_>) -> Self {
        Self(LogProbs {
            log_probs: leaf(scores.log_probs),
            entropy: if wanted.entropy_gradient {
                leaf(scores.entropy)
            } else {
                scores.entropy
            },
            divergence: scores.divergence.map(leaf),
        })
    }

    /// The gradients by the scores; `None` if the loss depends on none of them.
    fn gradients(
        self,
        gradients: &mut burn::tensor::Gradients,
        wanted: Wanted<'_>,
    ) -> Option<Weights> {
        let mut of = |score: &Tensor<2>| {
            let gradient = score.grad_remove(gradients)?;
            Some(gradient.reshape([-1, 1]))
        };
        let log_probs = of(&self.0.log_probs);
        let entropy = wanted
            .entropy_gradient
            .then(|| of(&self.0.entropy))
            .flatten();
        let divergence = self.0.divergence.as_ref().and_then(&mut of);
        if log_probs.is_none() && entropy.is_none() && divergence.is_none() {
            return None;
        }
        let zeros = || {
            self.0
                .log_probs
                .clone()
                .inner()
                .zeros_like()
                .reshape([-1, 1])
        };
        Some(Weights {
            log_probs: log_probs.unwrap_or_else(zeros),
            entropy,
            divergence,
        })
    }
}

impl Block {
    fn collect(&self, index: usize, gradients: &mut burn::tensor::Gradients, named: &mut Named) {
        let name = parameter::block(index);
        self.clone().each_parameter(&name, &mut |parameter| {
            collect(parameter, gradients, named);
        });
    }
}

fn collect(parameter: Parameter<'_>, gradients: &mut burn::tensor::Gradients, named: &mut Named) {
    if let Some(gradient) = parameter.tensor.grad_remove(gradients) {
        add(parameter.name, gradient, named);
    }
}

fn add(name: String, part: Tensor<2>, named: &mut Named) {
    let sum = match named.remove(&name) {
        Some(sum) => sum + part,
        None => part,
    };
    named.insert(name, sum);
}
