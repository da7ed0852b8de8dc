//! A rendered prompt as the text that a model continues.

use crate::{
    data::Prompt,
    model::{Chat, ChatFormat, Message, ModelError},
};

/// The text of a prompt: unchanged, or a conversation in the model's chat format.
pub fn prompt_text(prompt: Prompt, chat: &Chat) -> Result<String, ModelError> {
    match prompt {
        Prompt::Raw(text) => Ok(text),
        Prompt::Messages(messages) => {
            let messages: Vec<Message> = messages
                .into_iter()
                .map(|message| Message {
                    role: message.role.as_str().to_owned(),
                    content: message.content,
                })
                .collect();
            chat.render(&messages)
        }
    }
}

/// Whether the text of a prompt is that of no chat template, so that the tokenizer adds its own tokens.
pub fn is_raw(prompt: &Prompt, chat: &Chat) -> bool {
    matches!(prompt, Prompt::Raw(_)) || chat.format == ChatFormat::None
}
