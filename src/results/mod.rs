//! Job folders, and the rows read from them.
//!
//! A job is done if its `outcome.json` is there and can be read; it runs if its lock is held. All
//! else that a folder says (`state.json`) is a note for people, and is never trusted.

mod atomic;
mod error;
#[cfg(test)]
pub(crate) mod example;
pub mod exit_code;
mod job_dir;
mod lines;
mod lock;
mod outcome;
mod provenance;
mod state;
mod store;
mod timestamp;

pub use atomic::write_durably;
pub use error::{ResultsError, in_words};
pub use job_dir::JobDir;
pub use lines::JsonLines;
pub use lock::{Claim, Holder, JobLock, Owner};
pub use outcome::{EvalOutcome, Outcome, TaskOutcome, TrainOutcome, UNJUDGED};
pub use provenance::{Attempt, OperationFallback, Provenance};
pub use state::{JobState, Note, Progress, Status};
pub use store::Store;
pub use timestamp::Timestamp;
