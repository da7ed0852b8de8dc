//! The outputs of a canonical solution, with which those of a solution are compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the canonical solution of a task returns, by the set of inputs.
pub(super) type References = BTreeMap<String, Reference>;

/// What the canonical solution returns for a set of inputs, and how long each input takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reference {
    /// Packed by the harness.
    pub(super) outputs: String,
    pub(super) seconds: Vec<f64>,
}
