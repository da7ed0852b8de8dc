//! Adapters on disk, in the format of PEFT.

use std::{fs, path::Path};

use burn::tensor::DType;
use serde::{Deserialize, Serialize};

use crate::model::{
    AdapterKind, AdapterSettings, LanguageModel, ModelError, Targets,
    language_model::write_json,
    weights::{self, Archive},
};

/// What PEFT puts before the name of a parameter.
const PREFIX: &str = "base_model.model.";

/// What is there instead where a model was wrapped twice, as the paper's scripts do.
const DOUBLE_PREFIX: &str = "base_model.model.base_model.model.";

const WEIGHTS: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";

/// The keys of `adapter_config.json` that change what an adapter computes.
#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "PEFT's format")]
struct Config {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default = "none")]
    bias: String,
    target_modules: Modules,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    rank_pattern: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    alpha_pattern: serde_json::Map<String, serde_json::Value>,
    // What follows says where the adapter comes from.
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    #[serde(default)]
    task_type: Option<String>,
    #[serde(default)]
    inference_mode: bool,
    #[serde(default = "yes")]
    init_lora_weights: serde_json::Value,
}

/// PEFT takes a list of names, or a text with a meaning of its own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Modules {
    List(Vec<String>),
    Text(String),
}

fn none() -> String {
    "none".to_owned()
}

fn yes() -> serde_json::Value {
    true.into()
}

impl LanguageModel {
    /// Writes the adapter as PEFT does: `adapter_model.safetensors` and `adapter_config.json`.
    ///
    /// `base` names the model that the adapter belongs to: a folder, or a repository of the hub.
    pub fn save_adapter(&self, folder: &Path, base: &str) -> Result<(), ModelError> {
        let Some(settings) = &self.adapter else {
            return Err(ModelError::Adapter("the model has none to save".to_owned()));
        };
        fs::create_dir_all(folder).map_err(|source| ModelError::Write {
            path: folder.to_owned(),
            source,
        })?;
        let mut tensors = Vec::new();
        self.decoder.clone().each_parameter(&mut |parameter| {
            if parameter.is_adapter {
                let name = format!("{PREFIX}{}", parameter.name);
                tensors.push((name, parameter.layout, parameter.tensor.clone()));
            }
        });
        weights::write(&folder.join(WEIGHTS), tensors)?;
        let path = folder.join(CONFIG);
        let config = Config::new(settings, base).map_err(ModelError::Adapter)?;
        let json = serde_json::to_value(config).map_err(|error| ModelError::Json {
            path: path.clone(),
            problem: error.to_string(),
        })?;
        write_json(&path, &json)
    }

    /// Reads an adapter of PEFT's, which takes the place of the one that is there.
    pub fn load_adapter(&mut self, folder: &Path) -> Result<(), ModelError> {
        let settings = read_config(&folder.join(CONFIG))?;
        // The initial numbers are all replaced.
        self.attach_adapter(&settings, 0)?;
        let path = folder.join(WEIGHTS);
        let archive = Archive::open_file(&path)?;
        let device = self.decoder.device();
        let mut unread = archive.names();
        let mut failure = None;
        self.decoder.each_parameter(&mut |parameter| {
            if !parameter.is_adapter || failure.is_some() {
                return;
            }
            let double = format!("{DOUBLE_PREFIX}{}", parameter.name);
            let name = if archive.find(&double).is_some() {
                double
            } else {
                format!("{PREFIX}{}", parameter.name)
            };
            let dims = parameter.tensor.dims();
            match archive.read(&name, parameter.layout, dims, DType::F32, &device) {
                Ok(value) => *parameter.tensor = value,
                Err(error) => failure = Some(error),
            }
            unread.retain(|other| *other != name);
        });
        if let Some(error) = failure {
            return Err(error);
        }
        if let Some(name) = unread.first() {
            let path = path.display();
            return Err(ModelError::Adapter(format!(
                "`{path}` has a tensor `{name}` of no target"
            )));
        }
        self.decoder.train(|parameter| parameter.is_adapter);
        Ok(())
    }
}

impl Config {
    fn new(settings: &AdapterSettings, base: &str) -> Result<Self, String> {
        let targets = settings.targets.projections()?;
        Ok(Self {
            peft_type: "LORA".to_owned(),
            r: settings.r,
            lora_alpha: settings.alpha,
            lora_dropout: settings.dropout,
            use_dora: settings.kind == AdapterKind::Dora,
            use_rslora: false,
            fan_in_fan_out: false,
            bias: none(),
            target_modules: Modules::List(targets.into_iter().map(str::to_owned).collect()),
            modules_to_save: None,
            rank_pattern: serde_json::Map::new(),
            alpha_pattern: serde_json::Map::new(),
            base_model_name_or_path: Some(base.to_owned()),
            task_type: Some("CAUSAL_LM".to_owned()),
            inference_mode: true,
            init_lora_weights: yes(),
        })
    }

    /// The settings that say the same, or what the file asks for and nobody implements.
    fn settings(self) -> Result<AdapterSettings, String> {
        let is_plain = [
            ("peft_type", self.peft_type == "LORA", "`LORA`"),
            ("bias", self.bias == "none", "`none`"),
            ("use_rslora", !self.use_rslora, "`false`"),
            ("fan_in_fan_out", !self.fan_in_fan_out, "`false`"),
            (
                "modules_to_save",
                self.modules_to_save.is_none_or(|list| list.is_empty()),
                "none",
            ),
            ("rank_pattern", self.rank_pattern.is_empty(), "none"),
            ("alpha_pattern", self.alpha_pattern.is_empty(), "none"),
        ];
        if let Some((key, _, expected)) = is_plain.into_iter().find(|(_, is_plain, _)| !is_plain) {
            return Err(format!("`{key}` is not supported, expected {expected}"));
        }
        let targets = match self.target_modules {
            Modules::List(names) => names,
            Modules::Text(text) if text == "all-linear" => vec!["all_linear".to_owned()],
            Modules::Text(text) => {
                return Err(format!(
                    "`target_modules` is `{text}`, expected a list of names"
                ));
            }
        };
        Ok(AdapterSettings {
            kind: if self.use_dora {
                AdapterKind::Dora
            } else {
                AdapterKind::Lora
            },
            r: self.r,
            alpha: self.lora_alpha,
            dropout: self.lora_dropout,
            targets: Targets(targets),
        })
    }
}

fn read_config(path: &Path) -> Result<AdapterSettings, ModelError> {
    let bytes = fs::read(path).map_err(|source| ModelError::Read {
        path: path.to_owned(),
        source,
    })?;
    let problem = |problem: String| ModelError::Json {
        path: path.to_owned(),
        problem,
    };
    let config: Config =
        serde_json::from_slice(&bytes).map_err(|error| problem(error.to_string()))?;
    config.settings().map_err(problem)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Tensor;
    use safetensors::SafeTensors;

    use super::*;
    use crate::model::{
        TokenBatch,
        fixture::{self, distance, values},
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
                let name = format!("{DOUBLE_PREFIX}{}", one.name);
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
}
