//! The rows of a training, as tokens.

use serde::Serialize;

use crate::{model::LanguageModel, reward::UnitTests};

use super::{error::TrainError, learner::Sequence};

/// A prompt and its wanted completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// A name for messages and records.
    pub id: String,
    /// The rendered prompt, a text that the model continues.
    pub prompt: String,
    /// Whether no chat template made the prompt, so that the tokenizer adds its own tokens.
    #[serde(skip)]
    pub is_raw: bool,
    /// The code that rewards compare with.
    pub target_code: String,
    /// The completion that SFT learns.
    pub target_text: String,
    /// The note about the update, of which completions may copy phrases.
    #[serde(skip)]
    pub note: String,
    /// The unit tests of the target code, if there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<UnitTests>,
}

/// The source of the completions that a training learns from.
#[derive(Clone, Copy, Debug)]
pub(super) enum CompletionSource {
    /// The target text of the row.
    Target,
    /// The model, which samples at most `max_tokens` tokens.
    Sampled { max_tokens: usize },
}

/// Rows with their tokens.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) rows: &'a [Row],
    /// The prompt of each row, truncated on the left, and the completion if it is the target.
    pub(super) sequences: Vec<Sequence>,
    pub(super) seed: u64,
    /// The number of prompts that were truncated.
    pub(super) truncated: usize,
}

impl<'a> Task<'a> {
    /// Tokenizes all rows; prompts have at most `max_prompt_tokens` tokens, or fewer where prompt
    /// and completion would not fit into the model.
    pub(super) fn new(
        model: &LanguageModel,
        rows: &'a [Row],
        max_prompt_tokens: usize,
        completions: CompletionSource,
        seed: u64,
    ) -> Result<Self, TrainError> {
        if rows.is_empty() {
            return Err(TrainError::Settings(
                "there are no rows to learn from".to_owned(),
            ));
        }
        let limit = model.config.max_position_embeddings;
        let mut truncated = 0;
        let mut sequences = Vec::with_capacity(rows.len());
        for row in rows {
            let mut prompt = model.tokenizer.encode_prompt(&row.prompt, row.is_raw)?;
            let (completion, room) = match completions {
                CompletionSource::Target => {
                    let completion = target(model, row)?;
                    let room = completion.len();
                    (completion, room)
                }
                CompletionSource::Sampled { max_tokens } => (Vec::new(), max_tokens),
            };
            if room >= limit {
                return Err(TrainError::RowTooLong {
                    id: row.id.clone(),
                    tokens: room,
                    limit,
                });
            }
            let most = max_prompt_tokens.min(limit - room);
            if prompt.len() > most {
                truncated += 1;
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
            truncated,
        })
    }
}

/// The completion that SFT learns: the target text and the token that ends it.
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
