//! How probable the targets are under the model that a training starts from.
//!
//! That is the distance of the data from the model: near 0 the targets are what the model would write
//! anyway. It is measured alike for every algorithm, of the targets that SFT learns.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, ranks::Ranks};

use super::{
    error::TrainError,
    kept,
    learner::Learner,
    observer::Observer,
    settings::TrainSettings,
    task::{CompletionSource, Row, Task},
};

/// The targets of a training under the model before its first update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetLogProb {
    /// The mean log-probability of a token, in nats.
    pub mean: f64,
    /// The rows whose targets were measured.
    pub rows: usize,
    /// The tokens of these targets, with those that end them.
    pub tokens: usize,
}

/// The name of the file of what was measured.
const FILE: &str = "target_log_prob.json";

/// Rows that are measured at the same time. What is known of them is kept before the next ones.
const ROWS: usize = 64;

/// The target of a row.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Target {
    /// The sum of the log-probabilities of its tokens.
    log_prob: f64,
    tokens: usize,
}

/// What the measurement depends on.
pub(super) struct Measuring<'a> {
    pub(super) settings: &'a TrainSettings,
    pub(super) rows: &'a [Row],
    /// The model before its first update, of which no other rank has a part.
    pub(super) learner: &'a Learner,
    /// Where the figures of rows are kept.
    pub(super) folder: &'a Path,
    /// That of the training.
    pub(super) identity: &'a Digest,
    pub(super) ranks: &'a Ranks,
}

impl Measuring<'_> {
    /// The targets of the first rows; `None` if it has to stop before they are known.
    ///
    /// The first rank measures and the others wait.
    pub(super) fn measure(
        &self,
        observer: &dyn Observer,
    ) -> Result<Option<TargetLogProb>, TrainError> {
        let first = self.ranks.is_first();
        let measured = first.then(|| self.of_first_rank(observer)).transpose()?;
        Ok(self.ranks.first_says(measured)?)
    }

    fn of_first_rank(&self, observer: &dyn Observer) -> Result<Option<TargetLogProb>, TrainError> {
        let count = self.settings.target_log_prob_rows.min(self.rows.len());
        let rows = &self.rows[..count];
        let nothing_is_drawn = 0;
        let task = Task::new(
            self.learner.model(),
            rows,
            self.settings.max_prompt_tokens,
            CompletionSource::Target,
            nothing_is_drawn,
        )?;
        let file = self.folder.join(FILE);
        let mut targets: Vec<Target> = kept::read(&file, self.identity);
        while targets.len() < count {
            if observer.should_stop() {
                return Ok(None);
            }
            let range = targets.len()..(targets.len() + ROWS).min(count);
            let log_probs = self.learner.log_probs(&task.sequences[range], 1.0)?;
            for log_probs in log_probs {
                let sum: f64 = log_probs.iter().map(|one| f64::from(*one)).sum();
                if !sum.is_finite() {
                    return Err(not_finite(&rows[targets.len()]));
                }
                targets.push(Target {
                    log_prob: sum,
                    tokens: log_probs.len(),
                });
            }
            targets = kept::keep(&file, self.identity, targets)
                .map_err(|source| TrainError::Observe { step: 0, source })?;
        }
        let tokens = targets.iter().map(|target| target.tokens).sum();
        let sum: f64 = targets.iter().map(|target| target.log_prob).sum();
        Ok(Some(TargetLogProb {
            mean: sum / tokens as f64,
            rows: count,
            tokens,
        }))
    }
}

fn not_finite(row: &Row) -> TrainError {
    TrainError::Settings(format!(
        "the log-probability of the target of `{}` is not finite under the model that the training starts from, \
         whose weights are not finite or whose numbers are too large for its dtype; \
         `train.target_log_prob_rows = 0` does not measure it",
        row.id
    ))
}
