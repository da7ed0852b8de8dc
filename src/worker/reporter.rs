//! Notes of how far the job is, in `state.json`.

use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::WorkerError;
use crate::results::{JobDir, Note, Progress, ResultsError, Status, Timestamp, in_words};

/// The least time between two notes.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest time between two notes, in a step that takes long.
const PULSE: Duration = Duration::from_secs(10);

/// Tells the scheduler, by way of a file, how far the job is.
///
/// A thread writes: a long step shows signs of life, short ones do not wait for a disk, and the
/// last of many quick steps is told too.
#[derive(Debug)]
pub struct Reporter {
    sender: Option<Sender<Progress>>,
    writer: Option<JoinHandle<Note>>,
    dir: JobDir,
}

impl Reporter {
    /// Writes a first note, and follows it with others.
    pub(super) fn start(dir: &JobDir, note: Note) -> Result<Self, ResultsError> {
        // The first one must succeed: a folder that cannot be written is known at once.
        dir.write_note(&note)?;
        let (sender, receiver) = mpsc::channel();
        let folder = dir.clone();
        let writer = thread::spawn(move || write_notes(&folder, note, &receiver));
        Ok(Self {
            sender: Some(sender),
            writer: Some(writer),
            dir: dir.clone(),
        })
    }

    /// Tells that `step` steps of `of` are done, and what a person wants to know of the last one.
    pub fn report(&mut self, step: u64, of: u64, message: impl Into<String>) {
        if let Some(sender) = &self.sender {
            // It fails only if the writer is gone, and then nobody is told.
            let _ = sender.send(Progress {
                step,
                of,
                message: message.into(),
            });
        }
    }

    /// Writes the last note: how the job ended.
    pub(super) fn finish(mut self, error: Option<&WorkerError>) {
        let Some(mut note) = self.join() else { return };
        note.heartbeat = Timestamp::now();
        (note.status, note.reason) = match error {
            None => (Status::Done, None),
            Some(WorkerError::Stopped) => (Status::Stopped, None),
            Some(error) => (Status::Failed, Some(in_words(error))),
        };
        if let Err(error) = self.dir.write_note(&note) {
            tracing::warn!(error = in_words(&error), "how the job ended is not on file");
        }
    }

    /// Ends the writer, and returns what it wrote last with the latest progress.
    fn join(&mut self) -> Option<Note> {
        self.sender = None;
        self.writer.take()?.join().ok()
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        // No note may follow the end of the job.
        self.join();
    }
}

fn write_notes(dir: &JobDir, mut note: Note, receiver: &mpsc::Receiver<Progress>) -> Note {
    let (mut written, mut is_new, mut is_told) = (Instant::now(), false, false);
    loop {
        let pause = if is_new { PAUSE } else { PULSE };
        match receiver.recv_timeout(pause.saturating_sub(written.elapsed())) {
            Ok(progress) => {
                note.progress = Some(progress);
                is_new = true;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return note,
        }
        let pause = if is_new { PAUSE } else { PULSE };
        if written.elapsed() >= pause {
            note.heartbeat = Timestamp::now();
            (written, is_new) = (Instant::now(), false);
            if let Err(error) = dir.write_note(&note)
                && !is_told
            {
                // The work may well go on without notes; once is enough to say it.
                tracing::warn!(error = in_words(&error), "progress cannot be written down");
                is_told = true;
            }
        }
    }
}
