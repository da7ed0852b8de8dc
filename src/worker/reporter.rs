//! The progress of a job, in `state.json`.

use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::WorkerError;
use crate::results::{JobDir, Note, Progress, ResultsError, Status, Timestamp, in_words};

/// The shortest time between two notes.
const PAUSE: Duration = Duration::from_millis(500);

/// The longest time between two notes, during a long step.
const PULSE: Duration = Duration::from_secs(10);

/// Reports the progress of a job to the scheduler through a file.
///
/// A thread writes the file, so that a long step still updates the heartbeat, short steps do not
/// wait for the disk, and the last of many short steps is written too.
#[derive(Debug)]
pub struct Reporter {
    sender: Option<Sender<Progress>>,
    writer: Option<JoinHandle<Note>>,
    dir: JobDir,
}

impl Reporter {
    /// Writes a first note, and starts the thread that writes the others.
    pub(super) fn start(dir: &JobDir, note: Note) -> Result<Self, ResultsError> {
        // The first note must succeed, so that a read-only folder is an error at once.
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

    /// Reports that `step` of `of` steps are done, with a summary of the last one.
    pub fn report(&mut self, step: u64, of: u64, message: impl Into<String>) {
        if let Some(sender) = &self.sender {
            // This fails only if the writer has ended, and then nobody reads the progress.
            let _ = sender.send(Progress {
                step,
                of,
                message: message.into(),
            });
        }
    }

    /// Writes the last note, with the end of the job.
    pub(super) fn finish(mut self, error: Option<&WorkerError>) {
        let Some(mut note) = self.join() else { return };
        note.heartbeat = Timestamp::now();
        (note.status, note.reason) = match error {
            None => (Status::Done, None),
            Some(WorkerError::Stopped) => (Status::Stopped, None),
            Some(error) => (Status::Failed, Some(in_words(error))),
        };
        if let Err(error) = self.dir.write_note(&note) {
            tracing::warn!(
                error = in_words(&error),
                "the end of the job could not be recorded"
            );
        }
    }

    /// Ends the writer, and returns its last note with the latest progress.
    fn join(&mut self) -> Option<Note> {
        self.sender = None;
        self.writer.take()?.join().ok()
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        // No note may be written after the end of the job.
        self.join();
    }
}

fn write_notes(dir: &JobDir, mut note: Note, receiver: &mpsc::Receiver<Progress>) -> Note {
    let (mut written, mut is_new, mut is_reported) = (Instant::now(), false, false);
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
                && !is_reported
            {
                // The job does not need the notes, so one warning is enough.
                tracing::warn!(
                    error = in_words(&error),
                    "the progress could not be written"
                );
                is_reported = true;
            }
        }
    }
}
