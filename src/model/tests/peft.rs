//! Adapters in the format of PEFT, written and read.

use std::fs;

use burn::tensor::Tensor;
use safetensors::SafeTensors;

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

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(CONFIG);
    let json = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "use_rslora": true,
                   "target_modules": ["q_proj"]}"#;
    fs::write(&path, json).unwrap();

    let error = fixture::model("qwen2")
        .load_adapter(folder.path())
        .unwrap_err()
        .to_string();

    assert!(
        error.ends_with("`use_rslora` is not supported, expected `false`"),
        "{error}"
    );
}
