//! What a spec may say about a remote model: `[model.remote]`.

use std::{env, num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Endpoint, Patience, Remote};

/// The table `model.remote`: a model behind an OpenAI-compatible endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteSettings {
    /// The address before `/chat/completions`; it may hold no secret, since it is written down.
    #[serde(default)]
    pub base_url: String,
    /// The model's name there.
    #[serde(default)]
    pub model: String,
    /// The environment variable with the key, or `none` to send no key.
    pub key_variable: String,
    /// The most requests in flight.
    pub concurrency: usize,
    /// The most requests a minute, those of further attempts included; 0 sets no bound.
    pub requests_per_minute: u32,
    /// Requests for one completion before the job fails.
    pub attempts: u32,
    /// No pause between two attempts is longer, whatever the server asks for.
    pub longest_pause_seconds: u64,
    /// How long one answer may take.
    pub timeout_seconds: u64,
    /// The price of a million tokens of prompts; 0 if it is not known.
    pub dollars_per_million_prompt_tokens: f64,
    /// The price of a million tokens of completions; 0 if it is not known.
    pub dollars_per_million_completion_tokens: f64,
}

/// The key of an endpoint is not there.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the environment variable `{variable}` holds no key")]
pub struct NoKey {
    /// Where it was looked for.
    pub variable: String,
}

impl RemoteSettings {
    /// The address without a slash at its end, by which jobs are told apart.
    pub fn address(&self) -> &str {
        self.base_url.trim_end_matches('/')
    }

    /// What the environment lacks to ask this model, if it lacks something.
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
    fn a_key_that_is_not_there_is_named_by_its_variable() {
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
    fn a_cost_is_told_only_where_a_price_is() {
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
