//! Conversations as text: in `ChatML`, in the template of the model, or unchanged.

mod date;
mod json;
mod template;

use std::{fmt::Write as _, path::Path, time::SystemTime};

use serde::{Deserialize, Serialize};

use super::error::ModelError;

use template::ChatTemplate;

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

/// How a conversation becomes the text that a model reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatFormat {
    /// `ChatML`, whatever the model was trained on, as in the paper's reference code.
    #[default]
    Chatml,
    /// The chat template of the model.
    Template,
    /// The texts alone, separated by blank lines: for models that were not trained on conversations.
    None,
}

/// How a model reads conversations.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// How conversations become text.
    pub format: ChatFormat,
    template: Option<ChatTemplate>,
}

const ASSISTANT: &str = "assistant";

impl Chat {
    /// Reads the template of a model's folder, if it has one.
    pub(super) fn from_folder(folder: &Path) -> Result<Self, ModelError> {
        Ok(Self {
            format: ChatFormat::default(),
            template: ChatTemplate::from_folder(folder)?,
        })
    }

    /// Writes a conversation so that a model goes on with the assistant's turn.
    ///
    /// A last message of the assistant's is left open, and the model goes on where it ends; after
    /// any other message a turn of the assistant's is begun.
    pub fn render(&self, messages: &[Message]) -> Result<String, ModelError> {
        match (self.format, &self.template) {
            (ChatFormat::Chatml, _) => Ok(to_chat_ml(messages)),
            (ChatFormat::Template, Some(template)) => template.render(messages),
            (ChatFormat::Template, None) => Err(ModelError::Chat(
                "the model has no chat template, choose another `model.chat`".to_owned(),
            )),
            (ChatFormat::None, _) => {
                let texts: Vec<&str> = messages.iter().map(|one| one.content.as_str()).collect();
                Ok(texts.join("\n\n"))
            }
        }
    }

    /// As [`Self::render`], in the model's template if it has one, and else in `ChatML`.
    pub fn render_as_trained(&self, messages: &[Message]) -> Result<String, ModelError> {
        match &self.template {
            Some(template) => template.render(messages),
            None => Ok(to_chat_ml(messages)),
        }
    }

    /// Sets the date that the template can ask for.
    ///
    /// Without this it is a fixed date, so that an experiment does not depend on the clock.
    pub fn set_date(&mut self, date: SystemTime) {
        if let Some(template) = &mut self.template {
            template.date = date;
        }
    }
}

fn to_chat_ml(messages: &[Message]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_turn_stays_open() {
        let messages = [
            Message::system("Think."),
            Message::user("Hi"),
            Message::assistant("<think>"),
        ];

        // Oracle: Qwen2.5's chat template, worked by hand.
        assert_eq!(
            to_chat_ml(&messages),
            "<|im_start|>system\nThink.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
             <|im_start|>assistant\n<think>"
        );
    }

    #[test]
    fn a_turn_of_the_assistant_follows_the_users() {
        assert_eq!(
            to_chat_ml(&[Message::assistant("Yes?"), Message::user("Hi")]),
            "<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
             <|im_start|>assistant\n"
        );
    }

    #[test]
    fn the_format_chooses_and_a_missing_template_is_reported() {
        let messages = [Message::system("Think."), Message::assistant("x =")];
        let mut chat = Chat::default();
        assert_eq!(chat.render(&messages).unwrap(), to_chat_ml(&messages));

        chat.format = ChatFormat::None;
        assert_eq!(chat.render(&messages).unwrap(), "Think.\n\nx =");
        chat.format = ChatFormat::Template;
        insta::assert_snapshot!(chat.render(&messages).unwrap_err(), @"cannot lay out a conversation: the model has no chat template, choose another `model.chat`");
    }
}
