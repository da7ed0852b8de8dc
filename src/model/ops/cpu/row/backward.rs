//! Gradients of the operations of [`forward`](super::forward).

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::model::ops::cpu::simd::{
    lanes::{SUMS, joined},
    processor,
};

use super::{
    distribution,
    exponential::exp,
    forward::{each, sum_of_squares},
};

/// Rows that are summed together in the gradient of a weight: a fixed number, so that the number of
/// threads does not change the digits.
const BLOCK: usize = 64;

/// The gradient of [`rms_norm`](super::forward::rms_norm)'s rows.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], gradient: &[f32], epsilon: f32) -> Vec<f32> {
    each(x.len(), weight.len(), |at, out| {
        let (x, gradient) = (&x[at..at + out.len()], &gradient[at..at + out.len()]);
        processor::run(Norm {
            out,
            x,
            weight,
            gradient,
            epsilon,
        });
    })
}

struct Norm<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    weight: &'a [f32],
    gradient: &'a [f32],
    epsilon: f32,
}

impl WithSimd for Norm<'_> {
    type Output = ();

    // y = x·s·w with s = (mean x² + ε)^-½, so dx = s·(w·dy - x·s²·mean(w·dy·x)).
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let d = self.weight.len();
        for row in 0..self.x.len() / d {
            let columns = row * d..(row + 1) * d;
            let (x, gradient) = (&self.x[columns.clone()], &self.gradient[columns.clone()]);
            let out = &mut self.out[columns];
            let scale = 1.0 / (sum_of_squares(x) / d as f32 + self.epsilon).sqrt();
            for i in 0..d {
                out[i] = self.weight[i] * gradient[i];
            }
            let shift = dot(out, x) / d as f32 * scale * scale;
            for i in 0..d {
                out[i] = scale * (out[i] - x[i] * shift);
            }
        }
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; SUMS];
    let (a_whole, a_rest) = a.as_chunks::<SUMS>();
    let (b_whole, b_rest) = b.as_chunks::<SUMS>();
    for at in 0..a_whole.len().min(b_whole.len()) {
        let (a, b) = (&a_whole[at], &b_whole[at]);
        for i in 0..SUMS {
            sums[i] += a[i] * b[i];
        }
    }
    for i in 0..a_rest.len().min(b_rest.len()) {
        sums[i] += a_rest[i] * b_rest[i];
    }
    joined(sums)
}

/// The gradient of [`rms_norm`](super::forward::rms_norm)'s weight.
pub(super) fn rms_norm_weight(x: &[f32], d: usize, gradient: &[f32], epsilon: f32) -> Vec<f32> {
    let blocks: Vec<Vec<f32>> = x
        .par_chunks(BLOCK * d)
        .zip(gradient.par_chunks(BLOCK * d))
        .map(|(x, gradient)| {
            processor::run(NormWeight {
                x,
                gradient,
                d,
                epsilon,
            })
        })
        .collect();
    let mut sum = vec![0.0; d];
    for block in blocks {
        for (sum, value) in sum.iter_mut().zip(block) {
            *sum += value;
        }
    }
    sum
}

struct NormWeight<'a> {
    x: &'a [f32],
    gradient: &'a [f32],
    d: usize,
    epsilon: f32,
}

impl WithSimd for NormWeight<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f32> {
        let d = self.d;
        let mut sum = vec![0.0; d];
        for row in 0..self.x.len() / d {
            let (x, gradient) = (
                &self.x[row * d..(row + 1) * d],
                &self.gradient[row * d..(row + 1) * d],
            );
            let scale = 1.0 / (sum_of_squares(x) / d as f32 + self.epsilon).sqrt();
            for i in 0..d {
                sum[i] += gradient[i] * x[i] * scale;
            }
        }
        sum
    }
}

/// The gradients of [`swiglu`](super::forward::swiglu)'s `gate` and `up`.
pub(super) fn swiglu(gate: &[f32], up: &[f32], gradient: &[f32]) -> [Vec<f32>; 2] {
    const SHARE: usize = 1 << 14;
    let (mut gate_out, mut up_out) = (vec![0.0; gate.len()], vec![0.0; gate.len()]);
    gate_out
        .par_chunks_mut(SHARE)
        .zip(up_out.par_chunks_mut(SHARE))
        .enumerate()
        .for_each(|(index, (gate_out, up_out))| {
            let part = index * SHARE..index * SHARE + gate_out.len();
            let (gate, up, gradient) = (&gate[part.clone()], &up[part.clone()], &gradient[part]);
            processor::run(SwiGlu {
                gate_out,
                up_out,
                gate,
                up,
                gradient,
            });
        });
    [gate_out, up_out]
}

struct SwiGlu<'a> {
    gate_out: &'a mut [f32],
    up_out: &'a mut [f32],
    gate: &'a [f32],
    up: &'a [f32],
    gradient: &'a [f32],
}

impl WithSimd for SwiGlu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let count = self.gate_out.len();
        let (gate, up, gradient) = (
            &self.gate[..count],
            &self.up[..count],
            &self.gradient[..count],
        );
        let up_out = &mut self.up_out[..count];
        for i in 0..count {
            let open = 1.0 / (1.0 + exp(simd, (-gate[i]).min(87.0)));
            up_out[i] = gradient[i] * gate[i] * open;
            let slope = open * (1.0 + gate[i] * (1.0 - open));
            self.gate_out[i] = gradient[i] * up[i] * slope;
        }
    }
}

/// The gradient of [`softmax`](super::forward::softmax)'s rows. The softmax is computed again.
pub(super) fn softmax(x: &[f32], gradient: &[f32], width: usize) -> Vec<f32> {
    each(x.len(), width, |at, out| {
        let (x, gradient) = (&x[at..at + out.len()], &gradient[at..at + out.len()]);
        processor::run(Softmax {
            out,
            x,
            gradient,
            width,
        });
    })
}

struct Softmax<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    gradient: &'a [f32],
    width: usize,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.out.copy_from_slice(self.x);
        for row in 0..self.x.len() / self.width {
            let columns = row * self.width..(row + 1) * self.width;
            let (out, gradient) = (&mut self.out[columns.clone()], &self.gradient[columns]);
            distribution::softmax(simd, out);
            let shift = dot(out, gradient);
            for i in 0..self.width {
                out[i] *= gradient[i] - shift;
            }
        }
    }
}
