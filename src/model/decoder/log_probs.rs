//! Log-probabilities of completions under a decoder.

use burn::tensor::{DType, IndexingUpdateOp, Tensor};

use crate::model::{
    adapter::Dropout,
    log_prob::{LogProbs, Places},
    ops,
    token_batch::TokenBatch,
};

use super::Decoder;

impl Decoder {
    /// Computes the log-probability of each token of each completion, at a temperature.
    ///
    /// The output head runs only over the real tokens of the completions.
    ///
    /// # Panics
    ///
    /// If the temperature is not positive.
    pub fn log_probs(
        &self,
        tokens: &TokenBatch,
        temperature: f64,
        dropout: Option<&mut Dropout>,
    ) -> LogProbs {
        assert!(
            temperature > 0.0,
            "log-probabilities need a positive temperature"
        );
        let [batch, time] = [tokens.batch(), tokens.time()];
        let hidden = self.hidden(tokens, None, dropout);
        let d = hidden.dims()[2];
        let hidden = hidden.reshape([batch * time, d]);
        self.log_probs_of(&hidden, tokens, temperature)
    }

    /// [`Self::log_probs`] from the output of the final norm.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch · time, d]`
    pub(super) fn log_probs_of(
        &self,
        hidden: &Tensor<2>,
        tokens: &TokenBatch,
        temperature: f64,
    ) -> LogProbs {
        let device = self.device();
        let [batch, width] = [tokens.batch(), tokens.completion_time()];
        let mut log_probs = Tensor::zeros([batch * width, 1], (&device, DType::F32));
        let mut entropy = log_probs.clone();
        for targets in tokens.targets().chunks(self.head_rows()) {
            let places = Places::new(targets, &device);
            let chunk = hidden.clone().select(0, places.predictors);
            let scores = ops::log_softmax(self.logits(chunk), temperature);
            let add = IndexingUpdateOp::Add;
            entropy = entropy.select_assign(0, places.slots.clone(), scores.entropy(), add);
            let values = scores.of(places.tokens);
            log_probs = log_probs.select_assign(0, places.slots, values, add);
        }
        LogProbs {
            log_probs: log_probs.reshape([batch, width]),
            entropy: entropy.reshape([batch, width]),
        }
    }

    /// The rows that the head scores at a time.
    pub(super) fn head_rows(&self) -> usize {
        self.engine().head_rows_at_once(self.vocab_size())
    }
}
