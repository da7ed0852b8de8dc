//! Files that nobody wrote.

use burn::tensor::Device;

use super::fixture::{TINY, edited, set, text, turn_into};
use crate::{
    fuzz::{fuzz, law, named},
    model::{
        Dtype, LanguageModel,
        gguf::{header, value::Value},
    },
};

#[test]
fn files_are_read_or_refused() {
    let device = Device::flex();
    let corpus = [
        TINY.to_vec(),
        edited(|header| turn_into(header, "qwen2")),
        edited(|header| {
            turn_into(header, "qwen3");
            set(header, "tokenizer.ggml.pre", text("llama-bpe"));
            set(header, "qwen3.rope.scaling.type", text("yarn"));
            set(header, "qwen3.rope.scaling.factor", Value::Number(4.0));
        }),
    ];
    fuzz(40, &corpus, |case| {
        // What follows the metadata is large, and changes of it are found at once.
        let path = case.file("model.gguf");
        if let Ok(header) = header::read(&case.bytes) {
            for place in header.tensors.values() {
                let numbers: usize = place.shape.iter().product();
                law(
                    place.range.end <= case.bytes.len()
                        && place.range.len() == place.kind.bytes_of(numbers),
                    "a tensor is within its file",
                )?;
            }
        }
        let Some(model) = named(LanguageModel::load(&path, Dtype::F32, &device), &path)? else {
            return Ok(());
        };
        let tokens = model.tokenizer.encode("hello world 12").unwrap_or_default();
        let _ = model.tokenizer.decode(&tokens);
        law(
            model.config.parameter_count() < 1 << 60,
            "a shape is not endless",
        )
    });
}
