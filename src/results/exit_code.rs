//! Exit codes of a worker that ends without an outcome; its scheduler acts on them.

/// Stopped on request; started again, it continues.
pub const STOPPED: i32 = 75;

/// A job that this one builds on has no outcome yet.
pub const UPSTREAM_NOT_FINISHED: i32 = 76;

/// Another process runs the job.
pub const HELD: i32 = 77;
