//! From the bytes of a file to the elements in memory.

use burn::tensor::{DType, Element, TensorData, bf16, f16};
use rayon::prelude::*;

use crate::model::parameter::Layout;

/// The elements of a tensor in their type and order in memory, converted in one pass without an
/// intermediate copy.
pub(super) fn convert(
    bytes: &[u8],
    from: DType,
    to: DType,
    layout: Layout,
    dims: [usize; 2],
) -> TensorData {
    let is_transposed = layout == Layout::Matrix;
    match (from, to) {
        (DType::F32, DType::F16) => {
            laid_out(bytes, is_transposed, dims, |b| f16::from_f32(wide(b)))
        }
        (DType::F32, DType::BF16) => {
            laid_out(bytes, is_transposed, dims, |b| bf16::from_f32(wide(b)))
        }
        (DType::F32, _) => laid_out(bytes, is_transposed, dims, wide),
        (DType::F16, DType::F16) => laid_out(bytes, is_transposed, dims, f16::from_le_bytes),
        (DType::F16, DType::BF16) => laid_out(bytes, is_transposed, dims, |b| {
            bf16::from_f32(f16::from_le_bytes(b).to_f32())
        }),
        (DType::F16, _) => laid_out(bytes, is_transposed, dims, |b| {
            f16::from_le_bytes(b).to_f32()
        }),
        (_, DType::BF16) => laid_out(bytes, is_transposed, dims, bf16::from_le_bytes),
        (_, DType::F16) => laid_out(bytes, is_transposed, dims, |b| {
            f16::from_f32(bf16::from_le_bytes(b).to_f32())
        }),
        _ => laid_out(bytes, is_transposed, dims, |b| {
            bf16::from_le_bytes(b).to_f32()
        }),
    }
}

fn wide(bytes: [u8; 4]) -> f32 {
    f32::from_le_bytes(bytes)
}

/// Converts elements of `N` bytes each; if `is_transposed`, `bytes` has the shape `[columns, rows]`
/// for `dims` of `[rows, columns]`.
fn laid_out<const N: usize, E: Element>(
    bytes: &[u8],
    is_transposed: bool,
    dims: [usize; 2],
    element: impl Fn([u8; N]) -> E + Sync,
) -> TensorData {
    /// Side of the square tiles that are transposed at a time, so that both stay in the cache.
    const SIDE: usize = 32;
    let (elements, _) = bytes.as_chunks::<N>();
    if !is_transposed {
        return TensorData::new(elements.iter().map(|one| element(*one)).collect(), dims);
    }
    let [height, width] = dims;
    let mut output = vec![E::from_elem(0.0f32); elements.len()];
    let strips = output.par_chunks_mut((SIDE * width).max(1)).enumerate();
    strips.for_each(|(strip, output)| {
        let top = strip * SIDE;
        for left in (0..width).step_by(SIDE) {
            for row in top..height.min(top + SIDE) {
                for column in left..width.min(left + SIDE) {
                    output[(row - top) * width + column] = element(elements[column * height + row]);
                }
            }
        }
    });
    TensorData::new(output, dims)
}
