//! The progress of a job, in `state.json`.

use std::{
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{StopFlag, WorkerError};
use crate::results::{JobDir, Lock, Note, Progress, ResultsError, Status, Timestamp, in_words};

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
    held: Held,
}

/// The folder of a job, and the lock that this process has on it.
#[derive(Clone, Debug)]
struct Held {
    dir: JobDir,
    lock: Arc<Lock>,
}

impl Held {
    /// Whether it is still there: if a person has removed it, another process may run the job in a new one.
    fn is_there(&self) -> bool {
        self.dir.is_still_claimed_by(&self.lock)
    }
}

impl Reporter {
    /// Writes a first note, and starts the thread that writes the others; it requests a `stop` if the folder is removed.
    pub(super) fn start(
        dir: &JobDir,
        lock: &Arc<Lock>,
        note: Note,
        stop: StopFlag,
    ) -> Result<Self, ResultsError> {
        // The first note must succeed, so that a read-only folder is an error at once.
        dir.write_note(&note)?;
        let (sender, receiver) = mpsc::channel();
        let held = Held {
            dir: dir.clone(),
            lock: Arc::clone(lock),
        };
        let of_writer = held.clone();
        let writer = thread::spawn(move || write_notes(&of_writer, note, &receiver, &stop));
        Ok(Self {
            sender: Some(sender),
            writer: Some(writer),
            held,
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

    /// Fails if the folder was removed: nothing may be written there.
    pub(super) fn check_folder(&self) -> Result<(), WorkerError> {
        if self.held.is_there() {
            return Ok(());
        }
        Err(WorkerError::FolderRemoved {
            path: self.held.dir.path().to_owned(),
        })
    }

    /// Writes the last note, with the end of the job.
    pub(super) fn finish(mut self, error: Option<&WorkerError>) {
        let Some(mut note) = self.join() else { return };
        if !self.held.is_there() {
            return;
        }
        note.heartbeat = Timestamp::now();
        (note.status, note.reason) = match error {
            None => (Status::Done, None),
            Some(WorkerError::Stopped) => (Status::Stopped, None),
            Some(error) => (Status::Failed, Some(in_words(error))),
        };
        if let Err(error) = self.held.dir.write_note(&note) {
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

fn write_notes(
    held: &Held,
    mut note: Note,
    receiver: &mpsc::Receiver<Progress>,
    stop: &StopFlag,
) -> Note {
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
            if !held.is_there() {
                stop.set();
                return note;
            }
            note.heartbeat = Timestamp::now();
            (written, is_new) = (Instant::now(), false);
            if let Err(error) = held.dir.write_note(&note)
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
