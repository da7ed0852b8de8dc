//! Settings of the model, `[model]`, and of sampling from it.

use std::path::PathBuf;

use burn::tensor::DType;
use serde::{Deserialize, Serialize};

use super::memory_size::MemorySize;
use crate::remote::RemoteSettings;

/// The section `[model]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// A name of `datasets/manifest.toml`, a folder in the Hugging Face layout, `scratch` for a
    /// model with random weights in the shape of `[model.scratch]`, or `remote` for the model at the
    /// endpoint of `[model.remote]`.
    pub base: String,
    /// The type of the weights in memory.
    pub dtype: Dtype,
    /// How conversations are laid out for the model.
    pub chat: ChatFormat,
    /// The memory for keys and values during sampling, without the room that they grow into. It
    /// decides how many sequences run at once (at least one) and changes no completion beyond the
    /// rounding of products.
    #[serde(default = "ModelSettings::kv_cache")]
    pub kv_cache: MemorySize,
    /// What is trained: all weights, or an adapter.
    pub adapter: AdapterSettings,
    /// The shape of a model that starts from random weights; read only if `base = "scratch"`.
    pub scratch: ScratchSettings,
    /// The endpoint; present only if `base = "remote"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteSettings>,
}

impl ModelSettings {
    /// The value of `base` for a model at an endpoint.
    pub const REMOTE: &'static str = "remote";

    /// The default memory for keys and values; jobs that are older than the key have none.
    pub const fn kv_cache() -> MemorySize {
        MemorySize::gib(4)
    }

    /// The settings without those that the base does not read, which must not identify its jobs.
    #[must_use]
    pub fn of_its_base(mut self) -> Self {
        if self.base != Self::REMOTE {
            self.remote = None;
        }
        self
    }

    /// The name of the base in a table; for a remote model, its name at the endpoint.
    pub fn name(&self) -> &str {
        self.remote
            .as_ref()
            .map_or(self.base.as_str(), |remote| remote.model.as_str())
    }
}

/// How a conversation becomes the text that a model reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatFormat {
    /// `ChatML`, whatever the model was trained on, as in the paper's reference code.
    #[default]
    Chatml,
    /// The chat template of the model.
    Template,
    /// The texts alone, separated by blank lines: for models that were not trained on conversations.
    None,
}

/// A type of floating-point numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// 32 bits.
    F32,
    /// 16 bits, IEEE 754.
    F16,
    /// 16 bits, with the exponent of `f32`.
    Bf16,
}

impl Dtype {
    /// Its name in `config.json`.
    pub(super) fn torch_name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
        }
    }

    /// The type of tensors.
    pub(super) fn of_tensors(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// The table `model.adapter`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterSettings {
    /// Which adapter, if any.
    pub kind: AdapterKind,
    /// Rank.
    pub r: usize,
    /// Numerator of the scale `alpha / r`.
    pub alpha: f64,
    /// Probability of dropping an element of the adapter's input in training, in `[0, 1)`.
    pub dropout: f64,
    /// The projections that carry an adapter.
    pub targets: Targets,
}

/// A kind of adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// None: all weights are trained.
    None,
    /// Low-rank adaptation (arXiv 2106.09685).
    Lora,
    /// Weight-decomposed low-rank adaptation (arXiv 2402.09353).
    Dora,
}

/// The projections that carry an adapter: a named set, or a list such as `["q_proj", "v_proj"]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Targets(pub Vec<String>);

impl Targets {
    /// The projections of a decoder's block: those of the attention, then those of the feed-forward
    /// layer.
    pub const PROJECTIONS: [&'static str; 7] = [
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    ];

    /// How many of the projections, from the first, belong to the attention.
    pub const ATTENTION: usize = 4;

    /// The names of the chosen projections, in the order of a block, each once.
    pub fn projections(&self) -> Result<Vec<&'static str>, String> {
        let mut chosen = [false; Self::PROJECTIONS.len()];
        for name in &self.0 {
            let all = 0..Self::PROJECTIONS.len();
            let range = match name.as_str() {
                "attention" => 0..Self::ATTENTION,
                "all_linear" => all,
                name => match Self::PROJECTIONS.iter().position(|one| *one == name) {
                    Some(place) => place..place + 1,
                    None => return Err(unknown_target(name)),
                },
            };
            chosen[range].fill(true);
        }
        let places = Self::PROJECTIONS.into_iter().zip(chosen);
        let names: Vec<_> = places
            .filter_map(|(name, is_chosen)| is_chosen.then_some(name))
            .collect();
        if names.is_empty() {
            Err("`targets` is empty".to_owned())
        } else {
            Ok(names)
        }
    }
}

fn unknown_target(name: &str) -> String {
    let known: Vec<String> = Targets::PROJECTIONS
        .iter()
        .map(|one| format!("`{one}`"))
        .collect();
    format!(
        "unknown target `{name}`, expected `attention`, `all_linear`, {}",
        known.join(", ")
    )
}

/// The table `model.scratch`: a decoder with random initial weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScratchSettings {
    /// A `tokenizer.json`; its vocabulary is that of the model.
    pub tokenizer: PathBuf,
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
    /// Base of the wavelengths of the rotary embedding.
    pub rope_theta: f64,
    /// The longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Seed of the initial weights; it does not depend on the seed of a run, so that all runs start
    /// from the same weights.
    pub init_seed: u64,
}

/// How tokens are sampled from the distribution of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingSettings {
    /// Divides the logits; 0 takes the most likely token.
    pub temperature: f64,
    /// Keeps the most likely tokens only; 0 keeps all.
    pub top_k: usize,
    /// Keeps the smallest set of tokens whose probabilities sum to this; 1 keeps all.
    pub top_p: f64,
    /// Keeps tokens that are at least this likely relative to the most likely one; 0 keeps all.
    pub min_p: f64,
    /// The longest completion, in tokens.
    pub max_completion_tokens: usize,
}
