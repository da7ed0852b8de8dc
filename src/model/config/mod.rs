//! The shape of a decoder, as the `config.json` of a Hugging Face folder describes it.

mod bounds;
mod keys;
mod known;
mod parameters;
mod rope;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    error::ModelError,
    family::{self, Family, Features},
    settings::{Dtype, ScratchSettings},
};

use keys::Keys;
use rope::RopeConfig;

pub(super) use keys::token_ids;
pub(super) use known::is_off;
pub(super) use rope::Scaling;

/// The shape of a decoder, and the constants of its formulas.
#[derive(Clone, Debug)]
pub struct DecoderConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the gated feed-forward layer.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Added to the mean square before the square root.
    pub rms_norm_eps: f64,
    /// Whether the output head is the embedding.
    pub tie_word_embeddings: bool,
    /// Number of rows of the embedding; it may exceed the vocabulary of the tokenizer.
    pub vocab_size: usize,
    /// The longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// The token that begins a text, if the model has one.
    pub bos_token_id: Option<u32>,
    /// What distinguishes its family from others.
    pub features: Features,
    pub(super) rope: RopeConfig,
    /// The content of the file: keys that this program does not know are written back unchanged.
    source: Map<String, Value>,
}

impl DecoderConfig {
    /// Reads `config.json`.
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        let problem = |problem: String| ModelError::Json {
            path: path.to_owned(),
            problem,
        };
        let source = serde_json::from_slice(&bytes).map_err(|error| problem(error.to_string()))?;
        Self::from_json(source).map_err(problem)
    }

    /// Reads the object that `config.json` holds.
    pub fn from_json(source: Map<String, Value>) -> Result<Self, String> {
        let keys = Keys(&source);
        let family = Family::find(keys.text("model_type")?)?;
        known::check(&source)?;
        let features = family.features(&source)?;
        if let Some(activation) = source.get("hidden_act")
            && activation != "silu"
        {
            return Err(format!("`hidden_act` is `{activation}`, expected `silu`"));
        }
        known::check_architectures(&source)?;
        let heads = keys.count("num_attention_heads")?;
        let hidden_size = keys.count("hidden_size")?;
        let max_position_embeddings = keys.count("max_position_embeddings")?;
        let rope = RopeConfig::from_json(&source, max_position_embeddings)?;
        let config = Self {
            hidden_size,
            intermediate_size: keys.count("intermediate_size")?,
            num_hidden_layers: keys.count("num_hidden_layers")?,
            num_attention_heads: heads,
            num_key_value_heads: keys.count_or("num_key_value_heads", heads)?,
            head_dim: keys.count_or(
                "head_dim",
                family.head_dim.unwrap_or(hidden_size / heads.max(1)),
            )?,
            rms_norm_eps: keys.number_or("rms_norm_eps", 1e-6)?,
            tie_word_embeddings: keys.is_on("tie_word_embeddings")?,
            vocab_size: keys.count("vocab_size")?,
            max_position_embeddings: rope.longest(max_position_embeddings),
            eos_token_ids: token_ids(source.get("eos_token_id"))?,
            bos_token_id: token_ids(source.get("bos_token_id"))?.first().copied(),
            features,
            rope,
            source,
        };
        bounds::check(&config)?;
        known::check_layer_types(&config.source, config.num_hidden_layers)?;
        Ok(config)
    }

    /// The shape of a model that starts from random weights: of the Qwen2 family, with a tied head.
    pub fn scratch(settings: &ScratchSettings, vocab_size: usize) -> Result<Self, ModelError> {
        let family = family::SCRATCH;
        let json = json!({
            "model_type": family.model_type,
            "architectures": [family.architecture],
            "hidden_act": "silu",
            "hidden_size": settings.hidden_size,
            "intermediate_size": settings.intermediate_size,
            "num_hidden_layers": settings.num_hidden_layers,
            "num_attention_heads": settings.num_attention_heads,
            "num_key_value_heads": settings.num_key_value_heads,
            "rms_norm_eps": 1e-6,
            "rope_theta": settings.rope_theta,
            "tie_word_embeddings": true,
            "vocab_size": vocab_size,
            "max_position_embeddings": settings.max_position_embeddings,
            "use_cache": true,
            "use_sliding_window": false,
        });
        let Value::Object(source) = json else {
            unreachable!("the literal above is an object")
        };
        Self::from_json(source).map_err(ModelError::Configuration)
    }

    /// The `config.json` of this shape, with weights of the type `dtype`.
    pub fn to_json(&self, dtype: Dtype) -> Map<String, Value> {
        let mut json = self.source.clone();
        // Transformers 5 renamed the key to `dtype`; both versions read the old one.
        json.remove("dtype");
        json.insert("torch_dtype".to_owned(), dtype.torch_name().into());
        if let [only] = self.eos_token_ids.as_slice() {
            json.insert("eos_token_id".to_owned(), (*only).into());
        } else if !self.eos_token_ids.is_empty() {
            json.insert("eos_token_id".to_owned(), self.eos_token_ids.clone().into());
        }
        json
    }

    /// Unties the head from the embedding, because the checkpoint has one with other values.
    pub(super) fn untie(&mut self) {
        self.tie_word_embeddings = false;
        let key = "tie_word_embeddings".to_owned();
        self.source.insert(key, false.into());
    }

    /// The keys of dropout within the decoder that are on, although training has none.
    pub(super) fn ignored_dropouts(&self) -> Vec<&'static str> {
        known::dropped(&self.source)
    }

    /// The type of the weights according to the file, if it names one.
    pub fn dtype(&self) -> Option<Dtype> {
        let name = self.source.get("dtype").or(self.source.get("torch_dtype"));
        let name = name.and_then(Value::as_str)?;
        let known = [Dtype::F32, Dtype::F16, Dtype::Bf16];
        known.into_iter().find(|one| one.torch_name() == name)
    }

    /// The number of elements that a cache of keys and values holds of each token.
    pub fn kv_cache_numbers(&self) -> usize {
        2 * self.num_hidden_layers * self.key_width()
    }

    /// The width of all queries of a token.
    pub fn query_width(&self) -> usize {
        self.num_attention_heads * self.head_dim
    }

    /// The width of all keys of a token, and of all its values.
    pub fn key_width(&self) -> usize {
        self.num_key_value_heads * self.head_dim
    }

    /// The number of query heads that share a key head.
    pub(super) fn group_size(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }
}
