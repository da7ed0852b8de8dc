//! Whole files: what is read from them, and what is refused.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use burn::tensor::{Device, Tensor};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::fixture::{TINY, edited, set, text, tiny, turn_into};
use crate::model::{
    Dtype, LanguageModel, Message, config_of_model,
    gguf::{
        header::{Header, Place},
        value::Value,
    },
    parameter::Layout,
};

/// The parameters of a model in the layout of a checkpoint.
fn parameters(model: &mut LanguageModel) -> BTreeMap<String, Tensor<2>> {
    let mut all = BTreeMap::new();
    model.decoder.each_parameter(&mut |parameter| {
        let value = parameter.tensor.clone();
        let value = match parameter.layout {
            Layout::Matrix => value.transpose(),
            Layout::Table | Layout::Vector => value,
        };
        all.insert(parameter.name, value);
    });
    all
}

fn numbers(tensor: &Tensor<2>) -> Vec<f32> {
    tensor.clone().into_data().iter::<f32>().collect()
}

fn load(path: &Path) -> LanguageModel {
    LanguageModel::load(path, Dtype::F32, &Device::flex()).unwrap()
}

/// The model in a file with these bytes.
fn model_of(bytes: &[u8]) -> LanguageModel {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, bytes).unwrap();
    load(&path)
}

#[test]
fn a_file_of_the_reference_package_has_the_weights_that_it_was_given() {
    // Oracle: tests/golden/gguf/make/tiny.py, which permutes, quantises and dequantises with the Python
    // package gguf 0.19 and NumPy.
    let golden = include_str!("../../../../tests/golden/gguf/tiny.json");
    let golden: Json = serde_json::from_str(golden).unwrap();

    let found = parameters(&mut load(&tiny()));

    let expected = golden["sha256"].as_object().unwrap();
    assert_eq!(found.len(), expected.len());
    for (name, expected) in expected {
        let mut hasher = Sha256::new();
        for number in numbers(&found[name]) {
            hasher.update(number.to_le_bytes());
        }
        let digits = hasher
            .finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            });
        assert_eq!(digits, *expected.as_str().unwrap(), "{name}");
    }
}

#[test]
fn weights_of_sixteen_bits_are_the_others_rounded() {
    let device = Device::flex();
    let wide = parameters(&mut load(&tiny()));
    for dtype in [Dtype::Bf16, Dtype::F16] {
        let mut model = LanguageModel::load(&tiny(), dtype, &device).unwrap();
        for (name, narrow) in parameters(&mut model) {
            let rounded = wide[&name].clone().cast(dtype.of_tensors());
            assert_eq!(narrow.into_data(), rounded.into_data(), "{name}");
        }
    }
}

#[test]
fn the_shape_and_the_texts_are_those_of_the_metadata() {
    let model = load(&tiny());

    let config = Json::from(model.config.to_json(Dtype::F32));
    let expected = json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu",
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5,
        "rope_theta": 100_000.0, "max_position_embeddings": 64, "vocab_size": 269,
        "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2, "use_cache": true,
        "torch_dtype": "float32",
    });
    assert_eq!(config, expected);
    // The token that ends a turn, and the special token that ends a text.
    assert_eq!(model.stop_tokens, [2, 0]);
    let messages = [Message::user("Hi"), Message::assistant("Yes.")];
    let chat = model.chat.render_as_trained(&messages[..1]).unwrap();
    assert_eq!(chat, "user: Hi<|im_end|>");
    assert_eq!(
        config_of_model(&tiny()).unwrap().parameter_count(),
        269 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 64 * 32 + 3 * 32
    );
}

#[test]
fn texts_have_the_tokens_of_the_kind_of_splitting() {
    // Worked by hand from the merges of tests/golden/gguf/make/tiny.py: 259 is `he`, 262 `hello`, 265 `Ġwor`
    // and 266 `12`, which splitting into single digits keeps from being made; 267 is `<note>`.
    let with = |pre: &str| {
        let bytes = edited(|header| {
            set(header, "tokenizer.ggml.pre", text(pre));
            header.metadata.0.remove("tokenizer.ggml.add_bos_token");
        });
        model_of(&bytes).tokenizer
    };
    let [one, two, d] = [b'1', b'2', b'd'].map(|byte| u32::from(byte) - 33 + 3);
    let l = u32::from(b'l') - 33 + 3;
    let phrase = "hello world12<note><|im_end|>";
    for (pre, digits) in [
        ("smollm", vec![one, two]),
        ("qwen2", vec![one, two]),
        ("llama-bpe", vec![266]),
        ("default", vec![266]),
        ("gpt-2", vec![266]),
    ] {
        let tokenizer = with(pre);
        let mut expected = vec![262, 265, l, d];
        expected.extend(digits);
        expected.extend([267, 2]);
        assert_eq!(tokenizer.encode(phrase).unwrap(), expected, "{pre}");
        // The special token is left out, and the other added one is not.
        assert_eq!(tokenizer.decode(&expected).unwrap(), "hello world12<note>");
        // A row without a token.
        assert_eq!(tokenizer.token("[PAD267]"), None);
        let begins = tokenizer.encode_prompt("he", true).unwrap();
        let expected: &[u32] = if pre == "llama-bpe" {
            &[1, 259]
        } else {
            &[259]
        };
        assert_eq!(begins, expected, "{pre}");
    }
}

#[test]
fn what_begins_and_ends_a_text_is_heeded() {
    let bytes = edited(|header| {
        set(header, "tokenizer.ggml.add_bos_token", Value::Bool(true));
        set(header, "tokenizer.ggml.add_eos_token", Value::Bool(true));
    });
    let tokenizer = model_of(&bytes).tokenizer;
    assert_eq!(tokenizer.encode_prompt("he", true).unwrap(), [1, 259, 2]);
    assert_eq!(tokenizer.encode("he").unwrap(), [259]);
}

#[test]
fn a_saved_folder_is_the_same_model() {
    let mut model = load(&tiny());
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path()).unwrap();
    let mut again = load(folder.path());

    let (one, two) = (parameters(&mut model), parameters(&mut again));
    assert_eq!(one.len(), two.len());
    for (name, tensor) in one {
        assert_eq!(numbers(&tensor), numbers(&two[&name]), "{name}");
    }
    assert_eq!(model.stop_tokens, again.stop_tokens);
    let chat = [Message::user("hello")];
    assert_eq!(
        model.chat.render_as_trained(&chat).unwrap(),
        again.chat.render_as_trained(&chat).unwrap()
    );
    assert!(model.tokenizer.has_tokens_of(&again.tokenizer));
}

#[test]
fn only_llama_has_rows_in_another_order() {
    let (q, bias) = (
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.0.self_attn.q_proj.bias",
    );
    let llama = parameters(&mut model_of(&edited(|header| turn_into(header, "llama"))));
    let plain = numbers(&llama["model.norm.weight"]);
    // Oracle: `permute` of llama.cpp's converter for heads of 16 rows, worked by hand.
    let in_file = |row: usize| row / 16 * 16 + row % 8 * 2 + row % 16 / 8;
    for architecture in ["qwen2", "qwen3"] {
        let other = parameters(&mut model_of(&edited(|header| {
            turn_into(header, architecture);
        })));
        let (rows, file) = (numbers(&llama[q]), numbers(&other[q]));
        for row in 0..32 {
            let place = in_file(row);
            assert_eq!(rows[row * 32..][..32], file[place * 32..][..32], "{row}");
        }
        if architecture == "qwen2" {
            assert_eq!(numbers(&other[bias]), plain);
        }
    }
    let permuted: Vec<f32> = (0..32).map(|row| plain[in_file(row)]).collect();
    assert_eq!(numbers(&llama[bias]), permuted);
}

#[test]
fn a_folder_with_one_file_is_the_model() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.gguf"), TINY).unwrap();
    assert_eq!(load(folder.path()).config.hidden_size, 32);

    fs::write(folder.path().join("b.gguf"), TINY).unwrap();
    let error = config_of_model(folder.path()).unwrap_err().to_string();
    let error = error.replace(&folder.path().display().to_string(), "MODEL");
    insta::assert_snapshot!(error, @"`MODEL`: there are several GGUF files; write the path of one of them, such as `MODEL/a.gguf`");
}

/// Why a file with these bytes is refused.
fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    fs::write(&path, bytes).unwrap();
    let error = LanguageModel::load(&path, Dtype::F32, &Device::flex()).unwrap_err();
    let error = error.to_string();
    error.replace(&folder.path().display().to_string(), "F")
}

fn refused(edit: impl FnOnce(&mut Header)) -> String {
    refusal(&edited(edit))
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let with = |key: &str, value: Value| refused(|header| set(header, key, value));

    insta::assert_snapshot!(with("general.architecture", text("gemma3")), @"`F/m.gguf`: `general.architecture` is `gemma3`, which is not supported for GGUF, expected `llama` or `qwen2` or `qwen3`");
    insta::assert_snapshot!(with("llama.expert_count", Value::Unsigned(8)), @"`F/m.gguf`: `llama.expert_count` is `8`, and this program does not know what it changes");
    assert!(
        model_of(&edited(|header| set(
            header,
            "llama.expert_count",
            Value::Unsigned(0)
        )))
        .stop_tokens
        .len()
            == 2
    );
    insta::assert_snapshot!(with("llama.attention.scale", Value::Number(0.5)), @"`F/m.gguf`: `llama.attention.scale` is `0.5`, and this program does not know what it changes");
    insta::assert_snapshot!(with("llama.rope.dimension_count", Value::Unsigned(8)), @"`F/m.gguf`: `llama.rope.dimension_count` is `8`, expected the width of a head, `16`");
    insta::assert_snapshot!(with("llama.rope.scaling.type", text("longrope")), @"`F/m.gguf`: `llama.rope.scaling.type` is `longrope`, expected `none`, `linear` or `yarn`");
    insta::assert_snapshot!(with("llama.attention.head_count", text("2")), @"`F/m.gguf`: `llama.attention.head_count` is `2`, expected a whole number that is the same for all layers");
    insta::assert_snapshot!(with("llama.attention.head_count", Value::Unsigned(3)), @"`F/m.gguf`: `llama.rope.dimension_count` is `16`, expected the width of a head, `10`");
    insta::assert_snapshot!(with("general.quantization_version", Value::Unsigned(1)), @"`F/m.gguf`: `general.quantization_version` is `1`, expected `2`; quantise the model again");
    insta::assert_snapshot!(with("general.type", text("adapter")), @"`F/m.gguf`: `general.type` is `adapter`, expected `model`");
    insta::assert_snapshot!(with("split.count", Value::Unsigned(3)), @"`F/m.gguf`: it is one of 3 parts; join them with `llama-gguf-split --merge` of llama.cpp");
    insta::assert_snapshot!(with("tokenizer.ggml.model", text("llama")), @"`F/m.gguf`: `tokenizer.ggml.model` is `llama`, which is not supported, expected `gpt2`, byte-level byte-pair encoding; a folder with the model's `tokenizer.json` works");
    insta::assert_snapshot!(with("tokenizer.ggml.eos_token_id", Value::Unsigned(269)), @"`F/m.gguf`: `tokenizer.ggml.eos_token_id` is `269`, but there are 269 tokens");
    insta::assert_snapshot!(with("tokenizer.ggml.merges", Value::List(vec![text("ab")])), @"`F/m.gguf`: `tokenizer.ggml.merges` has `ab`, expected two tokens with a space between them");
    insta::assert_snapshot!(with("tokenizer.ggml.token_type", Value::List(Vec::new())), @"`F/m.gguf`: `tokenizer.ggml.token_type` has 0 elements, expected 269, one for each token");
    insta::assert_snapshot!(refused(|header| { header.metadata.0.remove("llama.block_count"); }), @"`F/m.gguf`: `llama.block_count` is missing");
    insta::assert_snapshot!(refused(|header| {
        let place = header.tensors.remove("blk.0.attn_norm.weight").unwrap();
        header.tensors.insert("blk.0.other.weight".to_owned(), place);
    }), @"`F/m.gguf` has no tensor `blk.0.attn_norm.weight`, expected one of shape [32]");
    insta::assert_snapshot!(refused(|header| {
        let norm = &header.tensors["output_norm.weight"];
        let place = Place { shape: norm.shape.clone(), kind: norm.kind, range: norm.range.clone() };
        header.tensors.insert("blk.0.attn_sinks.weight".to_owned(), place);
    }), @"`F/m.gguf`: it has tensors that the decoder of the architecture `llama` does not use: `blk.0.attn_sinks.weight`");
    insta::assert_snapshot!(refused(|header| header.tensors.get_mut("blk.0.attn_q.weight").unwrap().shape = vec![16, 64]), @"tensor `blk.0.attn_q.weight` of `F/m.gguf` has shape [16, 64], expected [32, 32]");
}

#[test]
fn scaling_is_that_of_a_config_json() {
    let scaling = |keys: &[(&str, Value)]| {
        let bytes = edited(|header| {
            for (key, value) in keys {
                set(header, &format!("llama.rope.{key}"), value.clone());
            }
        });
        let config = model_of(&bytes).config.to_json(Dtype::F32);
        config.get("rope_scaling").cloned()
    };
    let number = Value::Number;

    assert_eq!(scaling(&[("scaling.type", text("none"))]), None);
    assert_eq!(
        scaling(&[
            ("scaling.type", text("linear")),
            ("scaling.factor", number(4.0))
        ]),
        Some(json!({"rope_type": "linear", "factor": 4.0}))
    );
    assert_eq!(
        scaling(&[("scale_linear", number(2.0))]),
        Some(json!({"rope_type": "linear", "factor": 2.0}))
    );
    let yarn = [
        ("scaling.type", text("yarn")),
        ("scaling.factor", number(4.0)),
        ("scaling.original_context_length", Value::Unsigned(32)),
        ("scaling.yarn_beta_fast", number(16.0)),
    ];
    assert_eq!(
        scaling(&yarn),
        Some(
            json!({"rope_type": "yarn", "factor": 4.0, "beta_fast": 16.0,
                    "original_max_position_embeddings": 32})
        )
    );
}

#[test]
fn damaged_files_are_refused_in_one_sentence() {
    insta::assert_snapshot!(refusal(b""), @"`F/m.gguf`: it is empty; fetch the file again");
    insta::assert_snapshot!(refusal(b"GG"), @"`F/m.gguf`: it is cut off within its header, after 2 bytes; fetch the file again");
    insta::assert_snapshot!(refusal(b"<html>"), @"`F/m.gguf`: it is no GGUF file: it does not begin with `GGUF`");
    insta::assert_snapshot!(refusal(b"GGUF\x01\0\0\0"), @"`F/m.gguf`: it has version `1` of GGUF, expected `2` or `3`; convert the model again with a current llama.cpp");
    insta::assert_snapshot!(refusal(b"GGUF\0\0\0\x03"), @"`F/m.gguf`: it is written for big-endian machines, which is not supported");
    insta::assert_snapshot!(refusal(&TINY[..500]), @"`F/m.gguf`: it is cut off within its header, after 500 bytes; fetch the file again");
    insta::assert_snapshot!(refusal(&TINY[..TINY.len() - 1]), @"`F/m.gguf`: tensor `blk.0.ffn_down.weight` is cut off: the file has 33471 bytes; fetch the file again");
    let mut many = TINY.to_vec();
    many[8..16].fill(255);
    insta::assert_snapshot!(refusal(&many), @"`F/m.gguf`: it is cut off within its header, after 33472 bytes; fetch the file again");
}
