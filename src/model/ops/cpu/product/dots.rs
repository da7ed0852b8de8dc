//! Products with matrices whose columns are contiguous: output heads, and attention scores.
//!
//! Each element is a sum of as many chains of multiply-adds as a vector has lanes, added up at the
//! end. As in [`product`](super::product), the order depends on `k` alone.

use half::slice::HalfFloatSliceExt;
use pulp::{Simd, WithSimd};

use crate::model::ops::cpu::{
    host::HalfColumns,
    simd::{lanes::multiply_add, processor},
    threads::{fresh, team},
};

/// Rows of `w` that one tile takes in.
const ACROSS: usize = 4;

/// Numbers of `w` that stay in the second-level cache while all rows of `x` pass.
const CACHED: usize = 48 << 10;

/// The least rows of `w` of a task.
const SHARE: usize = 256;

/// The product `x · wᵀ`.
///
/// # Shapes
///
/// - `x`: `[rows, k]`, row after row
/// - `w`: `[columns, k]`, row after row
/// - output: `[rows, columns]`
pub(in crate::model::ops::cpu) fn dots(x: &[f32], w: &[f32], k: usize) -> Vec<f32> {
    let (rows, columns) = (x.len() / k, w.len() / k);
    let mut out = vec![0.0; rows * columns];
    let width = share(columns);
    let mut parts: Vec<Dots<'_>> = w
        .chunks(width * k)
        .map(|w| Dots {
            x,
            w,
            k,
            out: Vec::with_capacity(rows),
        })
        .collect();
    for row in out.chunks_mut(columns) {
        for (part, out) in parts.iter_mut().zip(row.chunks_mut(width)) {
            part.out.push(out);
        }
    }
    team::each(parts, processor::run);
    out
}

impl HalfColumns<'_> {
    /// As [`dots`], each sum rounded to the 16 bits that the columns have.
    pub(in crate::model::ops::cpu) fn dots(self, x: &[f32], k: usize) -> Vec<f32> {
        match self {
            Self::Bf16(w) => narrow_dots(x, w, k),
            Self::F16(w) => narrow_dots(x, w, k),
        }
    }
}

fn narrow_dots<T: Copy + Default + Sync>(x: &[f32], w: &[T], k: usize) -> Vec<f32>
where
    [T]: HalfFloatSliceExt,
{
    let (rows, columns) = (x.len() / k, w.len() / k);
    let width = share(columns);
    fresh::numbers(rows * columns, |out| {
        let mut parts: Vec<_> = w.chunks(width * k).map(|w| (w, Vec::new())).collect();
        for row in out.chunks(columns) {
            for (part, out) in parts.iter_mut().zip(row.chunks(width)) {
                part.1.push(out);
            }
        }
        team::each(parts, |(w, out)| {
            let mut out: Vec<&mut [f32]> = out.into_iter().map(fresh::Part::zeroed).collect();
            narrow_part(x, w, k, &mut out);
        });
    })
}

/// Fills some columns. As many are widened to 32 bits at a time as fit the second-level cache.
fn narrow_part<T: Copy + Default>(x: &[f32], w: &[T], k: usize, out: &mut [&mut [f32]])
where
    [T]: HalfFloatSliceExt,
{
    let columns = (CACHED / k).max(1).next_multiple_of(ACROSS);
    let mut wide = vec![0.0; (columns * k).min(w.len())];
    let mut narrow = vec![T::default(); columns];
    for (index, w) in w.chunks(columns * k).enumerate() {
        let wide = &mut wide[..w.len()];
        w.convert_to_f32_slice(wide);
        let first = index * columns;
        let last = first + w.len() / k;
        let mut out: Vec<&mut [f32]> = out.iter_mut().map(|row| &mut row[first..last]).collect();
        processor::run(Dots {
            x,
            w: wide,
            k,
            out: out.iter_mut().map(|row| &mut **row).collect(),
        });
        for row in out {
            let narrow = &mut narrow[..row.len()];
            narrow.convert_from_f32_slice(row);
            narrow.convert_to_f32_slice(row);
        }
    }
}

/// The columns of one task.
fn share(columns: usize) -> usize {
    let share = columns.div_ceil(4 * rayon::current_num_threads());
    share.max(SHARE).min(columns)
}

/// Some columns of a product.
struct Dots<'a> {
    x: &'a [f32],
    w: &'a [f32],
    k: usize,
    /// The outputs of each row.
    out: Vec<&'a mut [f32]>,
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        fill(simd, self.x, self.w, self.k, &mut self.out);
    }
}

/// Fills `out` with the products of the rows of `x` and of `w`.
#[inline(always)]
pub(in crate::model::ops::cpu) fn fill<S: Simd>(
    simd: S,
    x: &[f32],
    w: &[f32],
    k: usize,
    out: &mut [&mut [f32]],
) {
    let block = (CACHED / k).max(1).next_multiple_of(ACROSS);
    let columns = w.len() / k;
    let mut first = 0;
    while first < columns {
        let last = columns.min(first + block);
        let mut row = 0;
        while row + 3 <= out.len() {
            strip::<S, 3>(
                simd,
                &x[row * k..(row + 3) * k],
                w,
                k,
                first..last,
                &mut out[row..row + 3],
            );
            row += 3;
        }
        while row < out.len() {
            strip::<S, 1>(
                simd,
                &x[row * k..(row + 1) * k],
                w,
                k,
                first..last,
                &mut out[row..=row],
            );
            row += 1;
        }
        first = last;
    }
}

/// Some columns of `R` rows.
#[inline(always)]
fn strip<S: Simd, const R: usize>(
    simd: S,
    x: &[f32],
    w: &[f32],
    k: usize,
    columns: std::ops::Range<usize>,
    out: &mut [&mut [f32]],
) {
    let mut rows: [&[f32]; R] = [&[]; R];
    for row in 0..R {
        rows[row] = &x[row * k..(row + 1) * k];
    }
    let mut at = columns.start;
    while at + ACROSS <= columns.end {
        let mut w_rows: [&[f32]; ACROSS] = [&[]; ACROSS];
        for i in 0..ACROSS {
            w_rows[i] = &w[(at + i) * k..(at + i + 1) * k];
        }
        let sums = tile::<S, R, ACROSS>(simd, rows, w_rows);
        for row in 0..R {
            out[row][at..at + ACROSS].copy_from_slice(&sums[row]);
        }
        at += ACROSS;
    }
    while at < columns.end {
        let sums = tile::<S, R, 1>(simd, rows, [&w[at * k..(at + 1) * k]]);
        for row in 0..R {
            out[row][at] = sums[row][0];
        }
        at += 1;
    }
}

#[inline(always)]
fn tile<S: Simd, const R: usize, const C: usize>(
    simd: S,
    x: [&[f32]; R],
    w: [&[f32]; C],
) -> [[f32; C]; R] {
    let k = w[0].len();
    let whole = k / S::F32_LANES * S::F32_LANES;
    let vectors = k / S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); C]; R];
    let mut x_vectors: [&[S::f32s]; R] = [&[]; R];
    let mut w_vectors: [&[S::f32s]; C] = [&[]; C];
    for row in 0..R {
        x_vectors[row] = &S::as_simd_f32s(&x[row][..k]).0[..vectors];
    }
    for column in 0..C {
        w_vectors[column] = &S::as_simd_f32s(&w[column][..k]).0[..vectors];
    }
    for at in 0..vectors {
        for row in 0..R {
            let x = x_vectors[row][at];
            for column in 0..C {
                sums[row][column] = multiply_add(simd, x, w_vectors[column][at], sums[row][column]);
            }
        }
    }
    let mut out = [[0.0; C]; R];
    for row in 0..R {
        for column in 0..C {
            let mut sum = sums[row][column];
            if whole < k {
                let x = simd.partial_load_f32s(&x[row][whole..]);
                let w = simd.partial_load_f32s(&w[column][whole..]);
                sum = multiply_add(simd, x, w, sum);
            }
            out[row][column] = simd.reduce_sum_f32s(sum);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use burn::tensor::{bf16, f16};

    use super::*;
    use crate::model::ops::tests::fixture::{distance_to_exact, numbers};

    const SHAPES: [[usize; 3]; 4] = [[1, 3, 1], [4, 64, 9], [7, 100, 1300], [50, 33, 70]];

    #[test]
    fn products_are_those_of_64_bits() {
        for [rows, k, columns] in SHAPES {
            let (x, w) = (numbers(1, rows * k), numbers(2, k * columns));

            let found = dots(&x, &w, k);

            let dot = |(x, w): (&[f32], &[f32])| -> f64 {
                let terms = x.iter().zip(w);
                terms.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum()
            };
            let exact: Vec<f64> = x
                .chunks(k)
                .flat_map(|x| w.chunks(k).map(move |w| dot((x, w))))
                .collect();
            // 1e-5: up to a hundred roundings of sums of order ten.
            assert!(
                distance_to_exact(&found, &exact) < 1e-5,
                "{rows} {k} {columns}"
            );
        }
    }

    #[test]
    fn an_element_has_the_same_bits_in_any_shape() {
        for [rows, k, columns] in SHAPES {
            let (x, w) = (numbers(3, rows * k), numbers(4, k * columns));

            let together = dots(&x, &w, k);

            for (x, row) in x.chunks(k).zip(together.chunks(columns)) {
                assert_eq!(dots(x, &w, k), row, "{rows} {k} {columns}");
            }
            assert_eq!(dots(&x[..k], &w[..k], k), together[..1]);
        }
    }

    /// By definition: the sums of [`dots`] with the same weights, rounded once.
    #[test]
    fn narrow_products_are_rounded_wide_ones() {
        fn holds<T: Copy>(
            narrow: impl Fn(&[f32], &[T], usize) -> Vec<f32>,
            round: fn(f32) -> T,
            widen: fn(T) -> f32,
        ) {
            for [rows, k, columns] in SHAPES {
                let x = numbers(1, rows * k);
                let w: Vec<T> = numbers(2, k * columns).into_iter().map(round).collect();
                let wide: Vec<f32> = w.iter().copied().map(widen).collect();

                let found = narrow(&x, &w, k);

                let rounded = dots(&x, &wide, k).into_iter().map(|sum| widen(round(sum)));
                assert_eq!(found, rounded.collect::<Vec<f32>>(), "{rows} {k} {columns}");
            }
        }
        holds(
            |x, w, k| HalfColumns::Bf16(w).dots(x, k),
            bf16::from_f32,
            bf16::to_f32,
        );
        holds(
            |x, w, k| HalfColumns::F16(w).dots(x, k),
            f16::from_f32,
            f16::to_f32,
        );
    }
}
