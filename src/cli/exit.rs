//! Exit codes, and how an error becomes text: the only place that decides either.

use std::{error::Error, process::ExitCode};

use super::output;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// All is done.
    Done,
    /// Some job failed; what could be reported was.
    JobFailed,
    /// The spec or the arguments are wrong.
    Usage,
    /// Something is not there: a device, data, Python.
    Missing,
    /// A bug of this program.
    Bug,
    /// Stopped on request; the same command goes on.
    Stopped,
    /// A job that this one builds on is not finished.
    UpstreamNotFinished,
    /// Another process runs the job.
    Held,
}

impl Exit {
    /// The process's exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::JobFailed => 1,
            Self::Usage => 2,
            Self::Missing => 3,
            Self::Bug => 70,
            Self::Stopped => 75,
            Self::UpstreamNotFinished => 76,
            Self::Held => 77,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do its work, in words for the person who typed it.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure whose text is `error` and its causes, joined by colons.
    pub(super) fn new(exit: Exit, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self {
            exit,
            message,
            hint: None,
        }
    }

    /// A failure with a text of its own.
    pub(super) fn text(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The text alone, for a file.
    pub(super) fn into_message(self) -> String {
        self.message
    }

    /// What to do about it, for a test.
    #[cfg(test)]
    pub(super) fn into_hint(self) -> Option<String> {
        self.hint
    }

    /// Says it on stderr.
    pub(super) fn report(&self) -> Exit {
        output::error_line(&format!("error: {}", self.message));
        if let Some(hint) = &self.hint {
            output::error_line(&format!("help: {hint}"));
        }
        self.exit
    }
}
