//! Conversations as text: in `ChatML`, in the template of the model, or unchanged.

mod date;
mod json;
mod message;
mod template;

use std::{fmt::Write as _, time::SystemTime};

use super::{error::ModelError, files::SmallFiles, settings::ChatFormat};

pub use message::Message;

use message::ASSISTANT;
use template::ChatTemplate;

/// How a model reads conversations.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    /// How conversations become text.
    pub format: ChatFormat,
    template: Option<ChatTemplate>,
}

impl Chat {
    /// Reads the template of a model, if there is one.
    pub(super) fn from_model(files: &SmallFiles) -> Result<Self, ModelError> {
        Ok(Self {
            format: ChatFormat::default(),
            template: ChatTemplate::from_model(files)?,
        })
    }

    /// Renders a conversation so that a model continues the turn of the assistant.
    ///
    /// If the last message is the assistant's, its turn is left open and the model continues it;
    /// otherwise the text ends with the start of a turn of the assistant.
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

    /// As [`Self::render`], in the template of the model if it has one, else in `ChatML`.
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

        // Oracle: the chat template of Qwen2.5, worked by hand.
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
