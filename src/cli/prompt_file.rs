//! Files of prompts: a text, or JSON lines.

use std::{fs, io, io::Read as _, path::Path};

use serde::Deserialize;

use super::exit::{Exit, Failure};
use crate::model::{LanguageModel, Message, ModelError};

/// One prompt in any of its forms, with an optional completion.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PromptLine {
    prompt: Option<String>,
    messages: Option<Vec<Message>>,
    tokens: Option<Vec<u32>>,
    completion: Option<String>,
    completion_tokens: Option<Vec<u32>>,
}

/// Reads a file of prompts: JSON lines if it ends in `.jsonl`, else one prompt; `-` is the standard
/// input, and one prompt.
pub(super) fn read(path: &Path) -> Result<Vec<PromptLine>, Failure> {
    let text = text(path).map_err(|error| {
        let text = format!("cannot read `{}`: {error}", path.display());
        Failure::text(Exit::Usage, text)
    })?;
    if path
        .extension()
        .is_none_or(|extension| extension != "jsonl")
    {
        return Ok(vec![PromptLine {
            prompt: Some(text),
            ..PromptLine::default()
        }]);
    }
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| {
                let text = format!("line {} of `{}`: {error}", index + 1, path.display());
                Failure::text(Exit::Usage, text).hint(
                    "a line has `prompt`, `messages` or `tokens`, and perhaps `completion` or \
                     `completion_tokens`",
                )
            })
        })
        .collect()
}

fn text(path: &Path) -> io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(path)
}

impl PromptLine {
    /// The tokens of the prompt; with `is_chat` a plain text is a user's message.
    pub(super) fn tokens(&self, model: &LanguageModel, is_chat: bool) -> Result<Vec<u32>, Failure> {
        if let (Some(tokens), None, None) = (&self.tokens, &self.messages, &self.prompt) {
            return Ok(tokens.clone());
        }
        let text = self.text(model, is_chat)?;
        let is_raw = !is_chat && self.messages.is_none();
        let tokens = model.tokenizer.encode_prompt(&text, is_raw);
        tokens.map_err(|error| usage(&error))
    }

    /// The text of the prompt, as the model sees it.
    pub(super) fn text(&self, model: &LanguageModel, is_chat: bool) -> Result<String, Failure> {
        let said = match (&self.tokens, &self.messages, &self.prompt) {
            (Some(tokens), None, None) => {
                return model
                    .tokenizer
                    .decode(tokens)
                    .map_err(|error| usage(&error));
            }
            (None, Some(messages), None) => messages.clone(),
            (None, None, Some(text)) if is_chat => vec![Message::user(text.trim_end())],
            (None, None, Some(text)) => return Ok(text.clone()),
            _ => {
                let text = "a prompt needs exactly one of `prompt`, `messages` and `tokens`";
                return Err(Failure::text(Exit::Usage, text));
            }
        };
        let text = model.chat.render_as_trained(&said);
        text.map_err(|error| usage(&error))
    }

    /// The tokens of the completion that is given, if there is one.
    pub(super) fn completion(&self, model: &LanguageModel) -> Result<Vec<u32>, Failure> {
        match (&self.completion_tokens, &self.completion) {
            (Some(tokens), _) => Ok(tokens.clone()),
            (None, Some(text)) => model.tokenizer.encode(text).map_err(|error| usage(&error)),
            (None, None) => Ok(Vec::new()),
        }
    }
}

fn usage(error: &ModelError) -> Failure {
    Failure::new(Exit::Usage, error)
}
