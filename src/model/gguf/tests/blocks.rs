//! The formulas of the types, compared with another implementation.

use serde_json::Value as Json;

use crate::model::gguf::kind;

const GOLDEN: &str = include_str!("../../../../tests/golden/gguf/blocks.json");

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let one = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(one).collect()
}

#[test]
fn every_type_is_decoded_bit_for_bit() {
    // Oracle: `gguf.quants.dequantize` of the Python package gguf 0.19, by tests/golden/gguf/make/blocks.py,
    // for random blocks of each type.
    let golden: Json = serde_json::from_str(GOLDEN).unwrap();
    let types = golden["types"].as_object().unwrap();
    assert_eq!(types.len(), 13);
    for (name, one) in types {
        let id = u32::try_from(one["id"].as_u64().unwrap()).unwrap();
        let kind = kind::find(id).unwrap();
        assert_eq!(kind.name, name);
        let stored = bytes(one["bytes"].as_str().unwrap());
        let expected = bytes(one["values"].as_str().unwrap());
        let numbers = expected.len() / 4;
        assert_eq!(stored.len(), kind.bytes_of(numbers), "{name}");
        assert!(numbers >= 2 * kind.block, "{name}");

        let mut found = vec![f32::NAN; numbers];
        kind.decode(&stored, &mut found);

        for (place, (found, expected)) in found.iter().zip(expected.as_chunks().0).enumerate() {
            let expected = f32::from_le_bytes(*expected);
            assert_eq!(found.to_bits(), expected.to_bits(), "{name} {place}");
        }
    }
}

#[test]
fn a_type_that_is_not_read_is_named() {
    insta::assert_snapshot!(kind::find(20).unwrap_err(), @"the type `IQ4_NL`, which is not supported, expected one of F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K; use another file of the model");
    insta::assert_snapshot!(kind::find(1000).unwrap_err(), @"the type number 1000, which is not supported, expected one of F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K; use another file of the model");
}
