//! The rows of a training, as tokens.

use serde::Serialize;

use crate::model::LanguageModel;

use super::{Algorithm, TrainError, TrainSettings, learner::Sequence};

/// A prompt and what a good answer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What a person would call it.
    pub id: String,
    /// The rendered prompt: the model continues this text.
    pub prompt: String,
    /// The code that rewards compare with.
    pub target_code: String,
    /// The completion that SFT learns.
    pub target_text: String,
}

/// Rows with their tokens.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) rows: &'a [Row],
    /// Each row's prompt, cut on the left, and the completion that SFT learns.
    pub(super) sequences: Vec<Sequence>,
    pub(super) seed: u64,
    /// How many prompts had to be cut.
    pub(super) cut: usize,
}

impl<'a> Task<'a> {
    /// Tokenises all rows once.
    pub(super) fn new(
        model: &LanguageModel,
        rows: &'a [Row],
        settings: &TrainSettings,
        seed: u64,
    ) -> Result<Self, TrainError> {
        if rows.is_empty() {
            return Err(TrainError::Settings(
                "there are no rows to learn from".to_owned(),
            ));
        }
        let limit = model.config.max_position_embeddings;
        let mut cut = 0;
        let mut sequences = Vec::with_capacity(rows.len());
        for row in rows {
            let mut prompt = model.tokenizer.encode(&row.prompt)?;
            let (completion, room) = match settings.algorithm {
                Algorithm::Sft(_) => {
                    let completion = target(model, row)?;
                    let room = completion.len();
                    (completion, room)
                }
                _ => (Vec::new(), settings.sampling.max_completion_tokens),
            };
            if room >= limit {
                return Err(TrainError::RowTooLong {
                    id: row.id.clone(),
                    tokens: room,
                    limit,
                });
            }
            let most = settings.max_prompt_tokens.min(limit - room);
            if prompt.len() > most {
                cut += 1;
                prompt.drain(..prompt.len() - most);
            }
            if prompt.is_empty() {
                return Err(TrainError::Settings(format!(
                    "row `{}` has an empty prompt",
                    row.id
                )));
            }
            sequences.push(Sequence { prompt, completion });
        }
        Ok(Self {
            rows,
            sequences,
            seed,
            cut,
        })
    }
}

/// What SFT learns: the target text and the token that ends it.
fn target(model: &LanguageModel, row: &Row) -> Result<Vec<u32>, TrainError> {
    let mut tokens = model.tokenizer.encode(&row.target_text)?;
    tokens.extend(model.stop_tokens.first());
    if tokens.is_empty() {
        return Err(TrainError::Settings(format!(
            "row `{}` has nothing to learn",
            row.id
        )));
    }
    Ok(tokens)
}
