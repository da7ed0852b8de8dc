//! The section `[table]`: rows, columns, and what they are compared with.

pub(in crate::spec) mod reader;
pub(in crate::spec) mod settings;
