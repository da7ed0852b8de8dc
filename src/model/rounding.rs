//! From the numbers of the host to those of the tensors.

/// Rounds to the nearest number of 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is what this is for"
)]
pub fn to_f32(value: f64) -> f32 {
    value as f32
}
