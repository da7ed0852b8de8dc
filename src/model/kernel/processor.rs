//! The choice of instruction set, at run time.

use pulp::{Scalar, Simd, WithSimd};

/// Runs an operation with the widest vectors that this processor has.
pub(super) fn run<Op: WithSimd>(operation: Op) -> Op::Output {
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
