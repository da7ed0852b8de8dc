//! The code of a completion: its first python fence.

use crate::{answer::without_thinking, syntax::is_python_space};

use super::Normalizer;

const FENCE: &str = "```";

/// The code of the first fence marked `python`, without white space around it.
///
/// As published, the opening line must be exactly "```python", the next line that begins with "```" closes the fence, and
/// a fence in the thinking counts. As fixed, the opening line may have capitals, spaces or `\r\n` at its end, an empty
/// fence is empty code, and thinking that ends is skipped.
pub(super) fn first_fence(completion: &str, normalizer: Normalizer) -> Option<&str> {
    let code = match normalizer {
        Normalizer::Published => published(completion)?,
        Normalizer::Fixed => fixed(without_thinking(completion))?,
    };
    Some(code.trim_matches(is_python_space))
}

fn published(completion: &str) -> Option<&str> {
    let (_, rest) = completion.split_once("```python\n")?;
    rest.split_once("\n```").map(|(code, _)| code)
}

fn fixed(answer: &str) -> Option<&str> {
    for (at, _) in answer.match_indices(FENCE) {
        let Some(line_and_rest) = answer.get(at + FENCE.len()..) else {
            continue;
        };
        let Some((label, rest)) = line_and_rest.split_once('\n') else {
            continue;
        };
        if label.trim_end().eq_ignore_ascii_case("python") {
            // An empty fence closes on the line after its opening.
            let is_empty = rest.starts_with(FENCE);
            return if is_empty {
                Some("")
            } else {
                rest.split_once("\n```").map(|(code, _)| code)
            };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(completion: &str) -> [Option<&str>; 2] {
        [Normalizer::Published, Normalizer::Fixed].map(|mode| first_fence(completion, mode))
    }

    #[test]
    fn the_first_fence_is_the_code() {
        assert_eq!(
            both("a\n```python\nx = 1\n\n```\n```python\ny\n```"),
            [Some("x = 1"); 2]
        );
    }

    #[test]
    fn an_open_fence_is_no_code() {
        assert_eq!(both("```python\nx = 1\n"), [None; 2]);
    }

    #[test]
    fn only_the_published_form_takes_code_from_the_thinking() {
        let completion = "```python\nx\n```</think>```python\ny\n```";
        assert_eq!(both(completion), [Some("x"), Some("y")]);
    }

    #[test]
    fn only_the_fixed_form_takes_other_line_ends_and_empty_code() {
        assert_eq!(both("```python\r\nx\r\n```"), [None, Some("x")]);
        assert_eq!(both("```Python \nx\n```"), [None, Some("x")]);
        assert_eq!(both("```python\n```"), [None, Some("")]);
    }
}
