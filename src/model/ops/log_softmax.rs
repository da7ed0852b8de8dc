//! Log-probabilities and entropies from logits, by the formula or by kernels.

use burn::tensor::{Int, Tensor};

use super::{burn::LogSoftmax as Formula, gpu};

/// The logarithm of the softmax of logits at a temperature, before it is computed for any token.
pub(in crate::model) struct LogSoftmax(How);

#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum How {
    ByFormula(Formula),
    ByKernels { logits: Tensor<2>, temperature: f64 },
}

impl LogSoftmax {
    /// # Shapes
    ///
    /// - `logits`: `[rows, vocabulary]`
    pub(super) fn new(logits: Tensor<2>, temperature: f64) -> Self {
        Self(if gpu::is_here(&logits) {
            How::ByKernels {
                logits,
                temperature,
            }
        } else {
            How::ByFormula(Formula::new(logits, temperature))
        })
    }

    /// The log-probability of a token of each row.
    ///
    /// # Shapes
    ///
    /// - `tokens`, output: `[rows, 1]`
    pub(in crate::model) fn of(self, tokens: Tensor<2, Int>) -> Tensor<2> {
        match self.0 {
            How::ByFormula(formula) => formula.of(tokens),
            How::ByKernels {
                logits,
                temperature,
            } => gpu::log_prob(&logits, &tokens, temperature)
                .unwrap_or_else(|_| Formula::new(logits, temperature).of(tokens)),
        }
    }

    /// The logarithm of the probability of every token of the vocabulary, by the formula.
    ///
    /// # Shapes
    ///
    /// - output: `[rows, vocabulary]`
    pub(in crate::model) fn all(&self) -> Tensor<2> {
        match &self.0 {
            How::ByFormula(formula) => formula.all(),
            How::ByKernels {
                logits,
                temperature,
            } => Formula::new(logits.clone(), *temperature).all(),
        }
    }

    /// The entropy of each row in nats, without a gradient.
    ///
    /// # Shapes
    ///
    /// - output: `[rows, 1]`
    pub(in crate::model) fn entropy(&self) -> Tensor<2> {
        match &self.0 {
            How::ByFormula(formula) => formula.entropy(),
            How::ByKernels {
                logits,
                temperature,
            } => gpu::entropy(logits, *temperature)
                .unwrap_or_else(|_| Formula::new(logits.clone(), *temperature).entropy()),
        }
    }
}
