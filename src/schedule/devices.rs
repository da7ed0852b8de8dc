//! Which job gets which GPUs of this machine.

use super::track::{Phase, Track};

/// The devices that no running job has.
pub(super) struct Free<'a> {
    /// All devices; empty if they are not known.
    all: &'a [String],
    free: Vec<String>,
    /// Whether a job waits for devices: later jobs must not take those that it waits for.
    has_waiting: bool,
}

/// The answer to a job that needs devices.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Grant {
    /// It may start with these.
    Now(Vec<String>),
    /// Other jobs have too many of them.
    Later,
    /// This machine has too few, in words.
    Never(String),
}

impl<'a> Free<'a> {
    pub(super) fn new(all: &'a [String], tracks: &[Track<'_>]) -> Self {
        let taken = |device: &&String| {
            tracks.iter().any(|track| match &track.phase {
                Phase::Running(worker) => worker.devices.contains(*device),
                _ => false,
            })
        };
        Self {
            all,
            free: all
                .iter()
                .filter(|device| !taken(device))
                .cloned()
                .collect(),
            has_waiting: false,
        }
    }

    /// Takes the first `count` of them.
    pub(super) fn take(&mut self, count: usize) -> Grant {
        if count == 0 || self.all.is_empty() {
            return Grant::Now(Vec::new());
        }
        if count > self.all.len() {
            let here = self.all.len();
            return Grant::Never(format!(
                "it needs {count} GPUs, and this machine shows {here} ({}); lower `run.needs.gpus` or `run.ranks`",
                self.all.join(", ")
            ));
        }
        self.has_waiting |= count > self.free.len();
        if self.has_waiting {
            return Grant::Later;
        }
        Grant::Now(self.free.drain(..count).collect())
    }
}
