//! Errors of a remote model.

use thiserror::Error;

/// Why a remote model gave no answer.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// There was no answer, or only a part of one.
    #[error("no answer from `{url}`")]
    Unreachable {
        /// The address.
        url: String,
        /// What went wrong.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The server answered with an error.
    #[error("`{url}` answers with status {status}: {complaint}")]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The server's message, without the key.
        complaint: String,
    },
    /// The answer does not have the format of an OpenAI-compatible server.
    #[error("the answer of `{url}` is not {expected}: {reason}")]
    Answer {
        /// The address.
        url: String,
        /// What was expected.
        expected: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl RemoteError {
    /// Whether the same request may succeed later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { source, .. } => !matches!(
                **source,
                ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl
            ),
            Self::Refused { status, .. } => matches!(status, 408 | 409 | 425 | 429 | 500..=599),
            Self::Answer { .. } => false,
        }
    }
}
