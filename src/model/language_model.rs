//! A decoder with its tokenizer: what a model's folder holds.

use std::{fs, path::Path};

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::{Map, Value};

use crate::{
    disk::atomic::{self, Flush},
    seed::stream,
};

use super::{
    AdapterKind, AdapterSettings, Chat, Decoder, DecoderConfig, Dtype, MemorySize, ModelError,
    ModelSettings, ScratchSettings, Tokenizer,
    adapter::Adapter,
    config,
    parameter::Layout,
    weights::{self, Archive},
};

/// A decoder, its tokenizer, and when to stop.
#[derive(Clone, Debug)]
pub struct LanguageModel {
    /// The shape of the decoder.
    pub config: DecoderConfig,
    /// The network.
    pub decoder: Decoder,
    /// Text to tokens and back.
    pub tokenizer: Tokenizer,
    /// Tokens that end a completion.
    pub stop_tokens: Vec<u32>,
    /// The memory for keys and values while sampling, without their room to grow: it decides how
    /// many sequences run at once, and changes no completion.
    pub kv_cache: MemorySize,
    /// How conversations are laid out.
    pub chat: Chat,
    pub(super) dtype: Dtype,
    /// The adapter that the decoder carries, if any.
    pub(super) adapter: Option<AdapterSettings>,
    /// What `generation_config.json` holds beside the stop tokens.
    generation: Map<String, Value>,
    /// Files that are kept as they are: their names and contents.
    companions: Vec<(&'static str, Vec<u8>)>,
}

/// The file that names the stop tokens.
const GENERATION: &str = "generation_config.json";

/// Files of a model's folder that are copied and not understood.
const COMPANIONS: [&str; 3] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
];

/// Names of tokens that end a text, the one that ends a turn first.
const STOP_NAMES: [&str; 4] = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>"];

impl LanguageModel {
    /// Reads a folder in the Hugging Face layout, frozen, with weights of the given type.
    pub fn load(folder: &Path, dtype: Dtype, device: &Device) -> Result<Self, ModelError> {
        let device = device.clone().inner();
        check_dtype(dtype, &device)?;
        let config = DecoderConfig::from_file(&folder.join("config.json"))?;
        let tokenizer = Tokenizer::from_file(&folder.join("tokenizer.json"))?;
        let archive = Archive::open_folder(folder)?;
        let decoder = Decoder::build(&config, &device, &mut |name, layout, dims| {
            archive.read(name, layout, dims, dtype.of_tensors(), &device)
        })?;
        let generation = read_object(&folder.join(GENERATION))?;
        let stop_tokens = config::token_ids(generation.get("eos_token_id")).map_err(|problem| {
            ModelError::Json {
                path: folder.join(GENERATION),
                problem,
            }
        })?;
        let stop_tokens = if stop_tokens.is_empty() {
            config.eos_token_ids.clone()
        } else {
            stop_tokens
        };
        let companions = COMPANIONS
            .into_iter()
            .filter_map(|name| Some((name, fs::read(folder.join(name)).ok()?)))
            .collect();
        Ok(Self {
            config,
            decoder,
            tokenizer,
            stop_tokens,
            kv_cache: ModelSettings::kv_cache(),
            chat: Chat::from_folder(folder)?,
            dtype,
            adapter: None,
            generation,
            companions,
        })
    }

    /// Makes a model with random weights, frozen.
    pub fn scratch(
        settings: &ScratchSettings,
        dtype: Dtype,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let device = device.clone().inner();
        check_dtype(dtype, &device)?;
        let tokenizer = Tokenizer::from_file(&settings.tokenizer)?;
        let mut config = DecoderConfig::scratch(settings, tokenizer.vocab_size())?;
        let stop_tokens: Vec<u32> = STOP_NAMES
            .into_iter()
            .filter_map(|name| tokenizer.token(name))
            .collect();
        config.eos_token_ids.clone_from(&stop_tokens);
        let decoder = random_decoder(&config, settings.init_seed, dtype, &device);
        Ok(Self {
            config,
            decoder,
            tokenizer,
            stop_tokens,
            kv_cache: ModelSettings::kv_cache(),
            chat: Chat::default(),
            dtype,
            adapter: None,
            generation: Map::new(),
            companions: Vec::new(),
        })
    }

    /// Makes the model trainable: an adapter if the settings name one, else all weights.
    ///
    /// The adapter's initial numbers come from `seed`; they change nothing before training.
    pub fn attach_adapter(
        &mut self,
        settings: &AdapterSettings,
        seed: u64,
    ) -> Result<(), ModelError> {
        self.decoder = self.decoder.without_adapter();
        self.adapter = None;
        if settings.kind == AdapterKind::None {
            self.decoder.train(|_| true);
            return Ok(());
        }
        if settings.r == 0 {
            return Err(ModelError::Adapter(
                "`r` is `0`, expected `1` or more".to_owned(),
            ));
        }
        let targets = settings
            .targets
            .projections()
            .map_err(ModelError::Adapter)?;
        self.decoder.each_projection(&mut |name, projection| {
            if targets
                .iter()
                .any(|target| name.ends_with(&format!(".{target}")))
            {
                projection.set_adapter(Adapter::new(settings, name, projection.weight(), seed));
            }
        });
        self.decoder.train(|parameter| parameter.is_adapter);
        self.adapter = Some(settings.clone());
        Ok(())
    }

    /// Writes a folder in the Hugging Face layout, with adapters folded into the weights.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        fs::create_dir_all(folder).map_err(|source| ModelError::Write {
            path: folder.to_owned(),
            source,
        })?;
        let mut tensors = Vec::new();
        self.decoder.merged().each_parameter(&mut |parameter| {
            tensors.push((parameter.name, parameter.layout, parameter.tensor.clone()));
        });
        weights::write(&folder.join("model.safetensors"), tensors)?;
        write_json(
            &folder.join("config.json"),
            &self.config.to_json(self.dtype).into(),
        )?;
        let mut generation = self.generation.clone();
        generation.insert("eos_token_id".to_owned(), self.stop_tokens.clone().into());
        write_json(&folder.join(GENERATION), &generation.into())?;
        write_bytes(&folder.join("tokenizer.json"), self.tokenizer.source())?;
        for (name, bytes) in &self.companions {
            write_bytes(&folder.join(name), bytes)?;
        }
        Ok(())
    }
}

/// Normal weights, small enough for their sum over the residual stream not to grow with depth.
fn random_decoder(config: &DecoderConfig, seed: u64, dtype: Dtype, device: &Device) -> Decoder {
    const DEVIATION: f64 = 0.02;
    let depth = (2.0 * config.num_hidden_layers as f64).sqrt();
    let mut source = |name: &str, layout: Layout, dims: [usize; 2]| {
        let is_output = name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight");
        let (center, deviation) = match layout {
            Layout::Table => (0.0, (config.hidden_size as f64).powf(-0.5)),
            Layout::Matrix if is_output => (0.0, DEVIATION / depth),
            Layout::Matrix => (0.0, DEVIATION),
            Layout::Vector if name.contains("norm") => (1.0, 0.0),
            Layout::Vector => (0.0, 0.0),
        };
        let mut stream = stream(seed, &format!("weight {name}"), 0, 0);
        let values: Vec<f64> = (0..dims[0] * dims[1])
            .map(|_| {
                if deviation > 0.0 {
                    center + deviation * stream.normal()
                } else {
                    center
                }
            })
            .collect();
        let data = TensorData::new(values, dims).convert_dtype(DType::F32);
        let data = data.convert_dtype(dtype.of_tensors());
        Ok::<_, std::convert::Infallible>(Tensor::from_data(data, (device, dtype.of_tensors())))
    };
    match Decoder::build(config, device, &mut source) {
        Ok(decoder) => decoder,
        Err(never) => match never {},
    }
}

fn check_dtype(dtype: Dtype, device: &Device) -> Result<(), ModelError> {
    if device.supports_dtype(dtype.of_tensors()) {
        Ok(())
    } else {
        Err(ModelError::UnsupportedDtype {
            dtype: dtype.torch_name(),
        })
    }
}

/// The object that a JSON file holds, empty if there is no file.
fn read_object(path: &Path) -> Result<Map<String, Value>, ModelError> {
    let Ok(bytes) = fs::read(path) else {
        return Ok(Map::new());
    };
    serde_json::from_slice(&bytes).map_err(|error| ModelError::Json {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

/// Writes a JSON file at once and whole.
pub(super) fn write_json(path: &Path, value: &Value) -> Result<(), ModelError> {
    write_bytes(path, format!("{value:#}\n").as_bytes())
}

/// Writes a file at once and whole.
fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    atomic::write(path, bytes, Flush::Now).map_err(|source| ModelError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{
        TokenBatch,
        fixture::{self, values},
    };

    fn logits(model: &LanguageModel) -> Vec<f32> {
        let batch = TokenBatch::of_prompts(&[fixture::tokens(1, 6)]);
        let hidden = model.decoder.hidden(&batch, None, None);
        values(model.decoder.logits(hidden.reshape([6, 16])))
    }

    #[test]
    fn a_saved_model_gives_the_same_bits_when_loaded() {
        for family in fixture::FAMILIES {
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
    fn what_is_not_understood_is_kept() {
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
            let error =
                LanguageModel::load(folder.path(), Dtype::F32, &Device::flex()).unwrap_err();
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
        insta::assert_snapshot!(load(), @"cannot understand `MODEL/config.json`: unknown `model_type` `gpt2`, expected `llama` or `qwen2`");
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
        insta::assert_snapshot!(load(), @"cannot understand the tensors of `MODEL/model.safetensors`");
        fs::remove_file(weights).unwrap();
        insta::assert_snapshot!(load(), @"cannot read `MODEL/model.safetensors`");
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
}
