//! The code of a completion.

use std::borrow::Cow;

use crate::{
    answer::Answer,
    syntax::{defined_names, is_python_space},
};

use super::Normalizer;

/// The fenced code of a completion, without white space around it.
///
/// As published, it is the first fence whose opening line is exactly "```python"; the next line that begins with "```" closes
/// it, and a fence in the thinking counts. As fixed, the completion is read as the benchmarks read it; if there are
/// several fences, the one counts that defines the functions and classes of the target.
pub(super) fn fenced_code<'a>(
    completion: &'a str,
    target: &str,
    normalizer: Normalizer,
) -> Option<Cow<'a, str>> {
    match normalizer {
        Normalizer::Published => {
            let code = published(completion)?;
            Some(Cow::Borrowed(code.trim_matches(is_python_space)))
        }
        Normalizer::Fixed => {
            let wanted = || defined_names(target).unwrap_or_default();
            let code = Answer::read(completion).fenced(wanted)?;
            Some(Cow::Owned(code.trim_matches(is_python_space).to_owned()))
        }
    }
}

fn published(completion: &str) -> Option<&str> {
    let (_, rest) = completion.split_once("```python\n")?;
    rest.split_once("\n```").map(|(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(completion: &str) -> [Option<Cow<'_, str>>; 2] {
        let target = "def f():\n    return 1";
        [Normalizer::Published, Normalizer::Fixed].map(|mode| fenced_code(completion, target, mode))
    }

    fn codes(expected: [Option<&str>; 2]) -> [Option<Cow<'_, str>>; 2] {
        expected.map(|code| code.map(Cow::Borrowed))
    }

    #[test]
    fn the_first_fence_is_the_code() {
        let found = both("a\n```python\nx = 1\n\n```\n```python\ny\n```");
        assert_eq!(found, codes([Some("x = 1"); 2]));
    }

    #[test]
    fn only_the_fixed_form_prefers_the_fence_that_defines_the_function() {
        let found = both("a\n```python\nf()\n```\n```python\ndef f(): pass\n```");
        assert_eq!(found, codes([Some("f()"), Some("def f(): pass")]));
    }

    #[test]
    fn only_the_fixed_form_takes_a_fence_that_is_not_closed() {
        assert_eq!(both("```python\nx = 1\n"), codes([None, Some("x = 1")]));
    }

    #[test]
    fn only_the_published_form_takes_code_from_the_thinking() {
        let completion = "```python\nx\n```</think>```python\ny\n```";
        assert_eq!(both(completion), codes([Some("x"), Some("y")]));
    }

    #[test]
    fn only_the_fixed_form_takes_other_line_ends_and_empty_code() {
        assert_eq!(both("```python\r\nx\r\n```"), codes([None, Some("x")]));
        assert_eq!(both("```Python \nx\n```"), codes([None, Some("x")]));
        assert_eq!(both("```python\n```"), codes([None, Some("")]));
    }

    #[test]
    fn neither_form_takes_code_without_a_fence_or_in_another_language() {
        for completion in ["def f(): pass", "```bash\nls\n```", ""] {
            assert_eq!(both(completion), [None, None], "{completion}");
        }
    }
}
