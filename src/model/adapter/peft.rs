//! The format of PEFT: the files of an adapter, the names of its parameters, its configuration.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{
    config::is_off,
    error::ModelError,
    settings::{AdapterKind, AdapterSettings, Targets},
};

/// The prefix of the name of a parameter.
const PREFIX: &str = "base_model.model.";

/// The prefix if the model was wrapped twice, as the paper's scripts do.
const DOUBLE_PREFIX: &str = "base_model.model.base_model.model.";

/// The file of an adapter's parameters.
pub(in crate::model) const WEIGHTS: &str = "adapter_model.safetensors";

/// The file of an adapter's parameters that old versions of PEFT write.
pub(in crate::model) const PICKLED: &str = "adapter_model.bin";

/// The end of the name of the first matrix of an adapter.
pub(in crate::model) const A: &str = ".lora_A.weight";

/// The file of an adapter's settings.
pub(in crate::model) const CONFIG: &str = "adapter_config.json";

/// The name that PEFT gives to the parameter `name`.
pub(in crate::model) fn name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The name that the parameter `name` has if the model was wrapped twice.
pub(in crate::model) fn name_if_wrapped_twice(name: &str) -> String {
    format!("{DOUBLE_PREFIX}{name}")
}

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
    rank_pattern: Map<String, Value>,
    #[serde(default)]
    alpha_pattern: Map<String, Value>,
    // The remaining keys describe the origin of the adapter.
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    #[serde(default)]
    task_type: Option<String>,
    #[serde(default)]
    inference_mode: bool,
    #[serde(default = "yes")]
    init_lora_weights: Value,
}

/// Keys that [`Config`] reads.
const READ: [&str; 14] = [
    "base_model_name_or_path",
    "bias",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",
    "lora_alpha",
    "lora_dropout",
    "modules_to_save",
    "peft_type",
    "r",
    "target_modules",
    "task_type",
    "use_dora",
    "use_rslora",
];

/// Keys that change nothing of what a loaded adapter computes, and why.
const HARMLESS: [(&str, &[&str]); 4] = [
    (
        "it describes where the adapter comes from",
        &["auto_mapping", "peft_version", "revision"],
    ),
    (
        "it describes how another program computes the same values",
        &["megatron_core", "runtime_config"],
    ),
    (
        "it belongs to a key that is refused if it is on",
        &["ensure_weight_tying", "qalora_group_size"],
    ),
    (
        "it says how `A` began, and the file has what became of it",
        &["eva_config"],
    ),
];

/// Initialisations that leave the base model as it is. With the others, PEFT takes the initial `B·A`
/// off the base each time it loads the adapter, or the base was quantised.
const INITIALISATIONS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

/// Refuses a key that may change what the adapter computes, in a way that this program does not know.
fn check(config: &Map<String, Value>) -> Result<(), String> {
    let unknown = config.iter().find(|(key, value)| {
        let is_known = READ.contains(&key.as_str())
            || HARMLESS
                .iter()
                .any(|(_, keys)| keys.contains(&key.as_str()));
        !is_known && !is_off(value)
    });
    if let Some((key, _)) = unknown {
        return Err(format!("`{key}` is not supported, expected none"));
    }
    match config.get("init_lora_weights") {
        None | Some(Value::Null | Value::Bool(_)) => Ok(()),
        Some(Value::String(name)) if INITIALISATIONS.contains(&name.as_str()) => Ok(()),
        Some(other) => Err(format!(
            "`init_lora_weights` is not supported if it is `{other}`: the adapter changes the base \
             model too; let PEFT convert it to plain LoRA"
        )),
    }
}

/// A list of names, or a text with a special meaning.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Modules {
    List(Vec<String>),
    Text(String),
}

fn none() -> String {
    "none".to_owned()
}

fn yes() -> Value {
    true.into()
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
            rank_pattern: Map::new(),
            alpha_pattern: Map::new(),
            base_model_name_or_path: Some(base.to_owned()),
            task_type: Some("CAUSAL_LM".to_owned()),
            inference_mode: true,
            init_lora_weights: yes(),
        })
    }

    /// The equivalent settings, or an error that names a key that is not implemented.
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
            (
                "task_type",
                self.task_type.is_none_or(|task| task == "CAUSAL_LM"),
                "`CAUSAL_LM`",
            ),
        ];
        // `rank_pattern` and others are refused by `check`.
        if let Some((key, _, expected)) = is_plain.into_iter().find(|(_, is_plain, _)| !is_plain) {
            return Err(format!("`{key}` is not supported, expected {expected}"));
        }
        // What 32 bits, in which adapters compute, cannot hold would be infinity.
        if self.r > 0 && (self.lora_alpha / self.r as f64).abs() > f64::from(f32::MAX) {
            return Err(format!(
                "`lora_alpha` is `{:e}`, expected at most `{:e}` times `r`",
                self.lora_alpha,
                f32::MAX
            ));
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

/// Reads the settings of an adapter.
pub(in crate::model) fn read_config(path: &Path) -> Result<AdapterSettings, ModelError> {
    let bytes = fs::read(path).map_err(|source| ModelError::Read {
        path: path.to_owned(),
        source,
    })?;
    let problem = |problem: String| ModelError::Json {
        path: path.to_owned(),
        problem,
    };
    let config: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| problem(error.to_string()))?;
    let settings = check(&config).and_then(|()| {
        let config: Config =
            serde_json::from_value(config.into()).map_err(|error| error.to_string())?;
        config.settings()
    });
    settings.map_err(problem)
}

/// The content of [`CONFIG`] for an adapter of the model `base`.
pub(in crate::model) fn config(settings: &AdapterSettings, base: &str) -> Result<Value, String> {
    let config = Config::new(settings, base)?;
    serde_json::to_value(config).map_err(|error| error.to_string())
}
