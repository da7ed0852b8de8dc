//! Where finished tiles go: to the outputs of a product, or through the gate into the next product.

use std::ops::Range;

use pulp::{Simd, bytemuck};

use crate::model::ops::cpu::{row::forward::gate as gate_rows, threads::fresh};

use super::packed::VECTORS;

/// The sums of a tile.
pub(super) type Tile<S, const H: usize> = [[<S as Simd>::f32s; VECTORS]; H];

/// Where finished tiles go.
pub(super) trait Sink<const N: usize> {
    /// Takes the tiles of a panel and of some columns of each product.
    ///
    /// The tiles of a panel come in the order of their columns.
    fn take<S: Simd, const H: usize>(
        &mut self,
        simd: S,
        panel: usize,
        columns: Range<usize>,
        tiles: [Tile<S, H>; N],
    );
}

/// Outputs of each row.
pub(super) struct Rows<'a> {
    pub(super) rows: Vec<fresh::Part<'a>>,
    pub(super) bias: Option<&'a [f32]>,
}

impl Sink<1> for Rows<'_> {
    #[inline(always)]
    fn take<S: Simd, const H: usize>(
        &mut self,
        simd: S,
        panel: usize,
        columns: Range<usize>,
        [mut tile]: [Tile<S, H>; 1],
    ) {
        if let Some(bias) = self.bias {
            let bias = partial(simd, &bias[columns.clone()]);
            for row in 0..H {
                for vector in 0..VECTORS {
                    tile[row][vector] = simd.add_f32s(tile[row][vector], bias[vector]);
                }
            }
        }
        let is_whole = columns.len() == VECTORS * S::F32_LANES;
        for (out, sums) in self.rows.iter_mut().skip(panel * H).zip(&tile) {
            let sums = bytemuck::cast_slice::<S::f32s, f32>(sums);
            if is_whole {
                // The compiler knows this length.
                out.push(sums);
            } else {
                out.push(&sums[..columns.len()]);
            }
        }
    }
}

/// Squares of the next product: the same number of parts in each panel.
pub(super) struct Squares<'a> {
    pub(super) panels: usize,
    pub(super) parts: Vec<fresh::Part<'a>>,
}

impl Sink<2> for Squares<'_> {
    #[inline(always)]
    fn take<S: Simd, const H: usize>(
        &mut self,
        simd: S,
        panel: usize,
        _: Range<usize>,
        [gate, up]: [Tile<S, H>; 2],
    ) {
        let mut square = [[simd.splat_f32s(0.0); VECTORS]; H];
        gate_rows(
            simd,
            bytemuck::cast_slice(gate.as_flattened()),
            bytemuck::cast_slice(up.as_flattened()),
            bytemuck::cast_slice_mut(square.as_flattened_mut()),
        );
        let each = self.parts.len() / self.panels;
        let mut parts = self.parts[panel * each..(panel + 1) * each].iter_mut();
        if let Some(part) = parts.find(|part| part.left() > 0) {
            for row in &square {
                part.push(bytemuck::cast_slice(row));
            }
        }
    }
}

/// Loads the vectors of a row of a tile, padded with zeros.
#[inline(always)]
pub(super) fn partial<S: Simd>(simd: S, part: &[f32]) -> [S::f32s; VECTORS] {
    let (low, high) = part.split_at(part.len().min(S::F32_LANES));
    [simd.partial_load_f32s(low), simd.partial_load_f32s(high)]
}
