//! Log-probabilities and entropies from logits.

use burn::tensor::{Int, Tensor};

/// The logarithm of the softmax of logits, before it is computed for every token.
///
/// The field `logits` is at a temperature, less the largest of its row; `log_sum` is the logarithm
/// of the sum of their exponentials.
pub(in crate::model::ops) struct LogSoftmax {
    logits: Tensor<2>,
    log_sum: Tensor<2>,
}

impl LogSoftmax {
    /// # Shapes
    ///
    /// - `logits`: `[rows, vocabulary]`
    pub(in crate::model::ops) fn new(logits: Tensor<2>, temperature: f64) -> Self {
        let logits = if is_one(temperature) {
            logits
        } else {
            logits.div_scalar(temperature)
        };
        // A constant: it keeps the exponential in its range and takes no part in the gradient.
        let largest = logits.clone().inner().max_dim(1);
        let logits = logits - largest;
        let log_sum = logits.clone().exp().sum_dim(1).log();
        Self { logits, log_sum }
    }

    /// The log-probability of a token of each row.
    ///
    /// # Shapes
    ///
    /// - `tokens`, output: `[rows, 1]`
    pub(in crate::model::ops) fn of(self, tokens: Tensor<2, Int>) -> Tensor<2> {
        self.logits.gather(1, tokens) - self.log_sum
    }

    /// The logarithm of the probability of every token.
    ///
    /// # Shapes
    ///
    /// - output: `[rows, vocabulary]`
    pub(in crate::model::ops) fn all(&self) -> Tensor<2> {
        self.logits.clone() - self.log_sum.clone()
    }

    /// The entropy of each row in nats, without a gradient.
    ///
    /// # Shapes
    ///
    /// - output: `[rows, 1]`
    pub(in crate::model::ops) fn entropy(&self) -> Tensor<2> {
        let (logits, log_sum) = (self.logits.clone().inner(), self.log_sum.clone().inner());
        let probabilities = (logits.clone() - log_sum.clone()).exp();
        log_sum - (probabilities * logits).sum_dim(1)
    }
}

fn is_one(temperature: f64) -> bool {
    (temperature - 1.0).abs() < f64::EPSILON
}
