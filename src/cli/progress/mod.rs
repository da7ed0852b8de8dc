//! Shows on stderr how far something is: bars on a terminal, lines elsewhere, JSON if asked for.
//!
//! [`Display`] shows the jobs of an experiment; [`JudgingProgress`] and [`DownloadProgress`] show one
//! piece of work each. All of them use the bars and intervals of `meter`.

mod bars;
mod download;
mod json;
mod judging;
mod lines;
mod meter;
mod words;

use clap::ValueEnum;

use super::output;
use crate::{
    plan::Job,
    results::Store,
    schedule::{Event, Listener},
};

pub(super) use download::DownloadProgress;
pub(super) use judging::JudgingProgress;
pub(super) use words::{duration, progress_in_words};

/// A way to show the progress of jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Bars on a terminal, lines elsewhere
    #[default]
    Auto,
    /// A bar for each running job; finished jobs scroll above
    Bars,
    /// A line for each event
    Lines,
    /// A JSON object for each event
    Json,
}

/// Shows events in one of these ways.
pub(super) enum Display<'a> {
    Bars(bars::Bars<'a>),
    Lines(lines::Lines<'a>),
    Json,
}

impl<'a> Display<'a> {
    /// A display for the jobs of an experiment.
    pub(super) fn new(kind: Kind, experiment: &str, jobs: &'a [Job], store: &'a Store) -> Self {
        let wants_bars = match kind {
            Kind::Json => return Self::Json,
            Kind::Lines => false,
            Kind::Bars => true,
            Kind::Auto => output::is_stderr_colourful(),
        };
        let words = words::Words::new(jobs, store);
        if wants_bars {
            Self::Bars(bars::Bars::new(experiment, jobs.len(), words))
        } else {
            Self::Lines(lines::Lines::new(words))
        }
    }

    /// Removes the bars; later output is printed below the lines.
    pub(super) fn finish(&self) {
        if let Self::Bars(bars) = self {
            bars.finish();
        }
    }
}

impl Listener for Display<'_> {
    fn hear(&mut self, event: &Event) {
        match self {
            Self::Bars(bars) => bars.hear(event),
            Self::Lines(lines) => lines.hear(event),
            Self::Json => json::hear(event),
        }
    }
}
