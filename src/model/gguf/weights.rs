//! Weights: read from the blocks of a file into a tensor of the type in memory.

use std::collections::BTreeSet;

use burn::tensor::{DType, Device, Element, Tensor, TensorData, bf16, f16};
use rayon::prelude::*;

use crate::model::{
    config::DecoderConfig,
    error::ModelError,
    parameter::{Layout, ParameterShape},
};

use super::{
    GgufFile, header,
    kind::Kind,
    names::{self, Rows},
};

/// Numbers of a row that are decoded at a time: a multiple of every block.
const STRIP: usize = 256;

/// Rows that are transposed at a time.
const SIDE: usize = 32;

/// The weights of a file, by the names of a decoder's parameters.
#[derive(Debug)]
pub(in crate::model) struct Weights<'a> {
    file: &'a GgufFile,
    config: DecoderConfig,
    used: BTreeSet<String>,
}

impl<'a> Weights<'a> {
    pub(super) fn new(file: &'a GgufFile, config: DecoderConfig) -> Self {
        Self {
            file,
            config,
            used: BTreeSet::new(),
        }
    }

    /// Reads a parameter.
    pub(in crate::model) fn read(
        &mut self,
        parameter: &ParameterShape,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor<2>, ModelError> {
        let path = self.file.path();
        let name = names::in_file(&parameter.name).unwrap_or_else(|| parameter.name.clone());
        let layout = parameter.role.layout();
        let expected = layout.shape_in_file(parameter.dims);
        let Some(place) = self.file.header.tensors.get(&name) else {
            return Err(ModelError::MissingTensor {
                path: path.to_owned(),
                name,
                expected,
            });
        };
        if place.shape != expected {
            return Err(ModelError::Shape {
                path: path.to_owned(),
                name,
                expected,
                found: place.shape.clone(),
            });
        }
        let rows = Rows::of(&parameter.name, self.file.architecture, &self.config);
        let stored = Stored {
            bytes: &self.file.bytes()[place.range.clone()],
            kind: place.kind,
            rows,
        };
        let dims = parameter.dims;
        let data = match dtype {
            DType::F16 => stored.laid_out(layout, dims, f16::from_f32),
            DType::BF16 => stored.laid_out(layout, dims, bf16::from_f32),
            _ => stored.laid_out(layout, dims, |number| number),
        };
        self.file.forget(&place.range);
        self.used.insert(name);
        Ok(Tensor::from_data(data, (device, dtype)))
    }

    /// Refuses a file with tensors that no parameter has used: its model is another one.
    pub(in crate::model) fn finish(self) -> Result<(), ModelError> {
        const SHOWN: usize = 3;
        let names = self.file.header.tensors.keys();
        let unused: Vec<&String> = names
            .filter(|name| !self.used.contains(*name) && *name != header::FACTORS)
            .collect();
        if unused.is_empty() {
            return Ok(());
        }
        let shown = unused.iter().take(SHOWN);
        let shown: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
        let others = match unused.len().saturating_sub(SHOWN) {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        Err(self.file.problem(format!(
            "it has tensors that the decoder of the architecture `{}` does not use: {}{others}",
            self.file.architecture,
            shown.join(", ")
        )))
    }
}

/// A tensor in the file.
struct Stored<'a> {
    bytes: &'a [u8],
    kind: &'static Kind,
    rows: Rows,
}

impl Stored<'_> {
    /// The numbers in their layout in memory.
    fn laid_out<E: Element>(
        &self,
        layout: Layout,
        dims: [usize; 2],
        element: impl Fn(f32) -> E + Sync,
    ) -> TensorData {
        match layout {
            Layout::Matrix => self.transposed(dims, element),
            Layout::Table => self.table(dims, element),
            Layout::Vector => {
                let numbers = self.numbers(0, dims[1]);
                let order = (0..dims[1]).map(|index| element(numbers[self.rows.in_file(index)]));
                TensorData::new(order.collect::<Vec<E>>(), dims)
            }
        }
    }

    /// All numbers of a row of the file.
    fn numbers(&self, row: usize, width: usize) -> Vec<f32> {
        let mut numbers = vec![0.0; width];
        self.decode(row, width, 0, &mut numbers);
        numbers
    }

    /// The numbers from `start` on of a row of the file.
    fn decode(&self, row: usize, width: usize, start: usize, numbers: &mut [f32]) {
        let first = row * self.kind.bytes_of(width) + self.kind.bytes_of(start);
        let bytes = &self.bytes[first..][..self.kind.bytes_of(numbers.len())];
        self.kind.decode(bytes, numbers);
    }

    fn table<E: Element>(&self, dims: [usize; 2], element: impl Fn(f32) -> E + Sync) -> TensorData {
        let [height, width] = dims;
        let mut output = vec![E::from_elem(0.0f32); height * width];
        let rows = output.par_chunks_mut(width.max(1)).enumerate();
        rows.for_each(|(row, output)| {
            let numbers = self.numbers(self.rows.in_file(row), width);
            for (output, number) in output.iter_mut().zip(numbers) {
                *output = element(number);
            }
        });
        TensorData::new(output, dims)
    }

    /// The file has a row for each column of `dims`.
    fn transposed<E: Element>(
        &self,
        dims: [usize; 2],
        element: impl Fn(f32) -> E + Sync,
    ) -> TensorData {
        let [height, width] = dims;
        let mut output = vec![E::from_elem(0.0f32); height * width];
        let strips = output.par_chunks_mut((STRIP * width).max(1)).enumerate();
        strips.for_each(|(strip, output)| {
            let top = strip * STRIP;
            let count = STRIP.min(height - top);
            let mut tile = vec![0.0; SIDE * count];
            for left in (0..width).step_by(SIDE) {
                let columns = left..width.min(left + SIDE);
                for (column, numbers) in columns.clone().zip(tile.chunks_exact_mut(count)) {
                    self.decode(self.rows.in_file(column), height, top, numbers);
                }
                for (row, output) in output.chunks_exact_mut(width).enumerate() {
                    for column in columns.clone() {
                        output[column] = element(tile[(column - left) * count + row]);
                    }
                }
            }
        });
        TensorData::new(output, dims)
    }
}
