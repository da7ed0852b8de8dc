//! Which job runs now, retries, resuming, events.
