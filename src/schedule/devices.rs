//! Which job gets which GPUs of this machine.

use super::{
    Settings,
    track::{Phase, Track},
};
use crate::plan::Job;

/// The devices that no running job has.
pub(super) struct Free<'a> {
    /// All devices; empty if they are not known.
    all: &'a [String],
    devices: Vec<String>,
    /// Whether a job waits for devices: later jobs must not take those that it waits for.
    has_waiting: bool,
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
            devices: all
                .iter()
                .filter(|device| !taken(device))
                .cloned()
                .collect(),
            has_waiting: false,
        }
    }

    /// Takes those that a job needs; nothing if it has to wait for other jobs, and a reason if this machine has too few.
    pub(super) fn take(
        &mut self,
        job: &Job,
        settings: &Settings,
    ) -> Result<Option<Vec<String>>, String> {
        let count = job.work.gpus(settings.gpus, settings.sharing.ranks_here());
        if count == 0 || self.all.is_empty() {
            return Ok(Some(Vec::new()));
        }
        if count > self.all.len() {
            return Err(format!(
                "it needs {count} GPUs, and this machine shows {} ({}); lower `run.needs.gpus` or `run.ranks`",
                self.all.len(),
                self.all.join(", ")
            ));
        }
        self.has_waiting |= count > self.devices.len();
        if self.has_waiting {
            return Ok(None);
        }
        Ok(Some(self.devices.drain(..count).collect()))
    }
}
