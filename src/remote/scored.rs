//! How likely a model behind an endpoint finds given tokens.
//!
//! The interface has no request of its own for this. The tokens are a prompt (a list of their numbers), which
//! the server repeats (`echo`) with the log-probability of each (`logprobs`). It has to draw at least one more
//! token, because some servers take 0 for no limit. vLLM answers so, for example.

use serde::{Deserialize, Serialize};

use super::{Call, Remote, RemoteError, Usage};

/// The log-probabilities of given tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The natural logarithm of the probability of each token but the first, given those before it.
    pub log_probs: Vec<f32>,
    /// The text of each token, the first included; empty if the server gives none.
    pub texts: Vec<String>,
    /// The model that answers, if the server names it.
    pub model: Option<String>,
    /// The number of tokens that were read, as the server counts them.
    pub prompt_tokens: usize,
    /// The number of tokens that were drawn in addition.
    pub completion_tokens: usize,
}

/// vLLM writes this, or less, for a probability of 0, because JSON has no infinity.
const NO_PROBABILITY: f32 = -9_999.0;

/// The rounding of a logarithm of a probability near 1, in the narrow numbers in which a server may compute.
const ROUNDING: f32 = 0.01;

impl Remote {
    /// Requests the log-probability of each of some tokens, and retries as often as `Patience` allows.
    pub fn score(&self, tokens: &[u32]) -> Result<Scored, RemoteError> {
        self.call(&Call {
            path: "completions",
            expected: "a prompt with its log-probabilities",
            body: &Question {
                prompt: tokens,
                echo: true,
                logprobs: 1,
                max_tokens: 1,
                temperature: 1.0,
            },
            read: &|text| read(text, tokens),
        })
    }
}

/// Reads the answer about some tokens.
pub(super) fn read(text: &str, tokens: &[u32]) -> Result<Scored, String> {
    let answer: Echo = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let choice = answer.choices.into_iter().next();
    let choice = choice.ok_or_else(|| "`choices` is empty".to_owned())?;
    let given = choice
        .logprobs
        .and_then(|one| Some((one.token_logprobs?, one.tokens)));
    let (given, texts) = given.ok_or_else(|| {
        "it has no `logprobs.token_logprobs`; the server must know `echo` together with `logprobs`".to_owned()
    })?;
    let usage = answer.usage.unwrap_or_default();
    let count = tokens.len();
    let read = usage.prompt_tokens.unwrap_or(count);
    // The last may be of the token that the server draws.
    if read != count || (given.len() != count && given.len() != count + 1) {
        return Err(format!(
            "it has {} log-probabilities for {read} tokens that were read, but {count} were sent; the server must \
             repeat the prompt (`echo`), add nothing at its beginning, and have the tokens of the model in training",
            given.len()
        ));
    }
    let of_place = |place: usize| match given[place] {
        Some(value) if value > NO_PROBABILITY && value <= ROUNDING => Ok(value),
        value => Err(format!(
            "the log-probability of token {} of {count} (number {}) is `{}`, expected a finite number of at most {ROUNDING}",
            place + 1,
            tokens[place],
            value.map_or_else(|| "null".to_owned(), |value| value.to_string())
        )),
    };
    let mut texts = texts.unwrap_or_default();
    texts.truncate(count);
    Ok(Scored {
        log_probs: (1..count).map(of_place).collect::<Result<_, _>>()?,
        texts,
        model: answer.model,
        prompt_tokens: read,
        completion_tokens: usage.completion_tokens.unwrap_or(0),
    })
}

#[derive(Serialize)]
struct Question<'a> {
    prompt: &'a [u32],
    echo: bool,
    logprobs: u8,
    max_tokens: u8,
    temperature: f64,
}

#[derive(Deserialize)]
struct Echo {
    model: Option<String>,
    choices: Vec<Echoed>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Echoed {
    logprobs: Option<LogProbs>,
}

#[derive(Deserialize)]
struct LogProbs {
    tokens: Option<Vec<String>>,
    token_logprobs: Option<Vec<Option<f32>>>,
}
