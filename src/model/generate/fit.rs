//! Prompts that are too long.

use crate::model::{LanguageModel, ModelError};

/// The completion for which a prompt has to leave positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// A completion of exactly so many tokens, which is given.
    Exactly(usize),
    /// A completion that is drawn and may have so many tokens; it ends at the model's last position at the latest.
    AtMost(usize),
}

/// Cuts a prompt at its beginning if it is too long, and returns whether it was.
///
/// A prompt is too long if it has more than `longest` tokens, or if it leaves the completion no position. A completion that
/// is drawn needs as many positions as it turns out to have, so its ceiling alone never cuts a prompt. If the prompt fills
/// the model, it has to be cut anyway; then it leaves the ceiling, but at most half of the model's positions, so that
/// much of the prompt remains.
///
/// Tokens that begin every text of the model stay first.
pub fn fit_prompt(
    model: &LanguageModel,
    prompt: &mut Vec<u32>,
    longest: usize,
    room: Room,
) -> Result<bool, ModelError> {
    let positions = model.config.max_position_embeddings;
    let most = longest.min(match room {
        Room::Exactly(completion) => positions.saturating_sub(completion),
        Room::AtMost(_) if prompt.len().min(longest) < positions => longest,
        Room::AtMost(ceiling) => positions - ceiling.clamp(1, (positions / 2).max(1)),
    });
    let Some(excess) = prompt.len().checked_sub(most).filter(|excess| *excess > 0) else {
        return Ok(false);
    };
    let first = beginning(model, prompt)?.min(most);
    prompt.drain(first..first + excess);
    Ok(true)
}

/// How many tokens at the start of a prompt are not its text: the tokenizer or the chat template puts them before every text.
fn beginning(model: &LanguageModel, prompt: &[u32]) -> Result<usize, ModelError> {
    let added = model.tokenizer.encode_prompt("", true)?;
    let common = added.iter().zip(prompt);
    let common = common.take_while(|(added, token)| added == token).count();
    let has_begin = !prompt.is_empty() && prompt.first().copied() == model.config.bos_token_id;
    Ok(common.max(usize::from(has_begin)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    /// A prompt of so many tokens in a model of 64 positions, cut: the tokens that remain, by their number.
    fn cut(count: u32, longest: usize, room: Room) -> (Vec<u32>, bool) {
        let mut model = fixture::model("llama");
        model.config.bos_token_id = Some(1_000);
        let mut prompt: Vec<u32> = [1_000].into_iter().chain(1..count).collect();
        let is_cut = fit_prompt(&model, &mut prompt, longest, room).unwrap();
        assert_eq!(model.config.max_position_embeddings, 64);
        assert_eq!(prompt.first(), Some(&1_000), "the first token stays");
        (prompt.split_off(1), is_cut)
    }

    #[test]
    fn the_ceiling_of_a_completion_cuts_no_prompt_that_fits() {
        for ceiling in [1, 40, 60, 64, 1_000] {
            for count in [20, 63] {
                let (prompt, is_cut) = cut(count, 1_000, Room::AtMost(ceiling));
                assert_eq!((prompt, is_cut), ((1..count).collect(), false), "{ceiling}");
            }
        }
    }

    #[test]
    fn a_prompt_that_fills_the_model_leaves_the_ceiling_but_at_most_half() {
        // By hand, of 64 positions: 64 - 10, and 64 - 32; the first token is one of them.
        for (ceiling, left) in [(10, 54), (32, 32), (60, 32), (1_000, 32), (0, 63)] {
            for count in [64, 100] {
                let (prompt, is_cut) = cut(count, 1_000, Room::AtMost(ceiling));
                assert!(is_cut);
                assert_eq!(
                    prompt,
                    (count + 1 - left..count).collect::<Vec<_>>(),
                    "{ceiling}"
                );
            }
        }
    }

    #[test]
    fn the_longest_prompt_cuts_and_so_does_a_completion_that_is_given() {
        assert_eq!(cut(30, 4, Room::AtMost(60)), (vec![27, 28, 29], true));
        assert_eq!(cut(70, 4, Room::AtMost(60)), (vec![67, 68, 69], true));
        assert_eq!(cut(30, 30, Room::Exactly(34)), ((1..30).collect(), false));
        assert_eq!(cut(30, 30, Room::Exactly(60)), (vec![27, 28, 29], true));
        assert_eq!(cut(30, 1, Room::AtMost(60)), (vec![], true));
    }

    #[test]
    fn a_prompt_without_a_first_token_of_the_model_loses_its_own() {
        let model = fixture::model("qwen2");
        let mut prompt = vec![5, 6, 7];
        assert!(fit_prompt(&model, &mut prompt, 2, Room::AtMost(1)).unwrap());
        assert_eq!(prompt, [6, 7]);
    }
}
