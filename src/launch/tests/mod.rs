//! Helpers for tests of what uses launchers.

pub(crate) mod fixture;
