//! The rows of a training, as tokens.

use serde::Serialize;

use crate::{
    model::{LanguageModel, Room, fit_prompt},
    reward::UnitTests,
};

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
    /// The prompt of each row, cut at its beginning if it is too long, and the completion if it is the target.
    pub(super) sequences: Vec<Sequence>,
    pub(super) seed: u64,
    /// The number of prompts that were cut.
    pub(super) truncated: usize,
}

impl<'a> Task<'a> {
    /// Tokenizes all rows, and cuts prompts that have more than `max_prompt_tokens` tokens or that leave the
    /// completion too few positions; see [`fit_prompt`].
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
                    let room = Room::Exactly(completion.len());
                    (completion, room)
                }
                CompletionSource::Sampled { max_tokens } => (Vec::new(), Room::AtMost(max_tokens)),
            };
            if completion.len() >= limit {
                return Err(TrainError::RowTooLong {
                    id: row.id.clone(),
                    tokens: completion.len(),
                    limit,
                });
            }
            let is_cut = fit_prompt(model, &mut prompt, max_prompt_tokens, room)?;
            truncated += usize::from(is_cut);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::AdapterKind, train::tests::fixture};

    /// The lengths of the prompts of eight words, and how many were cut, in a model of 32 positions.
    fn prompts(longest: usize, completions: CompletionSource) -> (Vec<usize>, usize) {
        let model = fixture::model(AdapterKind::Lora, 0.0);
        assert_eq!(model.config.max_position_embeddings, 32);
        let row = |id: &str, target_text: &str| Row {
            id: id.to_owned(),
            prompt: "w1 w2 w3 w4 w5 w6 w7 w8".to_owned(),
            is_raw: true,
            target_code: String::new(),
            target_text: target_text.to_owned(),
            note: String::new(),
            tests: None,
        };
        let rows = [row("short", "w1 w2"), row("long", &"w1 ".repeat(27))];
        let task = Task::new(&model, &rows, longest, completions, 1).unwrap();
        let lengths = task.sequences.iter().map(|one| one.prompt.len());
        (lengths.collect(), task.truncated)
    }

    #[test]
    fn only_the_longest_prompt_and_a_target_cut_prompts() {
        for max_tokens in [5, 24, 31, 32, 1_000] {
            let sampled = CompletionSource::Sampled { max_tokens };
            assert_eq!(prompts(8, sampled), (vec![8, 8], 0), "{max_tokens}");
            assert_eq!(prompts(3, sampled), (vec![3, 3], 2), "{max_tokens}");
        }
        // By hand: 27 words and the token that ends them leave 4 of 32 positions.
        assert_eq!(prompts(8, CompletionSource::Target), (vec![8, 4], 1));
    }
}
