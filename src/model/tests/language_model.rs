//! A model's folder, written and read.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::{Device, Tensor};
use serde_json::{Map, Value, json};

use crate::{
    model::{
        AdapterKind, Dtype, LanguageModel, ScratchSettings, TokenBatch,
        files::write_json,
        fixture::{self, values},
        parameter::Layout,
        weights,
    },
    settings::one_of,
};

fn logits(model: &LanguageModel) -> Vec<f32> {
    let batch = TokenBatch::of_prompts(&[fixture::tokens(1, 6)]);
    let hidden = model.decoder.hidden(&batch, None, None);
    values(model.decoder.logits(hidden.reshape([6, 16])))
}

#[test]
fn a_saved_model_gives_the_same_bits_when_loaded() {
    for family in fixture::families() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = fixture::model(family);
        model.stop_tokens = vec![2, 0];

        model.save(folder.path()).unwrap();
        let loaded = LanguageModel::load(folder.path(), Dtype::F32, &Device::flex()).unwrap();

        assert_eq!(logits(&model), logits(&loaded), "{family}");
        assert_eq!(loaded.stop_tokens, [2, 0]);
        assert_eq!(loaded.tokenizer.source(), model.tokenizer.source());
        assert_eq!(
            loaded.config.to_json(Dtype::F32),
            model.config.to_json(Dtype::F32)
        );
    }
}

#[test]
fn a_saved_adapted_model_is_the_merged_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = fixture::adapted("qwen2", AdapterKind::Dora);

    model.save(folder.path()).unwrap();
    let loaded = LanguageModel::load(folder.path(), Dtype::F32, &Device::flex()).unwrap();

    model.decoder = model.decoder.merged();
    assert_eq!(logits(&model), logits(&loaded));
}

#[test]
fn weights_that_are_not_finite_are_named_and_not_written() {
    let refused = |model: &LanguageModel, is_adapter: bool| {
        let folder = tempfile::tempdir().unwrap();
        let saved = if is_adapter {
            model.save_adapter(folder.path(), "base")
        } else {
            model.save(folder.path())
        };
        let error = saved.unwrap_err().to_string();
        // Nothing is left, not even a hidden file.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{error}");
        let (_, name) = error.split_once("because tensor `").unwrap();
        name.split_once('`').unwrap().0.to_owned()
    };
    // A model of which one element of one tensor has another value.
    let changed = |model: &LanguageModel, name: &str, value: f32| {
        let mut model = model.clone();
        model.decoder.each_parameter(&mut |parameter| {
            if parameter.name.ends_with(name) {
                let [rows, columns] = parameter.tensor.dims();
                let (row, column) = (rows - 1, columns - 1);
                let place = [row..rows, column..columns];
                let one = Tensor::full([1, 1], value, &parameter.tensor.device());
                *parameter.tensor = parameter.tensor.clone().slice_assign(place, one);
            }
        });
        model
    };

    let plain = fixture::model("qwen2");
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let model = changed(&plain, "layers.1.mlp.up_proj.weight", value);
        assert_eq!(refused(&model, false), "model.layers.1.mlp.up_proj.weight");
    }
    let adapted = fixture::adapted("qwen2", AdapterKind::Lora);
    let inner = changed(
        &adapted,
        "layers.0.mlp.down_proj.lora_A.weight",
        f32::INFINITY,
    );
    assert_eq!(
        refused(&inner, false),
        "model.layers.0.mlp.down_proj.weight"
    );
    let name = "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight";
    assert_eq!(refused(&inner, true), name);

    // The largest number of 16 bits is 65504, and 70000 becomes infinity; bfloat16 can hold it.
    let folder = tempfile::tempdir().unwrap();
    let large = changed(&plain, "model.norm.weight", 70_000.0);
    large.save(folder.path()).unwrap();
    let load = |dtype| LanguageModel::load(folder.path(), dtype, &Device::flex()).unwrap();
    assert_eq!(refused(&load(Dtype::F16), false), "model.norm.weight");
    let other = tempfile::tempdir().unwrap();
    load(Dtype::Bf16).save(other.path()).unwrap();
}

#[test]
fn unknown_keys_are_kept() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let files = [
        (
            "generation_config.json",
            json!({"eos_token_id": [1, 2], "top_k": 20}),
        ),
        (
            "tokenizer_config.json",
            json!({"chat_template": "{{ messages }}"}),
        ),
    ];
    fixture::model("qwen2").save(first.path()).unwrap();
    for (name, json) in &files {
        write_json(&first.path().join(name), json).unwrap();
    }

    let model = LanguageModel::load(first.path(), Dtype::F32, &Device::flex()).unwrap();
    model.save(second.path()).unwrap();

    assert_eq!(model.stop_tokens, [1, 2]);
    for (name, json) in files {
        let found = fs::read(second.path().join(name)).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&found).unwrap(),
            json,
            "{name}"
        );
    }
}

#[test]
fn shards_are_read_by_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let model = fixture::model("llama");
    model.save(folder.path()).unwrap();
    let mut shards = [Vec::new(), Vec::new()];
    let mut map = Map::new();
    model.decoder.clone().each_parameter(&mut |one| {
        let shard = map.len() % 2;
        map.insert(one.name.clone(), format!("part-{shard}.safetensors").into());
        shards[shard].push((one.name, one.layout, one.tensor.clone()));
    });
    for (index, shard) in shards.into_iter().enumerate() {
        weights::write(
            &folder.path().join(format!("part-{index}.safetensors")),
            shard,
        )
        .unwrap();
    }
    let index = folder.path().join("model.safetensors.index.json");
    write_json(&index, &json!({"weight_map": map})).unwrap();
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();

    let loaded = LanguageModel::load(folder.path(), Dtype::F32, &Device::flex()).unwrap();

    assert_eq!(logits(&model), logits(&loaded));
}

#[test]
fn damaged_folders_are_refused_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let model = fixture::model("qwen2");
    model.save(folder.path()).unwrap();
    let load = || {
        let error = LanguageModel::load(folder.path(), Dtype::F32, &Device::flex()).unwrap_err();
        error
            .to_string()
            .replace(&folder.path().display().to_string(), "MODEL")
    };
    let config = folder.path().join("config.json");
    let with = |key: &str, value: Value| {
        let mut json = model.config.to_json(Dtype::F32);
        json.insert(key.to_owned(), value);
        write_json(&config, &json.into()).unwrap();
    };

    with("intermediate_size", 25.into());
    insta::assert_snapshot!(load(), @"tensor `model.layers.0.mlp.gate_proj.weight` of `MODEL/model.safetensors` has shape [24, 16], expected [25, 16]");
    with("num_hidden_layers", 3.into());
    insta::assert_snapshot!(load(), @"`MODEL/model.safetensors` has no tensor `model.layers.2.input_layernorm.weight`, expected one of shape [16]");
    with("rope_scaling", json!({"rope_type": "longrope"}));
    insta::assert_snapshot!(load(), @"cannot understand `MODEL/config.json`: `rope_scaling` is of type `longrope`, expected `default`, `linear`, `dynamic`, `llama3` or `yarn`");
    with("model_type", "gpt2".into());
    let families = one_of(&fixture::families().collect::<Vec<_>>());
    insta::assert_snapshot!(load().replace(&families, "FAMILIES"), @"cannot understand `MODEL/config.json`: unknown `model_type` `gpt2`, expected FAMILIES");
    with("num_key_value_heads", 3.into());
    insta::assert_snapshot!(load(), @"cannot understand `MODEL/config.json`: `num_attention_heads` is `4`, expected a multiple of `num_key_value_heads`, `3`");
    with("hidden_size", Value::Null);
    insta::assert_snapshot!(load(), @"cannot understand `MODEL/config.json`: `hidden_size` is `null`, expected a whole number");
    with("use_cache", true.into());
    let weights = folder.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() - 1]).unwrap();
    let size = bytes.len();
    let expected = format!(
        "`MODEL/model.safetensors` is cut off within tensor `model.norm.weight`: expected at \
         least {size} bytes, found {}",
        size - 1
    );
    assert_eq!(load(), expected);
    fs::write(&weights, &bytes[..7]).unwrap();
    insta::assert_snapshot!(load(), @"`MODEL/model.safetensors`: it is cut off within its header, after 7 bytes");
    fs::write(&weights, &bytes[..100]).unwrap();
    insta::assert_snapshot!(load(), @"`MODEL/model.safetensors`: it is cut off within its header, after 100 bytes");
    fs::write(
        &weights,
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    )
    .unwrap();
    insta::assert_snapshot!(load(), @"`MODEL/model.safetensors`: it is a pointer of Git LFS, not the file; run `git lfs pull` where it comes from");
    fs::write(&weights, "").unwrap();
    insta::assert_snapshot!(load(), @"`MODEL/model.safetensors`: it is empty; fetch the file again");
    let tokenizer = folder.path().join("tokenizer.json");
    fs::rename(&tokenizer, folder.path().join("vocab.json")).unwrap();
    insta::assert_snapshot!(load(), @"cannot understand the tokenizer `MODEL/tokenizer.json`: there is only `vocab.json`; convert it, for example with `save_pretrained` of transformers' `AutoTokenizer`");
    fs::rename(folder.path().join("vocab.json"), &tokenizer).unwrap();
    fs::write(folder.path().join("adapter_config.json"), "{}").unwrap();
    insta::assert_snapshot!(load(), @"the adapter does not fit: `MODEL` has the `adapter_config.json` of an adapter; pass its base model, and this folder as the adapter, or move the adapter away");
    fs::remove_file(folder.path().join("adapter_config.json")).unwrap();
    fs::remove_file(weights).unwrap();
    insta::assert_snapshot!(load(), @"cannot read `MODEL/model.safetensors`");
}

/// Writes a model's folder whose tensors `change` has changed.
fn changed(
    folder: &Path,
    model: &LanguageModel,
    change: impl FnOnce(&mut BTreeMap<String, Stored>),
) {
    model.save(folder).unwrap();
    let mut tensors = BTreeMap::new();
    model.decoder.clone().each_parameter(&mut |one| {
        tensors.insert(one.name, (one.layout, one.tensor.clone()));
    });
    change(&mut tensors);
    let tensors = tensors.into_iter();
    weights::write(
        &folder.join("model.safetensors"),
        tensors.map(|(name, (layout, tensor))| (name, layout, tensor)),
    )
    .unwrap();
}

type Stored = (Layout, Tensor<2>);

const HEAD: &str = "lm_head.weight";
const EMBEDDING: &str = "model.embed_tokens.weight";

fn load(folder: &Path) -> Result<LanguageModel, String> {
    let model = LanguageModel::load(folder, Dtype::F32, &Device::flex());
    model.map_err(|error| {
        let text = error.to_string();
        text.replace(&folder.display().to_string(), "MODEL")
    })
}

#[test]
fn a_head_that_is_not_the_embedding_is_used_although_the_configuration_ties_them() {
    // Oracle: transformers 5.23, `tie_weights`; compared in tests/parity.
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = fixture::model("qwen2");
    changed(folder.path(), &model, |tensors| {
        let (layout, table) = tensors[EMBEDDING].clone();
        tensors.insert(HEAD.to_owned(), (layout, table * 2.0));
    });

    let loaded = load(folder.path()).unwrap();

    let twice: Vec<f32> = logits(&model).iter().map(|one| one * 2.0).collect();
    // Doubling is exact.
    assert_eq!(logits(&loaded), twice);
    assert!(!loaded.config.tie_word_embeddings);
    loaded.save(other.path()).unwrap();
    assert_eq!(logits(&load(other.path()).unwrap()), twice);
}

#[test]
fn what_transformers_reads_under_other_names_is_read() {
    // Oracle: `from_pretrained` of transformers 5.23; compared in tests/parity.
    let model = fixture::model("qwen2");
    let changes: [fn(&mut BTreeMap<String, Stored>); 4] = [
        // A copy of the embedding.
        |tensors| {
            let table = tensors[EMBEDDING].clone();
            tensors.insert(HEAD.to_owned(), table);
        },
        // The head alone.
        |tensors| {
            let table = tensors.remove(EMBEDDING).unwrap();
            tensors.insert(HEAD.to_owned(), table);
        },
        // A checkpoint of the decoder without a head.
        |tensors| {
            let bare = std::mem::take(tensors).into_iter();
            tensors.extend(
                bare.map(|(name, value)| (name.strip_prefix("model.").unwrap().to_owned(), value)),
            );
        },
        // A buffer of old checkpoints.
        |tensors| {
            let norm = tensors["model.norm.weight"].clone();
            tensors.insert(
                "model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(),
                norm,
            );
        },
    ];
    for change in changes {
        let folder = tempfile::tempdir().unwrap();
        changed(folder.path(), &model, change);

        let loaded = load(folder.path()).unwrap();

        assert_eq!(logits(&loaded), logits(&model));
        assert!(loaded.config.tie_word_embeddings);
    }
}

#[test]
fn tensors_that_the_decoder_does_not_use_are_named() {
    let model = fixture::model("qwen2");
    let with = |names: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        changed(folder.path(), &model, |tensors| {
            for name in names {
                let norm = tensors["model.norm.weight"].clone();
                tensors.insert((*name).to_owned(), norm);
            }
        });
        load(folder.path()).unwrap_err()
    };

    insta::assert_snapshot!(with(&["model.layers.0.self_attn.q_norm.weight"]), @"`MODEL/model.safetensors`: one tensor that the decoder of `config.json` does not use: `model.layers.0.self_attn.q_norm.weight`; correct `config.json`, or remove what changes nothing");
    insta::assert_snapshot!(with(&["model.layers.0.self_attn.o_proj.bias", "model.layers.1.self_attn.o_proj.bias", "model.layers.2.input_layernorm.weight", "score.weight"]), @"`MODEL/model.safetensors`: 4 tensors that the decoder of `config.json` does not use: `model.layers.0.self_attn.o_proj.bias`, `model.layers.1.self_attn.o_proj.bias`, `model.layers.2.input_layernorm.weight` and one more; correct `config.json`, or remove what changes nothing");
    insta::assert_snapshot!(with(&["model.layers.0.mlp.up_proj.qweight"]), @"`MODEL/model.safetensors`: the weights are quantised (`model.layers.0.mlp.up_proj.qweight`), which is not supported");
}

#[test]
fn one_file_goes_before_an_index() {
    // Oracle: `_get_resolved_checkpoint_files` of transformers 5.23.
    let folder = tempfile::tempdir().unwrap();
    let model = fixture::model("llama");
    model.save(folder.path()).unwrap();
    let index = folder.path().join("model.safetensors.index.json");
    write_json(
        &index,
        &json!({"weight_map": {"x": "of_another.safetensors"}}),
    )
    .unwrap();

    assert_eq!(logits(&load(folder.path()).unwrap()), logits(&model));
}

#[test]
fn scratch_models_depend_on_their_seed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    fixture::write_tokenizer(&path);
    let settings = fixture::settings(&path);
    let make = |settings: &ScratchSettings| {
        LanguageModel::scratch(settings, Dtype::F32, &Device::flex()).unwrap()
    };
    let model = make(&settings);

    assert_eq!(logits(&model), logits(&make(&settings)));
    assert_ne!(
        logits(&model),
        logits(&make(&ScratchSettings {
            init_seed: 4,
            ..settings
        }))
    );
    assert_eq!(model.stop_tokens, [2, 0]);
    assert_eq!(model.config.vocab_size, fixture::VOCABULARY);
}

#[test]
fn half_precision_is_kept_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    fixture::model("qwen2").save(folder.path()).unwrap();
    let narrow = LanguageModel::load(folder.path(), Dtype::F16, &Device::flex()).unwrap();
    let other = tempfile::tempdir().unwrap();
    narrow.save(other.path()).unwrap();
    let again = LanguageModel::load(other.path(), Dtype::F16, &Device::flex()).unwrap();

    let wide = LanguageModel::load(other.path(), Dtype::F32, &Device::flex()).unwrap();
    assert_eq!(logits(&narrow), logits(&again));
    let worst = fixture::distance(&logits(&narrow), &logits(&wide));
    // 0.2: 11 bits of mantissa, and attention scores of order ten that amplify the rounding.
    assert!(worst > 0.0 && worst < 0.2, "{worst}");
    let config: Value =
        serde_json::from_slice(&fs::read(other.path().join("config.json")).unwrap()).unwrap();
    assert_eq!(config["torch_dtype"], "float16");
}
