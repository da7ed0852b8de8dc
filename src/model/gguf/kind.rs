//! The types of tensors, and the formulas of those that are quantised in blocks of 32.
//!
//! The formulas are those of `dequantize_row_*` in ggml's `ggml-quants.c`: one multiplication and one
//! addition in 32 bits for each number, in that order.

use burn::tensor::{bf16, f16};

use super::super_block::{self, half};

/// A type of tensors.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) id: u32,
    /// The name in llama.cpp.
    pub(super) name: &'static str,
    /// The numbers of a block.
    pub(super) block: usize,
    /// The bytes of a block.
    pub(super) bytes: usize,
    decode: fn(&[u8], &mut [f32]),
}

/// The types that are read.
const KINDS: [Kind; 13] = [
    kind(0, "F32", 1, 4, |bytes, out| {
        each(bytes, out, |one, out: &mut [f32; 1]| {
            *out = [f32::from_le_bytes(*one)];
        });
    }),
    kind(1, "F16", 1, 2, |bytes, out| {
        each(bytes, out, |one, out: &mut [f32; 1]| {
            *out = [f16::from_le_bytes(*one).to_f32()];
        });
    }),
    kind(30, "BF16", 1, 2, |bytes, out| {
        each(bytes, out, |one, out: &mut [f32; 1]| {
            *out = [bf16::from_le_bytes(*one).to_f32()];
        });
    }),
    kind(2, "Q4_0", 32, 18, |bytes, out| each(bytes, out, q4_0)),
    kind(3, "Q4_1", 32, 20, |bytes, out| each(bytes, out, q4_1)),
    kind(6, "Q5_0", 32, 22, |bytes, out| each(bytes, out, q5_0)),
    kind(7, "Q5_1", 32, 24, |bytes, out| each(bytes, out, q5_1)),
    kind(8, "Q8_0", 32, 34, |bytes, out| each(bytes, out, q8_0)),
    kind(10, "Q2_K", 256, 84, |bytes, out| {
        each(bytes, out, super_block::q2_k);
    }),
    kind(11, "Q3_K", 256, 110, |bytes, out| {
        each(bytes, out, super_block::q3_k);
    }),
    kind(12, "Q4_K", 256, 144, |bytes, out| {
        each(bytes, out, super_block::q4_k);
    }),
    kind(13, "Q5_K", 256, 176, |bytes, out| {
        each(bytes, out, super_block::q5_k);
    }),
    kind(14, "Q6_K", 256, 210, |bytes, out| {
        each(bytes, out, super_block::q6_k);
    }),
];

/// Types that are refused by name.
const OTHERS: [(u32, &str); 24] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

const fn kind(
    id: u32,
    name: &'static str,
    block: usize,
    bytes: usize,
    decode: fn(&[u8], &mut [f32]),
) -> Kind {
    Kind {
        id,
        name,
        block,
        bytes,
        decode,
    }
}

/// The type with a number; if it is not read, the rest of a sentence about a tensor.
pub(super) fn find(id: u32) -> Result<&'static Kind, String> {
    static ALL: [Kind; KINDS.len()] = KINDS;
    if let Some(kind) = ALL.iter().find(|kind| kind.id == id) {
        return Ok(kind);
    }
    let name = OTHERS.iter().find(|(other, _)| *other == id);
    let name = name.map_or_else(|| format!("number {id}"), |(_, name)| format!("`{name}`"));
    let known: Vec<&str> = ALL.iter().map(|kind| kind.name).collect();
    Err(format!(
        "the type {name}, which is not supported, expected one of {}; use another file of the model",
        known.join(", ")
    ))
}

impl Kind {
    /// The bytes of so many numbers, which are a multiple of a block.
    pub(super) fn bytes_of(&self, numbers: usize) -> usize {
        numbers / self.block * self.bytes
    }

    /// Whether numbers are stored as they are, without a scale that they share.
    pub(super) fn is_plain(&self) -> bool {
        self.block == 1
    }

    /// Writes the numbers of whole blocks.
    pub(super) fn decode(&self, bytes: &[u8], out: &mut [f32]) {
        (self.decode)(bytes, out);
    }
}

/// Decodes blocks of `N` bytes and `B` numbers.
fn each<const N: usize, const B: usize>(
    bytes: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; N], &mut [f32; B]),
) {
    let (bytes, out) = (bytes.as_chunks::<N>().0, out.as_chunks_mut::<B>().0);
    for (bytes, out) in bytes.iter().zip(out) {
        block(bytes, out);
    }
}

/// 4 bits for each number, and a scale.
fn q4_0(bytes: &[u8; 18], out: &mut [f32; 32]) {
    let d = half(bytes, 0);
    for (j, q) in bytes[2..].iter().enumerate() {
        out[j] = f32::from(i16::from(q & 15) - 8) * d;
        out[j + 16] = f32::from(i16::from(q >> 4) - 8) * d;
    }
}

/// 4 bits for each number, a scale and a least value.
fn q4_1(bytes: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (half(bytes, 0), half(bytes, 2));
    for (j, q) in bytes[4..].iter().enumerate() {
        out[j] = f32::from(q & 15) * d + m;
        out[j + 16] = f32::from(q >> 4) * d + m;
    }
}

/// The fifth bits of the numbers `j` and `j + 16` of a block, as 16 or 0.
fn fifth(bytes: &[u8], j: usize) -> [u8; 2] {
    let bit = |index: usize| (bytes[index / 8] >> (index % 8) & 1) << 4;
    [bit(j), bit(j + 16)]
}

/// 5 bits for each number, and a scale.
fn q5_0(bytes: &[u8; 22], out: &mut [f32; 32]) {
    let d = half(bytes, 0);
    for (j, q) in bytes[6..].iter().enumerate() {
        let [low, high] = fifth(&bytes[2..6], j);
        out[j] = f32::from(i16::from(q & 15 | low) - 16) * d;
        out[j + 16] = f32::from(i16::from(q >> 4 | high) - 16) * d;
    }
}

/// 5 bits for each number, a scale and a least value.
fn q5_1(bytes: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (half(bytes, 0), half(bytes, 2));
    for (j, q) in bytes[8..].iter().enumerate() {
        let [low, high] = fifth(&bytes[4..8], j);
        out[j] = f32::from(q & 15 | low) * d + m;
        out[j + 16] = f32::from(q >> 4 | high) * d + m;
    }
}

/// 8 bits for each number, and a scale.
fn q8_0(bytes: &[u8; 34], out: &mut [f32; 32]) {
    let d = half(bytes, 0);
    for (out, q) in out.iter_mut().zip(&bytes[2..]) {
        *out = f32::from(q.cast_signed()) * d;
    }
}
