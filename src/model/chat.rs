//! Conversations as text, in `ChatML`.

use std::fmt::Write as _;

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

/// Writes a conversation so that a model goes on with the assistant's turn.
///
/// A last message of the assistant's is left open, and the model goes on where it ends; after any
/// other message a turn of the assistant's is begun.
pub fn to_chat_ml(messages: &[Message]) -> String {
    let mut text = String::new();
    for (index, Message { role, content }) in messages.iter().enumerate() {
        let is_open = role == ASSISTANT && index + 1 == messages.len();
        let end = if is_open { "" } else { "<|im_end|>\n" };
        // Writing to a `String` does not fail.
        let _ = write!(text, "<|im_start|>{role}\n{content}{end}");
    }
    if messages.last().is_none_or(|last| last.role != ASSISTANT) {
        text.push_str("<|im_start|>assistant\n");
    }
    text
}

const ASSISTANT: &str = "assistant";

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, content: &str) -> Message {
        Message {
            role: role.to_owned(),
            content: content.to_owned(),
        }
    }

    #[test]
    fn a_begun_turn_stays_open() {
        let messages = [
            message("system", "Think."),
            message("user", "Hi"),
            message("assistant", "<think>"),
        ];

        // Oracle: Qwen2.5's chat template, worked by hand.
        assert_eq!(
            to_chat_ml(&messages),
            "<|im_start|>system\nThink.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
             <|im_start|>assistant\n<think>"
        );
    }

    #[test]
    fn a_turn_is_begun_after_the_users() {
        assert_eq!(
            to_chat_ml(&[message("assistant", "Yes?"), message("user", "Hi")]),
            "<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
             <|im_start|>assistant\n"
        );
    }
}
