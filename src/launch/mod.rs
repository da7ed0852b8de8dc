//! Starting a command somewhere and waiting for it.
