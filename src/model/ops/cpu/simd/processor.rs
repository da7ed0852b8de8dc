//! The choice of the instruction set, at run time.

use pulp::{Scalar, Simd, WithSimd};

/// Runs an operation with the widest vectors that this processor has.
pub(in crate::model::ops::cpu) fn run<Op: WithSimd>(operation: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V4::try_new() {
            return Simd::vectorize(simd, operation);
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Simd::vectorize(simd, operation);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if let Some(simd) = pulp::aarch64::Neon::try_new() {
        return Simd::vectorize(simd, operation);
    }
    Simd::vectorize(Scalar::new(), operation)
}

/// Whether this processor has vectors of 512 bits, and with them twice as many registers.
pub(in crate::model::ops::cpu) fn has_wide_vectors() -> bool {
    struct Wide;
    impl WithSimd for Wide {
        type Output = bool;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> bool {
            is_wide::<S>()
        }
    }
    run(Wide)
}

/// As [`has_wide_vectors`], for the vectors in use.
#[inline(always)]
pub(in crate::model::ops::cpu) fn is_wide<S: Simd>() -> bool {
    S::F32_LANES >= 16
}
