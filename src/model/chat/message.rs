//! The turns of a conversation.

use serde::{Deserialize, Serialize};

/// The role of messages from the model.
pub(super) const ASSISTANT: &str = "assistant";

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The speaker: `system`, `user` or `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

impl Message {
    /// A message from the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self::of("user", content)
    }

    /// A message from the model.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::of(ASSISTANT, content)
    }

    /// Instructions that precede the conversation.
    pub fn system(content: impl Into<String>) -> Self {
        Self::of("system", content)
    }

    fn of(role: &str, content: impl Into<String>) -> Self {
        Self {
            role: role.to_owned(),
            content: content.into(),
        }
    }
}
