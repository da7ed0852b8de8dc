//! Files on disk: replaced whole, grown line by line, and locked.
//!
//! A leaf that every module may import, so that there is one answer to what a crash, a full disk or
//! an odd target leaves behind.

pub mod atomic;
mod claim_file;
mod error;
pub mod folders;
mod json_lines;
pub mod lock;
mod owner;
#[cfg(test)]
mod tests;
mod timestamp;

pub use error::DiskError;
pub use json_lines::{JsonLines, append_json_line};
pub use timestamp::Timestamp;
