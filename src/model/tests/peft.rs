//! Adapters in the format of PEFT, written and read.

use std::fs;

use burn::tensor::Tensor;
use safetensors::SafeTensors;
use serde_json::{Map, Value, json};

use crate::model::{
    AdapterKind, AdapterSettings, LanguageModel, Targets, TokenBatch,
    adapter::peft::{self, CONFIG, WEIGHTS},
    fixture::{self, distance, values},
    weights,
};

fn log_probs(model: &LanguageModel) -> Vec<f32> {
    let batch = TokenBatch::new(&[fixture::tokens(1, 4)], &[fixture::tokens(2, 4)]);
    values(model.decoder.log_probs(&batch, 1.0, None).log_probs)
}

#[test]
fn a_saved_adapter_gives_the_same_digits_when_loaded() {
    for kind in [AdapterKind::Lora, AdapterKind::Dora] {
        let folder = tempfile::tempdir().unwrap();
        let adapted = fixture::adapted("qwen2", kind);
        let mut other = fixture::model("qwen2");
        assert!(distance(&log_probs(&adapted), &log_probs(&other)) > 0.01);

        adapted.save_adapter(folder.path(), "base").unwrap();
        other.load_adapter(folder.path()).unwrap();

        assert_eq!(log_probs(&adapted), log_probs(&other), "{kind:?}");
        assert_eq!(
            other.adapter,
            Some(AdapterSettings {
                targets: Targets(vec!["q_proj".to_owned(), "down_proj".to_owned()]),
                ..adapted.adapter.clone().unwrap()
            })
        );
    }
}

#[test]
fn files_have_the_keys_and_shapes_of_peft() {
    let folder = tempfile::tempdir().unwrap();
    fixture::adapted("qwen2", AdapterKind::Dora)
        .save_adapter(folder.path(), "base")
        .unwrap();

    let bytes = fs::read(folder.path().join(WEIGHTS)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();

    // Oracle: the keys that PEFT 0.17 writes, for a projection of 24 inputs and 16 outputs.
    let key = "base_model.model.model.layers.1.mlp.down_proj";
    let shape = |short: &str| {
        file.tensor(&format!("{key}.{short}"))
            .unwrap()
            .shape()
            .to_vec()
    };
    assert_eq!(file.len(), 12);
    assert_eq!(shape("lora_A.weight"), [3, 24]);
    assert_eq!(shape("lora_B.weight"), [16, 3]);
    assert_eq!(shape("lora_magnitude_vector"), [16]);
}

#[test]
fn keys_of_a_model_wrapped_twice_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let adapted = fixture::adapted("qwen2", AdapterKind::Dora);
    adapted.save_adapter(folder.path(), "base").unwrap();
    let mut tensors: Vec<(String, _, Tensor<2>)> = Vec::new();
    adapted.decoder.clone().each_parameter(&mut |one| {
        if one.is_adapter {
            let name = peft::name_if_wrapped_twice(&one.name);
            tensors.push((name, one.layout, one.tensor.clone()));
        }
    });
    weights::write(&folder.path().join(WEIGHTS), tensors).unwrap();

    let mut other = fixture::model("qwen2");
    other.load_adapter(folder.path()).unwrap();

    assert_eq!(log_probs(&adapted), log_probs(&other));
}

/// What is wrong with an adapter whose configuration has other values for some keys.
fn refused(changes: &Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    fixture::adapted("qwen2", AdapterKind::Lora)
        .save_adapter(folder.path(), "base")
        .unwrap();
    let path = folder.path().join(CONFIG);
    let mut json: Map<String, Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json.extend(changes.as_object().unwrap().clone());
    fs::write(&path, Value::from(json).to_string()).unwrap();
    match fixture::model("qwen2").load_adapter(folder.path()) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    // The keys of `LoraConfig` of PEFT 0.21.2 that change what a loaded adapter computes.
    for (key, value) in [
        ("use_rslora", json!(true)),
        ("bias", json!("lora_only")),
        ("fan_in_fan_out", json!(true)),
        ("modules_to_save", json!(["lm_head"])),
        ("rank_pattern", json!({"q_proj": 8})),
        ("alpha_pattern", json!({"q_proj": 8})),
        ("peft_type", json!("LOHA")),
        ("task_type", json!("SEQ_CLS")),
        ("layers_to_transform", json!([1])),
        ("layers_to_transform", json!(0)),
        ("layers_pattern", json!("layers")),
        ("layer_replication", json!([[0, 2], [1, 2]])),
        ("exclude_modules", json!(["v_proj"])),
        ("trainable_token_indices", json!([1])),
        ("target_parameters", json!(["mlp.experts"])),
        ("lora_bias", json!(true)),
        ("alora_invocation_tokens", json!([5, 6])),
        ("use_qalora", json!(true)),
        ("use_bdlora", json!({"target_modules_bd_a": ["q_proj"]})),
        ("arrow_config", json!({"top_k": 3})),
        ("velora_config", json!({"rank": 1})),
        ("kasa_config", json!({"beta": 1e-4})),
        ("monteclora_config", json!({"n": 1})),
        ("loftq_config", json!({"loftq_bits": 4})),
        ("corda_config", json!({"corda_method": "ipm"})),
        ("lora_ga_config", json!({"scale": 1})),
        ("a_key_of_tomorrow", json!(1)),
        ("init_lora_weights", json!("pissa")),
        ("init_lora_weights", json!("pissa_niter_16")),
        ("init_lora_weights", json!("olora")),
        ("init_lora_weights", json!("corda")),
        ("init_lora_weights", json!("loftq")),
        ("init_lora_weights", json!("mica")),
        ("init_lora_weights", json!("lora_ga")),
        ("init_lora_weights", json!(3)),
    ] {
        let error = refused(&json!({key: value}));

        assert!(
            error.contains(&format!("`{key}` is not supported")),
            "{key}, {value}: {error}"
        );
    }
}

#[test]
fn an_alpha_that_makes_infinity_is_refused() {
    // Oracle: PEFT 0.21.2 takes `lora_alpha / r`, here with an `r` of 3, and 32 bits hold up to 3.4028235e38:
    // its merged weights are infinite or NaN with the first two.
    for alpha in [1e300, -1.1e39] {
        let error = refused(&json!({"lora_alpha": alpha}));
        let expected =
            format!("`lora_alpha` is `{alpha:e}`, expected at most `3.4028235e38` times `r`");
        assert!(error.ends_with(&expected), "{error}");
    }
    assert_eq!(refused(&json!({"lora_alpha": 1e39})), "");
}

#[test]
fn what_changes_nothing_is_read() {
    for changes in [
        json!({"init_lora_weights": "gaussian"}),
        json!({"init_lora_weights": "orthogonal"}),
        json!({"init_lora_weights": "eva", "eva_config": {"rho": 2.0}}),
        json!({"init_lora_weights": false, "inference_mode": false}),
        json!({"layers_to_transform": null, "loftq_config": {}, "use_qalora": false}),
        json!({"peft_version": "0.21.2", "revision": "main", "megatron_core": "megatron.core"}),
        json!({"runtime_config": {"ephemeral_gpu_offload": false}, "qalora_group_size": 16}),
    ] {
        assert_eq!(refused(&changes), "", "{changes}");
    }
}

#[test]
fn a_rank_that_the_file_does_not_have_is_refused_before_memory_is_asked_for() {
    for r in [4_u64, 1 << 40] {
        assert_eq!(
            refused(&json!({"r": r})),
            format!(
                "the adapter does not fit: `r` is `{r}`, but \
                 `base_model.model.model.layers.0.mlp.down_proj.lora_A.weight` has another rank, `3`"
            )
        );
    }
}

#[test]
fn pickled_adapters_have_one_plain_sentence() {
    let folder = tempfile::tempdir().unwrap();
    fixture::adapted("qwen2", AdapterKind::Lora)
        .save_adapter(folder.path(), "base")
        .unwrap();
    fs::rename(
        folder.path().join(WEIGHTS),
        folder.path().join("adapter_model.bin"),
    )
    .unwrap();

    let error = fixture::model("qwen2").load_adapter(folder.path());

    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("only pickled weights, `adapter_model.bin`"),
        "{text}"
    );
}
