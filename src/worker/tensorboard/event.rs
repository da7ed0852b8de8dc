//! Events as TensorBoard stores them: records of `TFRecord`, each a protocol buffer.
//!
//! The fields and their numbers are those of TensorFlow's `event.proto` and `summary.proto`. Only
//! those that a scalar needs are here.

use crc32c::crc32c;

/// The version of the format, which the first event of a file declares.
const FILE_VERSION: &str = "brain.Event:2";

/// The wire types of the fields, as in the low bits of their keys.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const BYTES: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// The first record of a file.
pub(super) fn file_version(wall_time: f64) -> Vec<u8> {
    let mut event = Vec::new();
    put_f64(&mut event, 1, wall_time);
    put_bytes(&mut event, 3, FILE_VERSION.as_bytes());
    framed(&event)
}

/// The record of a step, with the name and the value of each scalar.
pub(super) fn scalars(wall_time: f64, step: u64, values: &[(impl AsRef<str>, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut scalar = Vec::new();
        put_bytes(&mut scalar, 1, tag.as_ref().as_bytes());
        put_f32(&mut scalar, 2, *value);
        put_bytes(&mut summary, 1, &scalar);
    }
    let mut event = Vec::new();
    put_f64(&mut event, 1, wall_time);
    put_key(&mut event, 2, VARINT);
    put_varint(&mut event, step);
    put_bytes(&mut event, 5, &summary);
    framed(&event)
}

/// A record: the length and the data, each with its checksum.
fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_checksum(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_checksum(data).to_le_bytes());
    record
}

/// The checksum of the format: CRC-32C, masked because a checksum of data that contains its own
/// checksum is weak.
fn masked_checksum(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn put_key(message: &mut Vec<u8>, field: u64, kind: u64) {
    put_varint(message, field << 3 | kind);
}

/// Seven bits a byte, the lowest first. The high bit means that more bytes follow.
fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        let [low, ..] = value.to_le_bytes();
        message.push(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    message.push(low);
}

fn put_bytes(message: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_key(message, field, BYTES);
    put_varint(message, bytes.len() as u64);
    message.extend(bytes);
}

fn put_f64(message: &mut Vec<u8>, field: u64, value: f64) {
    put_key(message, field, EIGHT_BYTES);
    message.extend(value.to_le_bytes());
}

fn put_f32(message: &mut Vec<u8>, field: u64, value: f64) {
    put_key(message, field, FOUR_BYTES);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the format has 32 bits for a scalar; `metrics.jsonl` has all digits"
    )]
    let value = value as f32;
    message.extend(value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        digits.concat()
    }

    #[test]
    fn records_are_those_of_tensorboard() {
        // Oracle: TensorBoard 2.21.0, `RecordWriter.write(event.SerializeToString())` of
        // Event(wall_time=1.5, file_version="brain.Event:2") and of Event(wall_time=1.5, step=300)
        // with Value(tag="a/b", simple_value=0.25) and Value(tag="c", simple_value=-2).
        assert_eq!(
            hex(&file_version(1.5)),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
        );
        assert_eq!(
            hex(&scalars(1.5, 300, &[("a/b", 0.25), ("c", -2.0)])),
            "2400000000000000422b804d09000000000000f83f10ac022a160a0a0a03612f62150000803e\
             0a080a016315000000c0820519bf"
        );
    }

    #[test]
    fn integers_take_a_byte_for_seven_bits() {
        // Oracle: the example of the protocol buffers' documentation (150), the others worked out
        // by hand.
        for (value, bytes) in [
            (0, vec![0]),
            (127, vec![0x7f]),
            (128, vec![0x80, 1]),
            (150, vec![0x96, 1]),
            (1 << 14, vec![0x80, 0x80, 1]),
        ] {
            let mut message = Vec::new();
            put_varint(&mut message, value);
            assert_eq!(message, bytes, "{value}");
        }
    }
}
