//! The exponential function, in a form that the compiler can vectorise.

use pulp::Simd;

use crate::model::ops::cpu::simd::lanes::multiply_add_one;

/// `eˣ` within two units in the last place, 0 below -87.3, and NaN of NaN; `x` must not exceed 88.
///
/// The polynomial is that of Cephes: `x = n·ln 2 + f`, `|f| ≤ ½ ln 2`.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: f32) -> f32 {
    const LEAST: f32 = -87.3;
    // Adding it leaves the nearest whole number in the low bits.
    const MAGIC: f32 = 12_582_912.0;
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    // Unlike `max`, this keeps NaN.
    let clamped = if x < LEAST { LEAST } else { x };
    let shifted = multiply_add_one(simd, clamped, std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let f = multiply_add_one(simd, n, -HIGH, clamped);
    let f = multiply_add_one(simd, n, -LOW, f);
    let mut sum = 1.987_569_1e-4;
    sum = multiply_add_one(simd, sum, f, 1.398_199_9e-3);
    sum = multiply_add_one(simd, sum, f, 8.333_452e-3);
    sum = multiply_add_one(simd, sum, f, 4.166_579_6e-2);
    sum = multiply_add_one(simd, sum, f, 1.666_666_5e-1);
    sum = multiply_add_one(simd, sum, f, 5e-1);
    let sum = multiply_add_one(simd, sum, f * f, f) + 1.0;
    // The whole number moves into the exponent; the bits of MAGIC leave at the top.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < LEAST { 0.0 } else { sum * power }
}

#[cfg(test)]
mod tests {
    use pulp::{Simd, WithSimd};

    use super::exp;
    use crate::model::ops::cpu::simd::processor;

    struct Apply(Vec<f32>);

    impl WithSimd for Apply {
        type Output = Vec<f32>;

        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            self.0.into_iter().map(|x| exp(simd, x)).collect()
        }
    }

    #[test]
    fn it_is_the_exponential_in_64_bits() {
        let inputs: Vec<f32> = (-87_000..=88_000u32.cast_signed())
            .map(|x| x as f32 / 1e3)
            .collect();

        let outputs = processor::run(Apply(inputs.clone()));

        for (x, y) in inputs.iter().zip(outputs) {
            let expected = f64::from(*x).exp();
            // 2.4e-7: two units in the last place.
            assert!(
                (f64::from(y) / expected - 1.0).abs() < 2.4e-7,
                "{x}: {y} {expected}"
            );
        }
    }

    #[test]
    fn what_is_too_small_is_zero() {
        assert_eq!(
            processor::run(Apply(vec![-88.0, f32::NEG_INFINITY, 0.0])),
            [0.0, 0.0, 1.0]
        );
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        assert!(processor::run(Apply(vec![f32::NAN]))[0].is_nan());
    }
}
