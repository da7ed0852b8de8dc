//! A decoder with its tokenizer: the content of a model's folder.

mod adapter;
mod scratch;

use std::{fs, path::Path};

use burn::tensor::Device;
use serde_json::{Map, Value};

use super::{
    adapter::peft,
    chat::Chat,
    config::{self, DecoderConfig},
    decoder::Decoder,
    error::ModelError,
    files::{write_bytes, write_json},
    settings::{AdapterSettings, Dtype, ModelSettings},
    stored::Stored,
    tokenizer::Tokenizer,
    tokenizer_config,
    weights::{self, Archive, Checkpoint},
};
use crate::settings::MemorySize;

/// A decoder, its tokenizer, and the tokens at which it stops.
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
    /// The memory for keys and values during sampling, without the room that they grow into. It
    /// decides how many sequences run at once, and changes no completion.
    pub kv_cache: MemorySize,
    /// How conversations become text.
    pub chat: Chat,
    dtype: Dtype,
    /// The adapter of the decoder, if it has one.
    pub(super) adapter: Option<AdapterSettings>,
    /// The content of `generation_config.json`, in which saving replaces the stop tokens.
    generation: Map<String, Value>,
    /// Files that are copied unchanged: their names and contents.
    companions: Vec<(&'static str, Vec<u8>)>,
}

/// The file that names the stop tokens.
const GENERATION: &str = "generation_config.json";

/// Files of a model's folder that are copied without being parsed.
const COMPANIONS: [&str; 3] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
];

impl LanguageModel {
    /// Reads a folder in the Hugging Face layout or a GGUF file, frozen, with weights of the given type.
    pub fn load(path: &Path, dtype: Dtype, device: &Device) -> Result<Self, ModelError> {
        let device = device.clone().inner();
        check_dtype(dtype, &device)?;
        if path.join(peft::CONFIG).is_file() {
            return Err(ModelError::Adapter(format!(
                "`{}` has the `{}` of an adapter; pass its base model, and this folder as the adapter, \
                 or move the adapter away",
                path.display(),
                peft::CONFIG
            )));
        }
        let stored = Stored::open(path)?;
        let mut config = stored.config()?;
        let files = stored.small_files()?;
        let tokenizer = Tokenizer::from_model(&files)?;
        let decoder = read_weights(&stored, &mut config, dtype, &device)?;
        warn_about(&config, &tokenizer);
        for warning in tokenizer_config::disagreements(&tokenizer, &files)? {
            tracing::warn!("{warning}");
        }
        let generation = files.object(GENERATION)?;
        let stop_tokens = config::token_ids(generation.get("eos_token_id")).map_err(|problem| {
            ModelError::Json {
                path: files.path(GENERATION),
                problem,
            }
        })?;
        let stop_tokens = if stop_tokens.is_empty() {
            config.eos_token_ids.clone()
        } else {
            stop_tokens
        };
        let mut companions = Vec::new();
        for name in COMPANIONS {
            if let Some(bytes) = files.bytes(name)? {
                companions.push((name, bytes));
            }
        }
        Ok(Self {
            config,
            decoder,
            tokenizer,
            stop_tokens,
            kv_cache: ModelSettings::kv_cache(),
            chat: Chat::from_model(&files)?,
            dtype,
            adapter: None,
            generation,
            companions,
        })
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

/// Reads every parameter of a model.
fn read_weights(
    stored: &Stored,
    config: &mut DecoderConfig,
    dtype: Dtype,
    device: &Device,
) -> Result<Decoder, ModelError> {
    match stored {
        Stored::Folder(folder) => {
            read_decoder(config, Archive::open_folder(folder)?, dtype, device)
        }
        Stored::Gguf(file) => {
            let mut weights = file.weights(config);
            let decoder = Decoder::build(config, device, |parameter| {
                weights.read(parameter, dtype.of_tensors(), device)
            })?;
            weights.finish()?;
            Ok(decoder)
        }
    }
}

/// Reads every parameter of a checkpoint, and refuses tensors that no parameter uses.
fn read_decoder(
    config: &mut DecoderConfig,
    archive: Archive,
    dtype: Dtype,
    device: &Device,
) -> Result<Decoder, ModelError> {
    let dtype = dtype.of_tensors();
    let mut checkpoint = Checkpoint::new(archive, config, dtype, device)?;
    let decoder = Decoder::build(config, device, |parameter| {
        checkpoint.read(parameter, dtype, device)
    })?;
    checkpoint.finish()?;
    Ok(decoder)
}

/// Warns about what a checkpoint asks for and this program does otherwise.
fn warn_about(config: &DecoderConfig, tokenizer: &Tokenizer) {
    for key in config.ignored_dropouts() {
        tracing::warn!(
            "`{key}` of `config.json` is ignored: training drops nothing within the decoder"
        );
    }
    let (tokens, rows) = (tokenizer.vocab_size(), config.vocab_size);
    if tokens > rows {
        tracing::warn!(
            "the tokenizer has {tokens} tokens, but the model only {rows}: a text with one of the \
             others cannot be read"
        );
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
