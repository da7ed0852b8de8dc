//! What a training leaves on disk so that it can go on after an interruption.

pub(super) mod checkpoint;
