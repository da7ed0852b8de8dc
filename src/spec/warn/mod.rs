//! What is odd about a spec that can be run: settings and axes that change nothing.
//!
//! Whether a setting changes a job is for `plan` to say, which knows what a job depends on. So `plan` asks
//! [`Written`] for the settings that a spec would have with other values, and returns its [`Finding`]s.

pub(in crate::spec) mod alternatives;
pub(in crate::spec) mod finding;
mod inert;
mod reason;
pub(in crate::spec) mod written;
