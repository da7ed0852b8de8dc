//! Texts from a model behind an OpenAI-compatible endpoint.
//!
//! A [`Remote`] sends a conversation and returns the answer, or sends tokens and returns how likely they
//! were. It retries requests whose failure may be
//! temporary (no connection, too many requests, a failing server) with growing pauses. The API key stays
//! secret: neither `Debug` output nor an error contains it, even if the server repeats it.

mod error;
#[cfg(test)]
mod fuzz;
mod pace;
mod scored;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    num::NonZeroU32,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use ureq::{Agent, Body, http::Response};

pub use error::RemoteError;
use pace::Pace;
pub use scored::Scored;
pub use settings::{NoKey, RemoteSettings};

/// The address and the name of a model, and the key for it.
#[derive(Clone)]
pub struct Endpoint {
    /// The address before `/chat/completions` and `/completions`, such as `http://localhost:8000/v1`.
    pub base_url: String,
    /// The model's name there.
    pub model: String,
    /// The API key, sent as a bearer token; never shown and never written to disk.
    pub key: Option<String>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Endpoint")
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .field("key", &self.key.as_ref().map(|_| "(hidden)"))
            .finish()
    }
}

/// How long to wait for an answer, and how often to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The number of requests, including the first one, before an error is final.
    pub attempts: NonZeroU32,
    /// The pause before the second attempt; each later pause is twice as long.
    pub first_pause: Duration,
    /// The longest pause, whatever the server asks for.
    pub longest_pause: Duration,
    /// The time limit of one answer.
    pub timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: NonZeroU32::MIN.saturating_add(5),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            timeout: Duration::from_mins(10),
        }
    }
}

/// A conversation to continue, and the sampling settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Chat {
    /// The turns so far.
    pub messages: Vec<Turn>,
    /// The sampling temperature; the server's default if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The cumulative probability of nucleus sampling; the server's default if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The largest number of tokens in the answer; the server's default if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// A seed, which a server may ignore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// The answer of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// Why it ends, as the server names it: `stop`, or `length` if it was cut off.
    pub finish_reason: Option<String>,
    /// The number of tokens in the conversation, if the server reports it.
    pub prompt_tokens: Option<usize>,
    /// The number of tokens in the answer, if the server reports it.
    pub completion_tokens: Option<usize>,
}

/// A connection to an endpoint, which several threads may use.
#[derive(Clone, Debug)]
pub struct Remote {
    agent: Agent,
    endpoint: Endpoint,
    patience: Patience,
    /// Shared by all clones.
    pace: Option<Arc<Pace>>,
}

/// The most characters of a server's error message that our error repeats.
const SHOWN_COMPLAINT: usize = 300;

impl Remote {
    /// A connection to `endpoint`; nothing is sent yet.
    pub fn new(endpoint: Endpoint, patience: Patience) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirected POST would lose its body, and the key must not be sent to another server.
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(20).min(patience.timeout)))
            .timeout_global(Some(patience.timeout))
            .build();
        Self {
            agent: config.new_agent(),
            endpoint,
            patience,
            pace: None,
        }
    }

    /// The same with a limit on the requests per minute of all clones together; 0 sets no limit.
    #[must_use]
    pub fn at_most(mut self, requests_per_minute: u32) -> Self {
        self.pace = Pace::of(requests_per_minute).map(Arc::new);
        self
    }

    /// Requests an answer, and retries as often as `Patience` allows.
    pub fn ask(&self, chat: &Chat) -> Result<Answer, RemoteError> {
        self.call(&Call {
            path: "chat/completions",
            expected: "a chat completion",
            body: chat,
            read: &answer,
        })
    }

    /// Sends a request, and retries as often as `Patience` allows.
    fn call<T>(&self, call: &Call<'_, impl Serialize, T>) -> Result<T, RemoteError> {
        let mut attempt = 1;
        loop {
            let begun = Instant::now();
            let (error, asked_pause) = match self.attempt(call) {
                Ok(answer) => return Ok(answer),
                Err(refusal) => refusal,
            };
            if !error.may_pass() || attempt >= self.patience.attempts.get() {
                return Err(error);
            }
            let pause = self.pause(attempt, asked_pause);
            tracing::warn!(
                attempt,
                ?pause,
                elapsed = ?begun.elapsed(),
                error = %error,
                "a remote model did not answer; retrying"
            );
            thread::sleep(pause);
            attempt += 1;
        }
    }

    /// The pause after this attempt: what the server asks for, or twice the previous pause.
    fn pause(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let factor = 1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX);
        let growing = self.patience.first_pause.saturating_mul(factor);
        asked.unwrap_or(growing).min(self.patience.longest_pause)
    }

    /// Sends one request; an error comes with the pause that the server asks for.
    fn attempt<T>(
        &self,
        call: &Call<'_, impl Serialize, T>,
    ) -> Result<T, (RemoteError, Option<Duration>)> {
        if let Some(pace) = &self.pace {
            pace.wait();
        }
        let base_url = self.endpoint.base_url.trim_end_matches('/');
        let url = format!("{base_url}/{}", call.path);
        let mut request = self.agent.post(&url);
        if let Some(key) = &self.endpoint.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let body = Request {
            model: &self.endpoint.model,
            body: call.body,
        };
        let response = request.send_json(&body).map_err(|source| {
            let source = Box::new(source);
            let url = url.clone();
            (RemoteError::Unreachable { url, source }, None)
        })?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            let pause = retry_after(&response);
            let complaint = self.complaint(response);
            let error = RemoteError::Refused {
                url,
                status,
                complaint,
            };
            return Err((error, pause));
        }
        let text = response.into_body().read_to_string().map_err(|source| {
            let source = Box::new(source);
            let url = url.clone();
            (RemoteError::Unreachable { url, source }, None)
        })?;
        (call.read)(&text).map_err(|reason| {
            let reason = self.redacted(&reason);
            let expected = call.expected;
            let error = RemoteError::Answer {
                url,
                expected,
                reason,
            };
            (error, None)
        })
    }

    /// The server's error message, shortened and without the key.
    fn complaint(&self, response: Response<Body>) -> String {
        let body = response.into_body().read_to_string().unwrap_or_default();
        let said =
            serde_json::from_str::<Complaint>(&body).map(|complaint| complaint.error.message);
        let text = self.redacted(said.as_deref().unwrap_or(&body));
        text.trim().chars().take(SHOWN_COMPLAINT).collect()
    }

    fn redacted(&self, text: &str) -> String {
        match &self.endpoint.key {
            Some(key) if !key.is_empty() => text.replace(key.as_str(), "(hidden)"),
            _ => text.to_owned(),
        }
    }
}

/// A request, and how its answer is read.
struct Call<'a, B, T> {
    /// The end of the address.
    path: &'static str,
    /// What the answer is, for errors.
    expected: &'static str,
    body: &'a B,
    read: &'a dyn Fn(&str) -> Result<T, String>,
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    // These servers send seconds; for a date, the growing pauses apply.
    value.trim().parse().ok().map(Duration::from_secs)
}

fn answer(text: &str) -> Result<Answer, String> {
    let completion: Completion = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let choice = completion.choices.into_iter().next();
    let choice = choice.ok_or_else(|| "`choices` is empty".to_owned())?;
    // A reasoning model may reach the token limit before its answer begins.
    let is_cut = choice.finish_reason.as_deref() == Some("length");
    let text = choice.message.content.or(is_cut.then(String::new));
    let usage = completion.usage.unwrap_or_default();
    Ok(Answer {
        text: text.ok_or_else(|| "`content` is empty".to_owned())?,
        finish_reason: choice.finish_reason,
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
    })
}

#[derive(Serialize)]
struct Request<'a, B> {
    model: &'a str,
    #[serde(flatten)]
    body: &'a B,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

#[derive(Default, Deserialize)]
struct Usage {
    prompt_tokens: Option<usize>,
    completion_tokens: Option<usize>,
}

#[derive(Deserialize)]
struct Complaint {
    error: Message,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}
