//! Files of models that nobody wrote: configurations, tokenizers, tensors, adapters, chat templates.

use std::{fs, path::Path};

use burn::tensor::Device;
use serde_json::{Map, Value, json};

use crate::{
    fuzz::{Case, fuzz, law, named},
    model::{
        AdapterKind, Chat, ChatFormat, DecoderConfig, Dtype, LanguageModel, Message, Tokenizer,
        adapter::peft, files::SmallFiles, fixture, read_tensors, weights::Archive, write_tensors,
    },
};

#[test]
fn configurations_are_read_or_refused() {
    let plain = json!({
        "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "hidden_act": "silu",
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 23,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "eos_token_id": [1, 2], "bos_token_id": 0, "torch_dtype": "bfloat16",
        "tie_word_embeddings": true, "use_sliding_window": false,
    });
    let scaled = |scaling: Value| {
        let mut config = plain.clone();
        config["model_type"] = "llama".into();
        config["rope_scaling"] = scaling;
        config["head_dim"] = 8.into();
        config["layer_types"] = json!(["full_attention", "full_attention"]);
        config.to_string()
    };
    let corpus = [
        plain.to_string(),
        scaled(
            json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                      "high_freq_factor": 4.0, "original_max_position_embeddings": 32}),
        ),
        scaled(
            json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16,
                      "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "attention_factor": 1.2}),
        ),
        scaled(json!({"rope_type": "dynamic", "factor": 2.0})),
        scaled(
            json!({"rope_type": "longrope", "short_factor": [1.0, 1.0, 1.0, 1.0],
                      "long_factor": [1.0, 2.0, 3.0, 4.0]}),
        ),
    ];
    fuzz(1, &corpus, |case| {
        let path = case.file("config.json");
        let Some(config) = named(DecoderConfig::from_file(&path), &path)? else {
            return Ok(());
        };
        law(config.parameter_count() < 1 << 60, "a shape is not endless")?;
        law(
            config.kv_cache_numbers() < 1 << 40,
            "a token's keys fit a memory",
        )?;
        let again = DecoderConfig::from_json(config.to_json(Dtype::F32))?;
        let bytes = |config: &DecoderConfig| Value::from(config.to_json(Dtype::F32)).to_string();
        law(
            bytes(&again) == bytes(&config),
            "a written configuration is read",
        )
    });
}

/// A `tokenizer.json` with this model, and with these parts in the places of those that a tokenizer need not have.
fn tokenizer(model: &Value, parts: &Value) -> String {
    let added = json!([{"id": 0, "content": "<|end|>", "single_word": false, "lstrip": false,
                        "rstrip": false, "normalized": false, "special": true},
                       {"id": 1, "content": "<think>", "single_word": false, "lstrip": true,
                        "rstrip": false, "normalized": true, "special": false}]);
    let mut whole = json!({"version": "1.0", "truncation": null, "padding": null,
        "added_tokens": added, "normalizer": null, "pre_tokenizer": null,
        "post_processor": null, "decoder": null, "model": model});
    for (key, part) in parts.as_object().unwrap() {
        whole[key] = part.clone();
    }
    whole.to_string()
}

/// Tokenizers of each kind, as small as they can be.
fn tokenizers() -> Vec<String> {
    let vocab = json!({"<|end|>": 0, "<think>": 1, "a": 2, "b": 3, "Ġ": 4, "ab": 5, "Ġa": 6});
    vec![
        tokenizer(
            &json!({"type": "BPE", "dropout": null, "unk_token": null, "vocab": vocab,
                   "continuing_subword_prefix": null, "end_of_word_suffix": null,
                   "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                   "merges": ["a b", "Ġ a"]}),
            &json!({"normalizer": {"type": "NFC"},
                   "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                       {"type": "Split", "pattern": {"Regex": "\\p{L}+|\\s+(?!\\S)|\\d{1,3}|."},
                        "behavior": "Isolated", "invert": false},
                       {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
                        "use_regex": false}]},
                   "post_processor": {"type": "TemplateProcessing",
                       "single": [{"SpecialToken": {"id": "<|end|>", "type_id": 0}},
                                  {"Sequence": {"id": "A", "type_id": 0}}],
                       "pair": [{"Sequence": {"id": "A", "type_id": 0}},
                                {"Sequence": {"id": "B", "type_id": 1}}],
                       "special_tokens": {"<|end|>": {"id": "<|end|>", "ids": [0],
                                                      "tokens": ["<|end|>"]}}},
                   "decoder": {"type": "ByteLevel", "add_prefix_space": true,
                               "trim_offsets": true, "use_regex": true}}),
        ),
        tokenizer(
            &json!({"type": "WordLevel", "vocab": vocab, "unk_token": "a"}),
            &json!({"pre_tokenizer": {"type": "Whitespace"},
                   "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
                   "truncation": {"direction": "Right", "max_length": 4,
                                  "strategy": "LongestFirst", "stride": 0}}),
        ),
        tokenizer(
            &json!({"type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##",
                   "max_input_chars_per_word": 100, "vocab": vocab}),
            &json!({"pre_tokenizer": {"type": "BertPreTokenizer"},
                   "normalizer": {"type": "BertNormalizer", "clean_text": true,
                       "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
                   "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true}}),
        ),
        tokenizer(
            &json!({"type": "Unigram", "unk_id": 0, "byte_fallback": false,
                   "vocab": [["<|end|>", 0.0], ["<think>", -1.0], ["a", -2.0], ["▁a", -2.5]]}),
            &json!({"pre_tokenizer": {"type": "Metaspace", "replacement": "▁",
                                     "prepend_scheme": "always", "split": true},
                   "decoder": {"type": "Sequence", "decoders": [
                       {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                       {"type": "ByteFallback"}, {"type": "Fuse"},
                       {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
                   "padding": {"strategy": "BatchLongest", "direction": "Right",
                       "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0,
                       "pad_token": "<|end|>"}}),
        ),
    ]
}

#[test]
fn tokenizers_are_read_or_refused() {
    fuzz(4, &tokenizers(), |case| {
        let path = case.file("tokenizer.json");
        let Some(tokenizer) = named(Tokenizer::from_file(&path), &path)? else {
            return Ok(());
        };
        // Either may fail, but with an error.
        for text in [
            "",
            "a ab <think> b</think>\n",
            "é名😀\u{301} \u{0}",
            &"ab ".repeat(50),
        ] {
            let tokens = tokenizer.encode_prompt(text, true).unwrap_or_default();
            let _ = tokenizer.decode(&tokens);
        }
        let _ = tokenizer.decode(&[0, 1, 5, u32::MAX]);
        let _ = (tokenizer.vocab_size(), tokenizer.token("<think>"));
        Ok(())
    });
}

/// A file of tensors with this header; in most cases the header has the length that the file says.
fn framed(case: &mut Case<'_>, data: &[u8]) -> Vec<u8> {
    let mut length = case.bytes.len() as u64;
    if case.random.one_in(8) {
        length = *case
            .random
            .of(&[0, length / 2, length + 1, u64::MAX, 1 << 27]);
    }
    let kept = if case.random.one_in(8) {
        case.random.below(data.len() + 1)
    } else {
        data.len()
    };
    [&length.to_le_bytes(), case.bytes.as_slice(), &data[..kept]].concat()
}

/// The header and the data of a file of tensors.
fn parts_of(path: &Path) -> (Vec<u8>, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
    (header.to_vec(), data.to_vec())
}

#[test]
fn tensors_are_read_or_refused() {
    let header = r#"{"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "b": {"dtype": "BF16", "shape": [1, 4], "data_offsets": [24, 32]}, "c": {"dtype": "F16", "shape": [0, 4], "data_offsets": [32, 32]}}"#;
    let data: Vec<u8> = (0..32).collect();
    let device = Device::flex();
    fuzz(10, &[header], |case| {
        case.bytes = framed(case, &data);
        let path = case.file("model.safetensors");
        let Some(tensors) = named(read_tensors(&path, &device), &path)? else {
            return Ok(());
        };
        let copy = case.folder.join("copy.safetensors");
        write_tensors(&copy, &tensors).map_err(|error| error.to_string())?;
        let again = read_tensors(&copy, &device).map_err(|error| error.to_string())?;
        for ((name, tensor), (other, copied)) in tensors.into_iter().zip(again) {
            let (one, two) = (tensor.into_data(), copied.into_data());
            law(
                name == other && one.shape() == two.shape() && one.as_bytes() == two.as_bytes(),
                "tensors that are written are read as they were",
            )?;
        }
        Ok(())
    });
}

#[test]
fn indices_of_shards_are_read_or_refused() {
    let header = r#"{"a": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]}}"#;
    let corpus = [
        r#"{"metadata": {"total_size": 8}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}"#,
        r#"{"weight_map": {"a": "../one.safetensors"}}"#,
    ];
    fuzz(4, &corpus, |case| {
        for (name, tensor) in [("one", "a"), ("two", "b")] {
            let header = header.replace("\"a\"", &format!("\"{tensor}\""));
            let length = (header.len() as u64).to_le_bytes();
            let bytes = [length.as_slice(), header.as_bytes(), &[0; 4]].concat();
            fs::write(case.folder.join(format!("{name}.safetensors")), bytes).unwrap();
        }
        case.file("model.safetensors.index.json");
        let archive = named(Archive::open_folder(case.folder), case.folder)?;
        let names = archive.map(|archive| archive.names()).unwrap_or_default();
        law(
            names.iter().all(|name| name == "a" || name == "b"),
            "an index leads to no other folder",
        )
    });
}

#[test]
fn settings_of_adapters_are_read_or_refused() {
    let settings = fixture::adapted("qwen2", AdapterKind::Dora)
        .adapter
        .unwrap();
    let ours = peft::config(&settings, "base").unwrap().to_string();
    let theirs = r#"{"alpha_pattern": {}, "auto_mapping": null, "base_model_name_or_path": "b", "bias": "none", "corda_config": null, "eva_config": null, "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": "gaussian", "layers_to_transform": null, "lora_alpha": 16, "lora_dropout": 0.05, "modules_to_save": null, "peft_type": "LORA", "r": 8, "rank_pattern": {}, "revision": null, "target_modules": "all-linear", "task_type": "CAUSAL_LM", "use_dora": false, "use_rslora": false}"#;
    fuzz(1, &[ours.as_str(), theirs], |case| {
        let path = case.file("adapter_config.json");
        let Some(settings) = named(peft::read_config(&path), &path)? else {
            return Ok(());
        };
        let Ok(config) = peft::config(&settings, "base") else {
            // The targets are no projections, which attaching refuses.
            return Ok(());
        };
        fs::write(&path, config.to_string()).unwrap();
        let again = peft::read_config(&path).map_err(|error| error.to_string())?;
        law(
            (
                again.r,
                again.kind,
                again.alpha.to_bits(),
                again.dropout.to_bits(),
            ) == (
                settings.r,
                settings.kind,
                settings.alpha.to_bits(),
                settings.dropout.to_bits(),
            ),
            "an adapter's settings are read as they were written",
        )
    });
}

#[test]
fn adapters_are_attached_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let adapted = fixture::adapted("qwen2", AdapterKind::Lora);
    adapted.save_adapter(folder.path(), "base").unwrap();
    let config = fs::read(folder.path().join(peft::CONFIG)).unwrap();
    let (header, data) = parts_of(&folder.path().join(peft::WEIGHTS));
    let base = fixture::model("qwen2");
    fuzz(40, &[header.clone(), config.clone()], |case| {
        let is_config = case.bytes.starts_with(&config[..8]);
        let (settings, weights) = if is_config {
            let length = (header.len() as u64).to_le_bytes();
            (
                case.bytes.clone(),
                [&length, header.as_slice(), &data].concat(),
            )
        } else {
            (config.clone(), framed(case, &data))
        };
        fs::write(case.folder.join(peft::CONFIG), settings).unwrap();
        fs::write(case.folder.join(peft::WEIGHTS), weights).unwrap();
        let mut model = base.clone();
        if let Err(error) = model.load_adapter(case.folder) {
            return law(!error.to_string().is_empty(), "a refusal says why");
        }
        law(model.adapter.is_some(), "what is attached is there")
    });
}

#[test]
fn whole_models_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    fixture::model("qwen2").save(folder.path()).unwrap();
    let (header, data) = parts_of(&folder.path().join("model.safetensors"));
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let others = [read("config.json"), read("generation_config.json")];
    let corpus = [header.clone(), others[0].clone(), others[1].clone()];
    let start = |bytes: &[u8]| bytes[..bytes.len().min(6)].to_vec();
    fuzz(100, &corpus, |case| {
        let first = start(&case.bytes);
        let changed = if first == start(&others[0]) && case.random.one_in(2) {
            "config.json"
        } else if first == start(&others[1]) {
            "generation_config.json"
        } else {
            "model.safetensors"
        };
        for name in [
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
        ] {
            fs::write(case.folder.join(name), read(name)).unwrap();
        }
        if changed == "model.safetensors" {
            case.bytes = framed(case, &data);
        }
        case.file(changed);
        let loaded = LanguageModel::load(case.folder, Dtype::F32, &Device::flex());
        match loaded {
            Ok(model) => law(model.config.vocab_size > 0, "a model has tokens"),
            Err(error) => law(
                error
                    .to_string()
                    .contains(&case.folder.display().to_string()),
                &format!("the error names the file: {error}"),
            ),
        }
    });
}

#[test]
fn chat_templates_render_or_are_refused() {
    let corpus = [
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        "{%- set ns = namespace(n=0) -%}{{ bos_token }}{% for m in messages if m.role != 'system' %}{% set ns.n = ns.n + 1 %}{% generation %}{{ m.content | trim | tojson }}{% endgeneration %}{{ loop.index0 % 2 }}{% else %}{{ raise_exception('none') }}{% endfor %}{{ strftime_now('%d %b %Y') }}",
        "{% macro f(x) %}{{ x.strip().split('a')[-1] }}{% endmacro %}{{ f(messages[0]['content']) }}{{ messages | length }}",
    ];
    let messages = [
        Message::system("Be brief."),
        Message::user("a </think> {{ b }}"),
    ];
    fuzz(4, &corpus, |case| {
        let text = case.text();
        let config: Map<String, Value> = [
            ("chat_template".to_owned(), Value::from(text)),
            ("bos_token".to_owned(), json!({"content": "<s>"})),
        ]
        .into_iter()
        .collect();
        let path = case.folder.join("tokenizer_config.json");
        fs::write(&path, Value::from(config).to_string()).unwrap();
        let Some(mut chat) = named(Chat::from_model(&SmallFiles::of_folder(case.folder)), &path)?
        else {
            return Ok(());
        };
        chat.format = ChatFormat::Template;
        for messages in [&messages[..], &messages[1..], &[]] {
            if let Err(error) = chat.render(messages) {
                law(!error.to_string().is_empty(), "a refusal says why")?;
            }
        }
        Ok(())
    });
}
