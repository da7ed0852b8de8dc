//! The outputs of a canonical solution, with which those of a solution are compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::eval::benchmark::messages::Messages;

/// What the canonical solution of a task returns, by the set of inputs.
pub(super) type References = BTreeMap<String, Reference>;

/// What the canonical solution returns for a set of inputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reference {
    /// A message for each input.
    pub(super) outputs: Messages,
    pub(super) facts: Facts,
}

/// What the harness reports of all outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// How long each input takes.
    pub(super) seconds: Vec<f64>,
    /// The numbers of outputs that do not equal themselves, because they contain nan.
    pub(super) unequal: BTreeSet<usize>,
    /// The first output that is a float or consists of floats: from there on, floats have a tolerance.
    pub(super) first_float: Option<usize>,
}
