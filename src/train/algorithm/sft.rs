//! Supervised fine-tuning on completions.

use std::time::Instant;

use crate::{
    settings::{Preset, choice, from_to, presets, settings},
    train::{
        TrainError,
        algorithm::AlgorithmSettings,
        learner::{Learner, Moment, Sequence, narrow, rectangle},
        loss::{cross_entropy, token_weights},
        order::RowOrder,
        rollout::objective::Objective,
        step::{LeftOut, Lesson, Method, Place, Stop, Taken},
        task::Task,
    },
};

settings! {
    /// The settings of SFT alone.
    pub struct SftSettings {
        /// The weight of the prompt's tokens in the loss; 0 trains on completions only.
        #[key(from_to(0.0, 1.0), default = 0.0, source = "completions only")]
        pub prompt_weight: f64,
        /// In which order the rows come: shuffled again for each epoch, or as in the file.
        #[key(choice::<RowOrder>("order"), default = "shuffled", source = "as TRL")]
        pub order: RowOrder,
    }
}

impl AlgorithmSettings for SftSettings {
    const HAS_REWARD: bool = false;

    const PRESETS: &'static [Preset] = presets! {
        max_steps = 670, "ours: 3 epochs of 1,786 rows by 8";
        lr.warmup_steps = 20, "ours: 3 %, as above";
    };

    const SOURCE: Option<&'static str> =
        Some("the paper has no code for SFT: lr and adapter as above");

    fn objective(&self, _: usize) -> Option<Objective> {
        None
    }
}

/// Learns the targets of `batch_size` rows a step.
pub(in crate::train) struct Sft<'a> {
    pub(in crate::train) task: &'a Task<'a>,
    pub(in crate::train) batch_size: usize,
    pub(in crate::train) prompt_weight: f64,
    pub(in crate::train) order: RowOrder,
}

impl Method for Sft<'_> {
    fn step(
        &mut self,
        learner: &mut Learner,
        place: Place,
        _: &mut Stop<'_>,
    ) -> Result<Option<Taken>, TrainError> {
        let clock = Instant::now();
        let rows = self.order.rows_at(
            self.task.seed,
            self.task.rows.len(),
            place.row,
            self.batch_size,
        );
        let (sequences, weights): (Vec<_>, Vec<_>) = rows
            .iter()
            .map(|row| self.weighted(&self.task.sequences[*row]))
            .unzip();
        let device = learner.device();
        let moment = Moment {
            step: place.step,
            update: 0,
            rate: place.rate,
            temperature: 1.0,
        };
        let weights = shares(&weights);
        let update = learner.update(&sequences, moment, &|piece| {
            let rows = piece.rows.iter().map(|row| weights[*row].as_slice());
            let weight = rectangle(rows, piece.tokens.completion_time(), &device);
            cross_entropy(piece.scores.log_probs, weight)
        });
        let left_out = (!update.is_finite()).then(|| LeftOut {
            update: 0,
            made: update,
            samples: rows.iter().map(|row| self.lesson(*row)).collect(),
        });
        Ok(Some(Taken {
            prompts: self.batch_size,
            updates: vec![update],
            left_out: left_out.into_iter().collect(),
            tokens: sequences.iter().map(Sequence::len).sum(),
            update_seconds: clock.elapsed().as_secs_f64(),
            ..Taken::default()
        }))
    }
}

impl Sft<'_> {
    fn lesson(&self, row: usize) -> Lesson {
        Lesson {
            row,
            completion: self.task.rows[row].target_text.clone(),
            reward: None,
            advantage: None,
        }
    }

    /// A sequence whose completion holds every token that counts, and the weight of each of these.
    fn weighted(&self, row: &Sequence) -> (Sequence, Vec<f64>) {
        let learned = row.completion.len();
        if self.prompt_weight == 0.0 {
            return (row.clone(), token_weights(0, learned, 0.0));
        }
        // Nothing predicts the first token, so that it stays the prompt.
        let (first, rest) = row.prompt.split_at(1);
        let sequence = Sequence {
            prompt: first.to_vec(),
            completion: [rest, &row.completion].concat(),
        };
        (
            sequence,
            token_weights(rest.len(), learned, self.prompt_weight),
        )
    }
}

/// Weights as shares of the whole batch's.
fn shares(weights: &[Vec<f64>]) -> Vec<Vec<f32>> {
    let total: f64 = weights.iter().flatten().sum();
    weights
        .iter()
        .map(|row| row.iter().map(|weight| narrow(weight / total)).collect())
        .collect()
}
