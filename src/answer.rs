//! The shape of a model's answer: its thinking, and the text after it.
//!
//! By the paper's prompt a completion starts inside the thinking, after `<think>`.

/// The thinking and the text after it; `None` if no thinking ends.
pub fn split_thinking(text: &str) -> Option<(&str, &str)> {
    text.split_once("</think>")
}

/// The text after the thinking, or the whole text if no thinking ends.
pub fn without_thinking(text: &str) -> &str {
    split_thinking(text).map_or(text, |(_, after)| after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinking_ends_once() {
        assert_eq!(without_thinking("a</think>b</think>c"), "b</think>c");
        assert_eq!(without_thinking("a"), "a");
        assert_eq!(split_thinking("<think>a"), None);
    }
}
