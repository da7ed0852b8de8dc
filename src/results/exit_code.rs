//! Exit codes of a worker that ends without an outcome; its scheduler acts on them.

/// The arguments are wrong: there is no such job.
pub const USAGE: i32 = 2;

/// Something is missing here: a device, a key.
pub const MISSING: i32 = 3;

/// An input of the job is wrong, or fits no other; started again, it fails again.
pub const WRONG_INPUT: i32 = 65;

/// A disk, an endpoint or the system failed; it may work later.
pub const SHORTAGE: i32 = 69;

/// Stopped on request; started again, it continues.
pub const STOPPED: i32 = 75;

/// A job that this one builds on has no outcome yet.
pub const UPSTREAM_NOT_FINISHED: i32 = 76;

/// Another process runs the job.
pub const HELD: i32 = 77;
