//! Tests of whole models, and what they share.

pub(crate) mod fixture;
