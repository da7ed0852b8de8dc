//! Files that are made from the one that the reference package has written.

use std::path::{Path, PathBuf};

use crate::model::gguf::{
    header::{self, Header, Place},
    value::Value,
};

/// The bytes of `tests/golden/gguf/tiny.gguf`.
pub(super) const TINY: &[u8] = include_bytes!("../../../../tests/golden/gguf/tiny.gguf");

/// The path of that file.
pub(super) fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/gguf/tiny.gguf")
}

/// The file with another header.
pub(super) fn edited(edit: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = header::read(TINY).unwrap();
    edit(&mut header);
    written(&header)
}

/// The header of another architecture, with the tensors that it needs: those of a norm, used again.
pub(super) fn turn_into(header: &mut Header, architecture: &str) {
    let keys = std::mem::take(&mut header.metadata.0).into_iter();
    let keys = keys.map(|(key, value)| match key.strip_prefix("llama.") {
        Some(rest) => (format!("{architecture}.{rest}"), value),
        None => (key, value),
    });
    header.metadata.0 = keys.collect();
    set(header, "general.architecture", text(architecture));
    let added: &[(&str, usize)] = match architecture {
        "qwen2" => &[
            ("attn_q.bias", 32),
            ("attn_k.bias", 16),
            ("attn_v.bias", 16),
        ],
        "qwen3" => &[("attn_q_norm.weight", 16), ("attn_k_norm.weight", 16)],
        _ => &[
            ("attn_q.bias", 32),
            ("attn_k.bias", 16),
            ("attn_v.bias", 16),
            ("attn_output.bias", 32),
        ],
    };
    for (name, width) in added {
        let norm = &header.tensors["output_norm.weight"];
        let place = Place {
            shape: vec![*width],
            kind: norm.kind,
            range: norm.range.start..norm.range.start + 4 * width,
        };
        header.tensors.insert(format!("blk.0.{name}"), place);
    }
}

pub(super) fn set(header: &mut Header, key: &str, value: Value) {
    header.metadata.0.insert(key.to_owned(), value);
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The bytes of a file with this header and the tensors of [`TINY`].
fn written(header: &Header) -> Vec<u8> {
    const ALIGNMENT: usize = 32;
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend((header.tensors.len() as u64).to_le_bytes());
    bytes.extend((header.metadata.0.len() as u64).to_le_bytes());
    for (key, value) in &header.metadata.0 {
        put_text(&mut bytes, key);
        bytes.extend(code(value).to_le_bytes());
        put_value(&mut bytes, value);
    }
    let mut data = Vec::new();
    for (name, place) in &header.tensors {
        put_text(&mut bytes, name);
        bytes.extend(u32::try_from(place.shape.len()).unwrap().to_le_bytes());
        for width in place.shape.iter().rev() {
            bytes.extend((*width as u64).to_le_bytes());
        }
        bytes.extend(place.kind.id.to_le_bytes());
        bytes.extend((data.len() as u64).to_le_bytes());
        data.extend(&TINY[place.range.clone()]);
        data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes.extend(data);
    bytes
}

fn code(value: &Value) -> u32 {
    match value {
        Value::Unsigned(_) => 10,
        Value::Signed(_) => 11,
        Value::Number(_) => 12,
        Value::Bool(_) => 7,
        Value::Text(_) => 8,
        Value::List(_) => 9,
    }
}

fn put_value(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Unsigned(number) => bytes.extend(number.to_le_bytes()),
        Value::Signed(number) => bytes.extend(number.to_le_bytes()),
        Value::Number(number) => bytes.extend(number.to_le_bytes()),
        Value::Bool(is_on) => bytes.push(u8::from(*is_on)),
        Value::Text(text) => put_text(bytes, text),
        Value::List(items) => {
            bytes.extend(items.first().map_or(4, code).to_le_bytes());
            bytes.extend((items.len() as u64).to_le_bytes());
            for item in items {
                put_value(bytes, item);
            }
        }
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
