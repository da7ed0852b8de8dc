//! The state of a training, and its checkpoints on disk.

mod checkpoint;
mod progress;
mod store;

pub(super) use checkpoint::Checkpoint;
pub(super) use progress::Progress;
pub(super) use store::Store;
pub use store::{checkpoint_folder, inspect_checkpoints};
