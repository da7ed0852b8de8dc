//! Where the real tokens of each row of a batch begin.

use std::cell::OnceCell;

use burn::tensor::{Device, Int, Tensor};

use crate::model::token_batch::indices;

/// The first real column of each row; what is before it is padding.
#[derive(Debug)]
pub(in crate::model) struct Starts<'t> {
    rows: &'t [usize],
    /// The same on the device of the first caller that needs it there.
    on_device: OnceCell<Tensor<1, Int>>,
}

impl<'t> Starts<'t> {
    pub(in crate::model) fn new(rows: &'t [usize]) -> Self {
        Self {
            rows,
            on_device: OnceCell::new(),
        }
    }

    pub(in crate::model::ops) fn rows(&self) -> &[usize] {
        self.rows
    }

    /// Copies them to a device, once for all layers.
    pub(in crate::model::ops) fn on(&self, device: &Device) -> Tensor<1, Int> {
        let rows = self.rows.iter().map(|row| *row as i64);
        self.on_device.get_or_init(|| indices(rows, device)).clone()
    }
}
