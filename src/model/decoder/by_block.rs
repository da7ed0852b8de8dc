//! Gradients with the graph of one block at a time (arXiv 1604.06174).
//!
//! The forward pass keeps the input of every block and no graph. On the way back each block runs
//! again, from its input, with a graph of its own; so does the head, a few rows at a time. What is
//! kept then grows by one row of numbers a token and block, whatever happens within a block, for the
//! price of a second forward pass.

use std::collections::BTreeMap;

use burn::tensor::{IndexingUpdateOp, Tensor};

use crate::model::{
    LogProbs, TokenBatch, adapter::Dropout, attention::Pass, log_prob::Places, ops,
    parameter::Parameter,
};

use super::{Block, Decoder, leaf};

/// Gradients by the names of their parameters.
type Named = BTreeMap<String, Tensor<2>>;

impl Decoder {
    /// Computes a loss of the completions' [log-probabilities](Decoder::log_probs), and the gradient
    /// of every parameter that is trained.
    ///
    /// The same as a pass with a graph and its way back, but for rounding.
    ///
    /// # Panics
    ///
    /// If the temperature is not positive.
    pub fn backward_by_block(
        &self,
        tokens: &TokenBatch,
        temperature: f64,
        mut dropout: Option<&mut Dropout>,
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

        let scores = plain.log_probs_of(&plain.norm.forward(x.clone()), tokens, temperature);
        let log_probs = leaf(scores.log_probs);
        let loss = loss(LogProbs {
            log_probs: log_probs.clone(),
            entropy: scores.entropy,
        });
        let mut gradients = loss.backward();
        let mut named = Named::new();
        if let Some(gradient) = log_probs.grad_remove(&mut gradients) {
            let mut gradient = self.head_backward(&x, tokens, temperature, gradient, &mut named);
            let first = usize::from(!self.embed_tokens.is_require_grad());
            for (index, (input, mut dropout)) in starts.into_iter().enumerate().rev() {
                // Below the first block there may be nothing that is trained.
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

    /// The way back through head and final norm, a few rows at a time.
    ///
    /// # Shapes
    ///
    /// - `x`, output: `[batch · time, d]`
    /// - `gradient`: `[batch, completion_time]`
    fn head_backward(
        &self,
        x: &Tensor<2>,
        tokens: &TokenBatch,
        temperature: f64,
        gradient: Tensor<2>,
        named: &mut Named,
    ) -> Tensor<2> {
        let device = self.device();
        let gradient = gradient.reshape([-1, 1]);
        let mut sum = x.zeros_like();
        for targets in tokens.targets().chunks(self.head_rows()) {
            let places = Places::new(targets, &device);
            let rows = leaf(x.clone().select(0, places.predictors.clone()));
            let logits = self.logits(self.norm.forward(rows.clone()));
            let scores = ops::log_softmax(logits, temperature);
            let weight = gradient.clone().select(0, places.slots);
            let mut gradients = (scores.of(places.tokens) * weight).sum().backward();
            if let Some(part) = rows.grad_remove(&mut gradients) {
                sum = sum.select_assign(0, places.predictors, part, IndexingUpdateOp::Add);
            }
            let mut top = self.clone();
            top.norm.each_parameter("model.norm", &mut |parameter| {
                collect(parameter, &mut gradients, named);
            });
            let (name, head) = match &mut top.lm_head {
                Some(head) => ("lm_head.weight", head),
                None => ("model.embed_tokens.weight", &mut top.embed_tokens),
            };
            if let Some(part) = head.grad_remove(&mut gradients) {
                add(name.to_owned(), part, named);
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
            add("model.embed_tokens.weight".to_owned(), part, named);
        }
    }
}

impl Block {
    fn collect(&self, index: usize, gradients: &mut burn::tensor::Gradients, named: &mut Named) {
        let name = format!("model.layers.{index}");
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

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;

    use crate::{
        model::{
            AdapterKind, Dropout, LogProbs, TokenBatch,
            fixture::{self, FAMILIES, distance, values},
        },
        seed::stream,
    };

    /// A loss whose gradient differs from token to token.
    fn loss(scores: &LogProbs) -> Tensor<1> {
        let LogProbs { log_probs, entropy } = scores;
        (log_probs.clone() * log_probs.clone() * (entropy.clone() + 1.0)).sum() / 10.0
    }

    #[test]
    fn loss_and_gradients_are_those_of_one_graph() {
        let batch = TokenBatch::new(
            &[fixture::tokens(1, 5), fixture::tokens(2, 3)],
            &[fixture::tokens(3, 2), fixture::tokens(4, 6)],
        );
        for family in FAMILIES {
            for kind in [AdapterKind::None, AdapterKind::Lora, AdapterKind::Dora] {
                for rate in [0.0, 0.3] {
                    let mut settings = fixture::adapter(kind);
                    settings.dropout = rate;
                    let mut model = fixture::model(family);
                    model.attach_adapter(&settings, 1).unwrap();
                    let decoder = model.decoder.map_trainable(|_, value| value + 0.05);
                    let dropout = || Dropout::new(stream(7, "dropout", 0, 0));

                    let whole = decoder.log_probs(&batch, 0.9, Some(&mut dropout()));
                    let whole = loss(&whole);
                    let expected = decoder.gradients(&mut whole.clone().backward());
                    let (found, gradients) =
                        decoder.backward_by_block(&batch, 0.9, Some(&mut dropout()), |scores| {
                            loss(&scores)
                        });

                    let at = format!("{family}, {kind:?}, dropout {rate}");
                    // 1e-4: 32 bits, a loss of up to a hundred, whose last digit is 8e-6, and
                    // gradients of order ten; the forward pass without a graph rounds otherwise.
                    let (found, whole) = (values(found), values(whole));
                    let gap = distance(&found, &whole);
                    assert!(gap < 1e-4, "{at}: {found:?} {whole:?}");
                    assert!(expected.keys().eq(gradients.keys()), "{at}");
                    for (name, gradient) in gradients {
                        let worst = distance(&values(gradient), &values(expected[&name].clone()));
                        assert!(worst < 1e-4, "{at}, {name}: {worst}");
                    }
                }
            }
        }
    }
}
