//! Shows on stderr what happens while jobs run: bars, plain lines, or JSON lines.

mod bars;
mod json;
mod lines;
mod words;

use clap::ValueEnum;

use super::output;
use crate::{
    plan::Job,
    results::Store,
    schedule::{Event, Listener},
};

pub(super) use words::{duration, progress_in_words};

/// A way to show progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Bars on a terminal, else lines
    #[default]
    Auto,
    /// A bar for each running job, finished ones scroll above
    Bars,
    /// A line for each event
    Lines,
    /// A JSON object for each event
    Json,
}

/// Shows events in one of the ways.
pub(super) enum Display<'a> {
    Bars(bars::Bars<'a>),
    Lines(lines::Lines<'a>),
    Json,
}

impl<'a> Display<'a> {
    /// A display for these jobs, of an experiment of that name.
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

    /// Takes the bars away; what follows is printed below the lines.
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
