//! The formulas of the types that are quantised in blocks of 256 numbers, which have quantised scales for
//! each 16 or 32 of them: the "K-quants".

use burn::tensor::f16;

/// The numbers of a block.
const NUMBERS: usize = 256;

/// The half-precision number at a place of a block.
pub(super) fn half(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// 2 bits for each number; a scale and a least value of 4 bits for each 16 numbers.
pub(super) fn q2_k(bytes: &[u8; 84], out: &mut [f32; NUMBERS]) {
    let (scales, quants) = (&bytes[..16], &bytes[16..80]);
    let (d, min) = (half(bytes, 80), half(bytes, 82));
    for (group, out) in out.chunks_exact_mut(16).enumerate() {
        // 128 numbers share 32 bytes; each 32 of them have two bits of each byte.
        let (from, shift) = (group / 8 * 32 + group % 2 * 16, group % 8 / 2 * 2);
        let (scale, least) = (
            d * f32::from(scales[group] & 15),
            min * f32::from(scales[group] >> 4),
        );
        for (out, q) in out.iter_mut().zip(&quants[from..]) {
            *out = scale * f32::from(q >> shift & 3) - least;
        }
    }
}

/// 3 bits for each number; a scale of 6 bits for each 16 numbers.
pub(super) fn q3_k(bytes: &[u8; 110], out: &mut [f32; NUMBERS]) {
    let (masks, quants, scales) = (&bytes[..32], &bytes[32..96], &bytes[96..108]);
    let d = half(bytes, 108);
    for (group, out) in out.chunks_exact_mut(16).enumerate() {
        let (half, shift) = (group % 2 * 16, group % 8 / 2 * 2);
        let (from, bit) = (group / 8 * 32 + half, group / 2);
        // Four low bits in the first eight bytes, two high bits in the last four.
        let low = scales[group % 8] >> (group / 8 * 4) & 15;
        let high = scales[8 + group % 4] >> (group / 4 * 2) & 3;
        let scale = d * f32::from(i16::from(low | high << 4) - 32);
        for ((out, q), mask) in out.iter_mut().zip(&quants[from..]).zip(&masks[half..]) {
            let absent = if mask >> bit & 1 == 0 { 4 } else { 0 };
            *out = scale * f32::from(i16::from(q >> shift & 3) - absent);
        }
    }
}

/// The scale and the least value of 6 bits each that `Q4_K` and `Q5_K` have for each 32 numbers.
fn scale_and_least(scales: &[u8], group: usize) -> [f32; 2] {
    let pair = if group < 4 {
        [scales[group] & 63, scales[group + 4] & 63]
    } else {
        [
            scales[group + 4] & 15 | scales[group - 4] >> 6 << 4,
            scales[group + 4] >> 4 | scales[group] >> 6 << 4,
        ]
    };
    pair.map(f32::from)
}

/// 4 bits for each number; a scale and a least value for each 32 numbers.
pub(super) fn q4_k(bytes: &[u8; 144], out: &mut [f32; NUMBERS]) {
    let (d, min) = (half(bytes, 0), half(bytes, 2));
    let (scales, quants) = (&bytes[4..16], &bytes[16..]);
    for (group, out) in out.chunks_exact_mut(32).enumerate() {
        let [scale, least] = scale_and_least(scales, group);
        let (scale, least) = (d * scale, min * least);
        let shift = group % 2 * 4;
        for (out, q) in out.iter_mut().zip(&quants[group / 2 * 32..]) {
            *out = scale * f32::from(q >> shift & 15) - least;
        }
    }
}

/// 5 bits for each number; a scale and a least value for each 32 numbers.
pub(super) fn q5_k(bytes: &[u8; 176], out: &mut [f32; NUMBERS]) {
    let (d, min) = (half(bytes, 0), half(bytes, 2));
    let (scales, fifths, quants) = (&bytes[4..16], &bytes[16..48], &bytes[48..]);
    for (group, out) in out.chunks_exact_mut(32).enumerate() {
        let [scale, least] = scale_and_least(scales, group);
        let (scale, least) = (d * scale, min * least);
        let shift = group % 2 * 4;
        let quants = &quants[group / 2 * 32..];
        for ((out, q), fifth) in out.iter_mut().zip(quants).zip(fifths) {
            let high = (fifth >> group & 1) << 4;
            *out = scale * f32::from(q >> shift & 15 | high) - least;
        }
    }
}

/// 6 bits for each number; a scale of 8 bits for each 16 numbers.
pub(super) fn q6_k(bytes: &[u8; 210], out: &mut [f32; NUMBERS]) {
    let (low, high, scales) = (&bytes[..128], &bytes[128..192], &bytes[192..208]);
    let d = half(bytes, 208);
    for (group, out) in out.chunks_exact_mut(16).enumerate() {
        // 128 numbers share 64 bytes of low bits and 32 bytes of high bits, 32 numbers at a time.
        let (part, quarter, half) = (group / 8, group % 8 / 2, group % 2 * 16);
        let low = &low[part * 64 + quarter % 2 * 32 + half..];
        let high = &high[part * 32 + half..];
        let scale = d * f32::from(scales[group].cast_signed());
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            let low = low >> (quarter / 2 * 4) & 15;
            let high = high >> (quarter * 2) & 3;
            *out = scale * f32::from(i16::from(low | high << 4) - 32);
        }
    }
}
