//! Conversion of the host's numbers to those of tensors.

/// Rounds to the nearest number of 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "rounding is the purpose")]
pub fn to_f32(value: f64) -> f32 {
    value as f32
}
