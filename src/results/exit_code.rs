//! Exit codes by which a worker tells its scheduler how it ended without an outcome.

/// Stopped because it was asked to; started again, it goes on.
pub const STOPPED: i32 = 75;

/// A job that this one builds on has no outcome yet.
pub const UPSTREAM_NOT_FINISHED: i32 = 76;

/// Another process runs the job.
pub const HELD: i32 = 77;
