//! Whether a completion has the format that the prompt asks for.

use crate::{answer::split_thinking, syntax::is_python_space};

use super::{Detail, Measured, Pair, Reward};

/// Only the format: the correctness is always 0.
#[derive(Debug)]
pub(super) struct FormatOnly;

impl Reward for FormatOnly {
    fn correctness(&self, _: &Pair<'_>) -> Measured {
        Measured::new(0.0, Detail::FormatOnly)
    }
}

/// Scores +1 if `<think>` and the completion read `<think>…</think><answer>…</answer>`, else -1.
///
/// The thinking ends at the first `</think>` and must not contain `<think>`; white space is allowed between the two parts
/// and at the end.
pub fn format_reward(completion: &str) -> f64 {
    if is_well_formed(completion) {
        1.0
    } else {
        -1.0
    }
}

fn is_well_formed(completion: &str) -> bool {
    let Some((thinking, rest)) = split_thinking(completion) else {
        return false;
    };
    let answer = rest
        .trim_start_matches(is_python_space)
        .strip_prefix("<answer>");
    !thinking.contains("<think>")
        && answer.is_some_and(|text| {
            text.trim_end_matches(is_python_space)
                .ends_with("</answer>")
        })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "scores are equal to the last bit")]
mod tests {
    use super::*;

    #[test]
    fn thinking_then_answer_is_the_format() {
        assert_eq!(format_reward(" a\n</think>\n<answer>\nx\n</answer>\n"), 1.0);
        assert_eq!(format_reward("</think><answer></answer>"), 1.0);
    }

    #[test]
    fn one_closing_tag_is_not_both_tags() {
        assert_eq!(format_reward("</think><answer>"), -1.0);
        assert_eq!(format_reward("</think></answer>"), -1.0);
    }

    #[test]
    fn thinking_twice_breaks_the_format() {
        assert_eq!(format_reward("<think></think><answer></answer>"), -1.0);
        assert_eq!(format_reward("</think></think><answer></answer>"), -1.0);
    }

    #[test]
    fn text_after_the_answer_breaks_the_format() {
        assert_eq!(format_reward("</think><answer></answer> done"), -1.0);
    }
}
