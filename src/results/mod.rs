//! Job folders, and the rows read from them.
//!
//! A job is done if its `outcome.json` is there and can be read; it runs if its lock is held. The
//! other notes in a folder (`state.json`) are for people and are never trusted.

mod error;
pub mod exit_code;
mod finding;
mod finished;
mod job_dir;
mod json;
mod outcome;
mod pack;
mod provenance;
mod seal;
mod state;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod trash;

pub use crate::disk::{
    Timestamp,
    lock::{Claim, Holder, Lock, Owner},
};
pub use error::{ResultsError, in_words};
pub use finding::{Agreement, Finding};
pub use finished::{Finished, Nearest, bytes_below};
pub use job_dir::{ChangedLog, JobDir};
pub use outcome::{Outcome, TrainOutcome};
pub use pack::{Manifest, Pack, PackError, Packed, is_pack};
pub use provenance::{Attempt, OperationFallback, PROGRAM_FILES, Provenance, git};
pub use state::{JobState, Note, Progress, Status};
pub use store::Store;
pub use trash::{Thrown, Trash};
