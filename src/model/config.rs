//! The shape of a decoder, as `config.json` of a Hugging Face folder gives it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    Dtype, ModelError, ScratchSettings,
    family::{self, AttentionBias},
    rope::RopeConfig,
};

/// The shape of a decoder and the numbers that its formulas need.
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
    /// Added to the mean square before its root is taken.
    pub rms_norm_eps: f64,
    /// Whether the output head is the embedding.
    pub tie_word_embeddings: bool,
    /// Number of rows of the embedding, which may exceed the tokenizer's vocabulary.
    pub vocab_size: usize,
    /// The longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Tokens that end a text.
    pub eos_token_ids: Vec<u32>,
    /// The token that begins a text, if there is one.
    pub bos_token_id: Option<u32>,
    pub(super) attention_bias: AttentionBias,
    pub(super) rope: RopeConfig,
    /// The file's content, so that what this program does not know is kept when it is written.
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
        let family = family::find(keys.text("model_type")?)?;
        if let Some(feature) = (family.unsupported)(&source) {
            return Err(format!("{feature}, which is not supported"));
        }
        if let Some(activation) = source.get("hidden_act").and_then(Value::as_str)
            && activation != "silu"
        {
            return Err(format!("`hidden_act` is `{activation}`, expected `silu`"));
        }
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
            head_dim: keys.count_or("head_dim", hidden_size / heads.max(1))?,
            rms_norm_eps: keys.number_or("rms_norm_eps", 1e-6)?,
            tie_word_embeddings: family::is_on(&source, "tie_word_embeddings"),
            vocab_size: keys.count("vocab_size")?,
            max_position_embeddings: rope.longest(max_position_embeddings),
            eos_token_ids: token_ids(source.get("eos_token_id"))?,
            bos_token_id: token_ids(source.get("bos_token_id"))?.first().copied(),
            attention_bias: (family.attention_bias)(&source),
            rope,
            source,
        };
        config.check()?;
        Ok(config)
    }

    /// The shape of a model that starts from nothing: Qwen2's, with a tied head.
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

    /// What `config.json` holds for this shape, with weights of the type `dtype`.
    pub fn to_json(&self, dtype: Dtype) -> Map<String, Value> {
        let mut json = self.source.clone();
        // Transformers 5 renamed the key; both versions read the old one.
        json.remove("dtype");
        json.insert("torch_dtype".to_owned(), dtype.torch_name().into());
        if let [only] = self.eos_token_ids.as_slice() {
            json.insert("eos_token_id".to_owned(), (*only).into());
        } else if !self.eos_token_ids.is_empty() {
            json.insert("eos_token_id".to_owned(), self.eos_token_ids.clone().into());
        }
        json
    }

    /// The type that the file says the weights have, if it says so.
    pub fn dtype(&self) -> Option<Dtype> {
        let name = self.source.get("dtype").or(self.source.get("torch_dtype"));
        let name = name.and_then(Value::as_str)?;
        let known = [Dtype::F32, Dtype::F16, Dtype::Bf16];
        known.into_iter().find(|one| one.torch_name() == name)
    }

    /// The projections of a block: the name, and the widths of input and output.
    pub fn projections(&self) -> [(&'static str, [usize; 2]); 7] {
        let (d, wide) = (self.hidden_size, self.intermediate_size);
        let queries = self.num_attention_heads * self.head_dim;
        let keys = self.num_key_value_heads * self.head_dim;
        [
            ("q_proj", [d, queries]),
            ("k_proj", [d, keys]),
            ("v_proj", [d, keys]),
            ("o_proj", [queries, d]),
            ("gate_proj", [d, wide]),
            ("up_proj", [d, wide]),
            ("down_proj", [wide, d]),
        ]
    }

    /// The numbers that a cache of keys and values holds of each token.
    pub fn kv_cache_numbers(&self) -> usize {
        2 * self.num_hidden_layers * self.num_key_value_heads * self.head_dim
    }

    /// The number of numbers that a checkpoint of this shape holds.
    pub fn parameters(&self) -> usize {
        let bias = self.attention_bias;
        let block = self.projections().into_iter().map(|(name, [from, to])| {
            let is_biased = match name {
                "q_proj" | "k_proj" | "v_proj" => bias.input,
                "o_proj" => bias.output,
                _ => false,
            };
            from * to + if is_biased { to } else { 0 }
        });
        let block = block.sum::<usize>() + 2 * self.hidden_size;
        let tables = if self.tie_word_embeddings { 1 } else { 2 };
        let tables = tables * self.vocab_size * self.hidden_size;
        tables + self.num_hidden_layers * block + self.hidden_size
    }

    /// How many query heads share a key head.
    pub(super) fn group_size(&self) -> usize {
        self.num_attention_heads / self.num_key_value_heads
    }

    fn check(&self) -> Result<(), String> {
        let (heads, kv_heads) = (self.num_attention_heads, self.num_key_value_heads);
        if heads == 0 || kv_heads == 0 || heads % kv_heads != 0 {
            return Err(format!(
                "`num_attention_heads` is `{heads}`, expected a multiple of \
                 `num_key_value_heads`, `{kv_heads}`"
            ));
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return Err(format!(
                "the width of a head is `{}`, expected an even number",
                self.head_dim
            ));
        }
        if self.vocab_size == 0 || self.num_hidden_layers == 0 {
            return Err("`vocab_size` and `num_hidden_layers` must not be `0`".to_owned());
        }
        Ok(())
    }
}

/// The keys of `config.json`, with errors that name them.
struct Keys<'a>(&'a Map<String, Value>);

impl Keys<'_> {
    fn text(&self, key: &str) -> Result<&str, String> {
        self.0
            .get(key)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("`{key}` is not a text"))
    }

    fn count(&self, key: &str) -> Result<usize, String> {
        let value = self
            .0
            .get(key)
            .ok_or_else(|| format!("`{key}` is missing"))?;
        value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| format!("`{key}` is `{value}`, expected a whole number"))
    }

    fn count_or(&self, key: &str, default: usize) -> Result<usize, String> {
        if self.is_missing(key) {
            Ok(default)
        } else {
            self.count(key)
        }
    }

    fn number_or(&self, key: &str, default: f64) -> Result<f64, String> {
        if self.is_missing(key) {
            return Ok(default);
        }
        let value = &self.0[key];
        value
            .as_f64()
            .ok_or_else(|| format!("`{key}` is `{value}`, expected a number"))
    }

    fn is_missing(&self, key: &str) -> bool {
        self.0.get(key).is_none_or(Value::is_null)
    }
}

/// One token, a list of them, or none.
pub(super) fn token_ids(value: Option<&Value>) -> Result<Vec<u32>, String> {
    let one = |value: &Value| {
        value
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| format!("`{value}` is not the number of a token"))
    };
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(one).collect(),
        Some(item) => Ok(vec![one(item)?]),
    }
}
