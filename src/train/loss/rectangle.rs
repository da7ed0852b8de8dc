//! Numbers of sequences of different lengths, as one tensor.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// A rectangle with one row of numbers a sequence, padded with zeros.
///
/// # Shapes
///
/// - output: `[rows, columns]`
pub(in crate::train) fn rectangle<'a>(
    rows: impl IntoIterator<Item = &'a [f32]>,
    columns: usize,
    device: &Device,
) -> Tensor<2> {
    let mut values = Vec::new();
    let mut count = 0;
    for row in rows {
        count += 1;
        values.extend(row.iter().copied().take(columns));
        values.resize(count * columns, 0.0);
    }
    Tensor::from_data(
        TensorData::new(values, [count, columns]),
        (device, DType::F32),
    )
}

/// A column with one number a sequence.
///
/// # Shapes
///
/// - output: `[rows, 1]`
pub(in crate::train) fn column(values: Vec<f32>, device: &Device) -> Tensor<2> {
    let shape = [values.len(), 1];
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}
