//! A completion that is to be rewarded.

/// A completion, and the number of the row that it is for.
#[derive(Clone, Copy, Debug)]
pub(in crate::train) struct Answer<'a> {
    pub(in crate::train) row: usize,
    pub(in crate::train) text: &'a str,
}
