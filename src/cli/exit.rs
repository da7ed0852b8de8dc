//! Exit codes, and how an error becomes text: nothing else decides either.

use std::{error::Error, process::ExitCode};

use super::output;
use crate::results::in_words;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything is done.
    Done,
    /// A job failed; the results of the others are reported.
    JobFailed,
    /// The spec or the arguments are wrong.
    Usage,
    /// Something is missing: a device, data, Python.
    Missing,
    /// An input of a job is wrong: it would fail again.
    WrongInput,
    /// A disk, an endpoint or the system failed a job: it may work later.
    Shortage,
    /// This program has a bug.
    Bug,
    /// The result could not be written to stdout.
    ResultLost,
    /// Stopped on request; the same command continues.
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
            Self::WrongInput => 65,
            Self::Shortage => 69,
            Self::Bug => 70,
            Self::ResultLost => 74,
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

/// Why a command failed, in words for the person who typed it.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure whose text is `error` and its causes, joined by colons.
    pub(super) fn new(exit: Exit, error: &dyn Error) -> Self {
        Self::text(exit, in_words(error))
    }

    /// A failure with this text.
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

    /// Adds what to do about it, unless that is said already with a name that is meant.
    #[must_use]
    pub(super) fn or_hint(self, hint: impl Into<String>) -> Self {
        match &self.hint {
            Some(said) if said.starts_with("did you mean") => self,
            _ => self.hint(hint),
        }
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

    /// Prints it to stderr.
    pub(super) fn report(&self) -> Exit {
        output::error_line(&format!("error: {}", self.message));
        if let Some(hint) = &self.hint {
            output::error_line(&format!("help: {hint}"));
        }
        self.exit
    }
}
