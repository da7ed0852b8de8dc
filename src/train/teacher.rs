//! The model that a training imitates.

use std::{fmt, io};

use crate::model::Decoder;

/// The model that a training imitates.
#[derive(Clone, Copy, Debug)]
pub enum Teacher<'a> {
    /// A frozen model on the same device.
    Local(&'a Decoder),
    /// A model elsewhere.
    Remote(&'a dyn RemoteTeacher),
}

/// A model that says how likely it finds given tokens, and nothing else.
pub trait RemoteTeacher: fmt::Debug {
    /// The log-probability of each token of each completion at temperature 1, or `None` if the training has
    /// to stop.
    ///
    /// An error means that the training cannot go on now; it can be resumed.
    fn log_probs(&self, questions: &[TeacherQuestion<'_>]) -> io::Result<Option<Vec<Vec<f32>>>>;
}

/// A completion that a teacher reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeacherQuestion<'a> {
    /// The row of the data.
    pub row: &'a str,
    /// The tokens before the completion.
    pub prompt: &'a [u32],
    /// The tokens of the completion.
    pub completion: &'a [u32],
}
