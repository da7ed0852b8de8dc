//! How far a training has come.

use crate::train::evaluation::Best;

/// The counters of a training between two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::train) struct Progress {
    /// Steps done.
    pub(in crate::train) step: usize,
    /// Rows taken from the data.
    pub(in crate::train) rows: usize,
    /// Steps without an update, since no group of completions had rewards that differ.
    pub(in crate::train) empty_steps: usize,
    /// The step of the last evaluation; 0 if there was none.
    pub(in crate::train) evaluated: usize,
    /// The best evaluation so far.
    pub(in crate::train) best: Option<Best>,
}
