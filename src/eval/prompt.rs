//! A rendered prompt as the text that a model continues.

use crate::{data::Prompt, model::chat};

/// The text of a prompt: as it stands, or a conversation in `ChatML`.
///
/// The paper's reference code lays every model's conversation out as `ChatML`, whatever the model was
/// trained on; so does this.
pub fn prompt_text(prompt: Prompt) -> String {
    match prompt {
        Prompt::Raw(text) => text,
        Prompt::Messages(messages) => {
            let messages: Vec<chat::Message> = messages
                .into_iter()
                .map(|message| chat::Message {
                    role: message.role.as_str().to_owned(),
                    content: message.content,
                })
                .collect();
            chat::to_chat_ml(&messages)
        }
    }
}
