//! Log-probabilities of completions under a decoder.

use burn::tensor::{DType, IndexingUpdateOp, Tensor};

use crate::model::{
    adapter::Dropout,
    log_prob::{LogProbs, Places, RowScores},
    ops::{self, LogSoftmax},
    token_batch::TokenBatch,
};

use super::Decoder;

/// What a loss needs of the distribution of each token, besides the probability of the token.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Whether the entropy has a gradient. That takes more memory: that of the logits again.
    pub entropy_gradient: bool,
    /// The frozen model that a divergence is measured from, with the same vocabulary.
    pub teacher: Option<&'a Decoder>,
}

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
        self.scores(tokens, temperature, dropout, Wanted::default())
    }

    /// [`Self::log_probs`] with more of what a loss may need.
    ///
    /// # Panics
    ///
    /// If the temperature is not positive.
    pub fn scores(
        &self,
        tokens: &TokenBatch,
        temperature: f64,
        dropout: Option<&mut Dropout>,
        wanted: Wanted<'_>,
    ) -> LogProbs {
        assert!(
            temperature > 0.0,
            "log-probabilities need a positive temperature"
        );
        let hidden = self.rows(tokens, dropout);
        let teacher = wanted.teacher.map(|teacher| teacher.rows(tokens, None));
        self.scores_of(&hidden, tokens, temperature, wanted, teacher.as_ref())
    }

    /// The output of the final norm.
    ///
    /// # Shapes
    ///
    /// - output: `[batch · time, d]`
    pub(super) fn rows(&self, tokens: &TokenBatch, dropout: Option<&mut Dropout>) -> Tensor<2> {
        let hidden = self.hidden(tokens, None, dropout);
        let [batch, time, d] = hidden.dims();
        hidden.reshape([batch * time, d])
    }

    /// [`Self::scores`] from the output of the final norm, and that of the teacher.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch · time, d]`, `teacher`: the same with the teacher's width
    pub(super) fn scores_of(
        &self,
        hidden: &Tensor<2>,
        tokens: &TokenBatch,
        temperature: f64,
        wanted: Wanted<'_>,
        teacher: Option<&Tensor<2>>,
    ) -> LogProbs {
        let device = self.device();
        let [batch, width] = [tokens.batch(), tokens.completion_time()];
        let mut log_probs = Tensor::zeros([batch * width, 1], (&device, DType::F32));
        let mut entropy = log_probs.clone();
        let mut divergence = teacher.map(|_| log_probs.clone());
        for targets in tokens.targets().chunks(self.head_rows()) {
            let places = Places::new(targets, &device);
            let chunk = hidden.clone().select(0, places.predictors.clone());
            let scores = ops::log_softmax(self.logits(chunk), temperature);
            let teacher = wanted.teacher_scores(teacher, &places, temperature);
            let scores = RowScores::new(
                scores,
                places.tokens,
                wanted.entropy_gradient,
                teacher.as_ref(),
            );
            let add = IndexingUpdateOp::Add;
            entropy = entropy.select_assign(0, places.slots.clone(), scores.entropy, add);
            if let Some(values) = scores.divergence {
                divergence =
                    divergence.map(|sum| sum.select_assign(0, places.slots.clone(), values, add));
            }
            log_probs = log_probs.select_assign(0, places.slots, scores.log_probs, add);
        }
        LogProbs {
            log_probs: log_probs.reshape([batch, width]),
            entropy: entropy.reshape([batch, width]),
            divergence: divergence.map(|sum| sum.reshape([batch, width])),
        }
    }

    /// The rows that the head scores at a time.
    pub(super) fn head_rows(&self) -> usize {
        self.engine().head_rows_at_once(self.vocab_size())
    }
}

impl Wanted<'_> {
    /// The distributions of the teacher at some places, from the output of its final norm.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch · time, d]`
    pub(super) fn teacher_scores(
        &self,
        hidden: Option<&Tensor<2>>,
        places: &Places,
        temperature: f64,
    ) -> Option<LogSoftmax> {
        let rows = hidden?.clone().select(0, places.predictors.clone());
        Some(ops::log_softmax(self.teacher?.logits(rows), temperature))
    }
}
