//! Norm, gate, rotation and softmax of single rows.

use pulp::{Simd, WithSimd};

use crate::model::ops::cpu::{
    simd::{
        lanes::{SUMS, joined},
        processor,
    },
    threads::{fresh, team},
};

use super::{distribution, exponential::exp};

/// The least numbers of a task: fewer are not worth handing to a thread.
const SHARE: usize = 1 << 14;

/// Root-mean-square norm of each row of `x`, times `weight`.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32) -> Vec<f32> {
    each(x.len(), weight.len(), |at, out| {
        let x = &x[at..at + out.len()];
        processor::run(Norm {
            out,
            x,
            weight,
            epsilon,
        });
    })
}

/// `silu(gate) · up`.
pub(in crate::model::ops::cpu) fn swiglu(gate: &[f32], up: &[f32]) -> Vec<f32> {
    each(gate.len(), 1, |at, out| {
        let (gate, up) = (&gate[at..at + out.len()], &up[at..at + out.len()]);
        processor::run(SwiGlu { out, gate, up });
    })
}

/// Rotates each pair of numbers of each head; the two of a pair are half a head apart.
///
/// # Shapes
///
/// - `x`, output: `[tokens, heads, 2 · half]`
/// - `cos`, `sin`: `[tokens, half]`
pub(super) fn rotate(x: &[f32], cos: &[f32], sin: &[f32], half: usize) -> Vec<f32> {
    let width = x.len() * half / cos.len();
    each(x.len(), width, |at, out| {
        let x = &x[at..at + out.len()];
        let first = at / width * half;
        let angles = first..first + out.len() / width * half;
        let (cos, sin) = (&cos[angles.clone()], &sin[angles]);
        processor::run(Turn {
            out,
            x,
            cos,
            sin,
            half,
            width,
        });
    })
}

/// Softmax of each row of `width` numbers.
pub(super) fn softmax(x: &[f32], width: usize) -> Vec<f32> {
    each(x.len(), width, |at, out| {
        out.copy_from_slice(&x[at..at + out.len()]);
        processor::run(Softmax { out, width });
    })
}

struct Softmax<'a> {
    out: &'a mut [f32],
    width: usize,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.out.chunks_exact_mut(self.width) {
            distribution::softmax(simd, row);
        }
    }
}

/// Computes some rows at a time with `fill`, which is given the index of their first element.
pub(super) fn each(count: usize, row: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let share = (SHARE / row).max(1) * row;
    fresh::numbers(count, |out| {
        let parts: Vec<_> = out.chunks(share).enumerate().collect();
        team::each(parts, |(index, out)| fill(index * share, out.zeroed()));
    })
}

struct Norm<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    weight: &'a [f32],
    epsilon: f32,
}

impl WithSimd for Norm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let d = self.weight.len();
        for (out, x) in self.out.chunks_exact_mut(d).zip(self.x.chunks_exact(d)) {
            let scale = 1.0 / (sum_of_squares(x) / d as f32 + self.epsilon).sqrt();
            for i in 0..d {
                out[i] = x[i] * scale * self.weight[i];
            }
        }
    }
}

#[inline(always)]
pub(super) fn sum_of_squares(x: &[f32]) -> f32 {
    let mut sums = [0.0; SUMS];
    let (whole, rest) = x.as_chunks::<SUMS>();
    for part in whole {
        for i in 0..SUMS {
            sums[i] += part[i] * part[i];
        }
    }
    for i in 0..rest.len() {
        sums[i] += rest[i] * rest[i];
    }
    joined(sums)
}

struct SwiGlu<'a> {
    out: &'a mut [f32],
    gate: &'a [f32],
    up: &'a [f32],
}

impl WithSimd for SwiGlu<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        gate(simd, self.gate, self.up, self.out);
    }
}

/// As [`swiglu`], into `out`.
#[inline(always)]
pub(in crate::model::ops::cpu) fn gate<S: Simd>(
    simd: S,
    gate: &[f32],
    up: &[f32],
    out: &mut [f32],
) {
    let count = out.len();
    let (gate, up) = (&gate[..count], &up[..count]);
    for i in 0..count {
        // Above 87 the gate is closed to the last digit, and the exponential would overflow.
        let closing = exp(simd, (-gate[i]).min(87.0));
        out[i] = gate[i] / (1.0 + closing) * up[i];
    }
}

struct Turn<'a> {
    out: &'a mut [f32],
    x: &'a [f32],
    cos: &'a [f32],
    sin: &'a [f32],
    half: usize,
    /// Numbers of a token.
    width: usize,
}

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (half, heads) = (self.half, self.width / (2 * self.half));
        for index in 0..self.x.len() / (2 * half) {
            let head = 2 * half * index;
            let angle = index / heads * half;
            let (cos, sin) = (
                &self.cos[angle..angle + half],
                &self.sin[angle..angle + half],
            );
            let (first, second) = self.x[head..head + 2 * half].split_at(half);
            let (low, high) = self.out[head..head + 2 * half].split_at_mut(half);
            for i in 0..half {
                low[i] = first[i] * cos[i] - second[i] * sin[i];
                high[i] = second[i] * cos[i] + first[i] * sin[i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ops::tests::fixture::{distance_to_exact, numbers};

    #[test]
    fn norms_are_those_of_64_bits() {
        // 37 is no multiple of a vector; the rows are more than one task takes.
        for (rows, d) in [(1, 37), (600, 64)] {
            let (x, weight) = (numbers(1, rows * d), numbers(2, d));

            let found = rms_norm(&x, &weight, 1e-6);

            let exact: Vec<f64> = x
                .chunks(d)
                .flat_map(|row| {
                    let squares: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
                    let scale = (squares / d as f64 + 1e-6).sqrt().recip();
                    let terms = row.iter().zip(&weight);
                    terms.map(move |(x, w)| f64::from(*x) * scale * f64::from(*w))
                })
                .collect();
            // 1e-6: a few roundings of numbers of order one.
            assert!(distance_to_exact(&found, &exact) < 1e-6, "{rows}");
        }
    }

    #[test]
    fn gates_are_those_of_64_bits() {
        let gate: Vec<f32> = numbers(3, 40_000).iter().map(|x| x * 100.0).collect();
        let up = numbers(4, 40_000);

        let found = swiglu(&gate, &up);

        let exact: Vec<f64> = gate
            .iter()
            .zip(&up)
            .map(|(gate, up)| {
                let gate = f64::from(*gate);
                gate / (1.0 + (-gate).exp()) * f64::from(*up)
            })
            .collect();
        // 3e-5: four units in the last place of numbers up to a hundred.
        assert!(distance_to_exact(&found, &exact) < 3e-5);
    }

    #[test]
    fn rotations_turn_each_pair_by_the_angle_of_its_token() {
        let (tokens, heads, half) = (300, 3, 16);
        let x = numbers(5, tokens * heads * 2 * half);
        let angles = numbers(6, tokens * half);
        let cos: Vec<f32> = angles.iter().map(|angle| angle.cos()).collect();
        let sin: Vec<f32> = angles.iter().map(|angle| angle.sin()).collect();

        let found = rotate(&x, &cos, &sin, half);

        let exact: Vec<f64> = (0..x.len())
            .map(|at| {
                let (token, place) = (at / (heads * 2 * half), at % (2 * half));
                let (cos, sin) = (
                    f64::from(cos[token * half + place % half]),
                    f64::from(sin[token * half + place % half]),
                );
                let value = f64::from(x[at]);
                if place < half {
                    value * cos - f64::from(x[at + half]) * sin
                } else {
                    value * cos + f64::from(x[at - half]) * sin
                }
            })
            .collect();
        // 3e-7: three roundings of numbers of order one.
        assert!(distance_to_exact(&found, &exact) < 3e-7);
    }
}
