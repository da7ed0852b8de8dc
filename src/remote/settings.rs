//! The settings of a remote model.

use std::{env, num::NonZeroU32, time::Duration};

use thiserror::Error;

use super::{Endpoint, Patience, Remote};
use crate::settings::{Kind, from_to, settings, whole};

settings! {
    /// A model behind an OpenAI-compatible endpoint.
    pub struct RemoteSettings {
        /// The address of an OpenAI-compatible endpoint before `/chat/completions` or `/completions`,
        /// such as `http://localhost:8000/v1`; it is written to files, so it must hold no secret.
        #[serde(default)]
        #[key(Kind::Text)]
        pub base_url: String,
        /// The model's name at the endpoint.
        #[serde(default)]
        #[key(Kind::Text)]
        pub model: String,
        /// The environment variable with the API key, which is never written to a file; `none` sends
        /// no key.
        #[key(
            Kind::Text,
            default = "OPENAI_API_KEY",
            source = "the name that OpenAI's own clients look for"
        )]
        pub key_variable: String,
        /// The most requests in flight; this and the settings below are not part of a job's identity.
        #[key(whole(1, 1_024), default = 8)]
        pub concurrency: usize,
        /// The most requests a minute, including repeated attempts; 0 sets no bound.
        #[key(whole(0, 1_000_000), default = 0, source = "no bound")]
        pub requests_per_minute: u32,
        /// Requests for one completion before the job fails; the pause between them doubles, or is
        /// what the server asks for.
        #[key(whole(1, 1_000), default = 6)]
        pub attempts: u32,
        /// The longest pause between two attempts, whatever the server asks for.
        #[key(whole(1, 86_400), default = 60)]
        pub longest_pause_seconds: u64,
        /// How long one answer may take.
        #[key(whole(1, 86_400), default = 600)]
        pub timeout_seconds: u64,
        /// The price of a million tokens of prompts, for the cost in the provenance; 0 if it is not
        /// known.
        #[key(from_to(0.0, 1e6), default = 0.0)]
        pub dollars_per_million_prompt_tokens: f64,
        /// The price of a million tokens of completions; 0 if it is not known.
        #[key(from_to(0.0, 1e6), default = 0.0)]
        pub dollars_per_million_completion_tokens: f64,
    }
}

/// The API key of an endpoint is missing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the environment variable `{variable}` holds no key")]
pub struct NoKey {
    /// Where it was looked for.
    pub variable: String,
}

impl RemoteSettings {
    /// The address without a slash at its end, as it enters a job's identity.
    pub fn address(&self) -> &str {
        self.base_url.trim_end_matches('/')
    }

    /// The endpoint and the model alone, without how they are asked: what a result depends on.
    #[must_use]
    pub fn who(&self) -> Self {
        Self {
            base_url: self.address().to_owned(),
            model: self.model.clone(),
            key_variable: String::new(),
            concurrency: 0,
            requests_per_minute: 0,
            attempts: 0,
            longest_pause_seconds: 0,
            timeout_seconds: 0,
            dollars_per_million_prompt_tokens: 0.0,
            dollars_per_million_completion_tokens: 0.0,
        }
    }

    /// The API key that the environment lacks, if the model needs one.
    pub fn missing(&self) -> Option<NoKey> {
        self.key().err()
    }

    /// A connection with the key of the environment; nothing is sent yet.
    pub fn connect(&self) -> Result<Remote, NoKey> {
        let endpoint = Endpoint {
            base_url: self.base_url.clone(),
            model: self.model.clone(),
            key: self.key()?,
        };
        let patience = Patience {
            attempts: NonZeroU32::new(self.attempts).unwrap_or(NonZeroU32::MIN),
            longest_pause: Duration::from_secs(self.longest_pause_seconds),
            timeout: Duration::from_secs(self.timeout_seconds),
            ..Patience::default()
        };
        Ok(Remote::new(endpoint, patience).at_most(self.requests_per_minute))
    }

    /// What so many tokens cost, in dollars; nothing where the spec gives no price.
    pub fn dollars(&self, prompt_tokens: usize, completion_tokens: usize) -> Option<f64> {
        let prompt = self.dollars_per_million_prompt_tokens;
        let completion = self.dollars_per_million_completion_tokens;
        let sum = prompt_tokens as f64 * prompt + completion_tokens as f64 * completion;
        (prompt > 0.0 || completion > 0.0).then_some(sum / 1e6)
    }

    fn key(&self) -> Result<Option<String>, NoKey> {
        if self.key_variable == "none" {
            return Ok(None);
        }
        let key = env::var(&self.key_variable).unwrap_or_default();
        // A key that was read from a file often ends in a line break, which no header may hold.
        match key.trim() {
            "" => Err(NoKey {
                variable: self.key_variable.clone(),
            }),
            key => Ok(Some(key.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variable: &str) -> RemoteSettings {
        RemoteSettings {
            base_url: "http://localhost:1/v1/".to_owned(),
            model: "m".to_owned(),
            key_variable: variable.to_owned(),
            concurrency: 1,
            requests_per_minute: 0,
            attempts: 1,
            longest_pause_seconds: 1,
            timeout_seconds: 1,
            dollars_per_million_prompt_tokens: 0.0,
            dollars_per_million_completion_tokens: 0.0,
        }
    }

    #[test]
    fn a_missing_key_is_named_by_its_variable() {
        let settings = settings("RECODE_TEST_NO_SUCH_KEY");

        assert_eq!(
            settings.missing().unwrap().to_string(),
            "the environment variable `RECODE_TEST_NO_SUCH_KEY` holds no key"
        );
        assert!(settings.connect().is_err());
    }

    #[test]
    fn an_endpoint_without_keys_needs_no_variable() {
        assert_eq!(settings("none").missing(), None);
        assert_eq!(settings("none").address(), "http://localhost:1/v1");
    }

    #[test]
    fn a_cost_is_known_only_where_a_price_is() {
        let priced = RemoteSettings {
            dollars_per_million_prompt_tokens: 2.0,
            dollars_per_million_completion_tokens: 8.0,
            ..settings("none")
        };

        assert_eq!(settings("none").dollars(1_000, 1_000), None);
        // By hand: 500,000 at 2 a million and 250,000 at 8 a million are 1 + 2 dollars.
        assert_eq!(priced.dollars(500_000, 250_000), Some(3.0));
    }
}
