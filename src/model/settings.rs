//! The settings of a model, and of sampling from it.

use std::path::PathBuf;

use burn::tensor::DType;
use serde::{Deserialize, Serialize};

use crate::{
    remote::RemoteSettings,
    settings::{
        COUNT, COUNT_OR_ZERO, Kind, MemorySize, SEED, above_to, choice, from_below, from_to,
        settings, whole,
    },
};

settings! {
    /// The model, and which of its parameters are trained.
    pub struct ModelSettings {
        /// A model of `datasets/manifest.toml`, a folder in the Hugging Face layout, a GGUF file,
        /// `scratch` for random weights in the shape of `[model.scratch]`, or `remote` for the model
        /// behind the endpoint of `[model.remote]`.
        #[key(
            Kind::Model,
            default = "qwen2.5-coder-7b-instruct",
            source = "one of the paper's two models"
        )]
        pub base: String,
        /// The type of the weights in memory.
        #[key(
            choice::<Dtype>("dtype"),
            default = "bf16",
            source = "scripts/grpo.sh; adapters are always f32"
        )]
        pub dtype: Dtype,
        /// How conversations are laid out: `chatml` for every model, as the paper's code does it, by
        /// the model's own `template`, or with `none` as texts alone.
        #[key(
            choice::<ChatFormat>("chat format"),
            default = "chatml",
            source = "the paper's code lays every conversation out so"
        )]
        pub chat: ChatFormat,
        /// The memory for keys and values while sampling, without their room to grow (at most half as
        /// much again): it decides how many completions run side by side, at least one, and changes
        /// no completion beyond the rounding of products.
        #[serde(default = "ModelSettings::kv_cache")]
        #[key(Kind::Memory(1), default = "4GiB", source = "ours")]
        pub kv_cache: MemorySize,
        /// What is trained: all weights, or an adapter.
        #[table]
        pub adapter: AdapterSettings,
        /// The shape of a model with random weights; read only if `base = "scratch"`.
        #[table(source = "ours: a decoder that trains on a laptop; read only by `base = \"scratch\"`")]
        pub scratch: ScratchSettings,
        /// The endpoint; read only if `base = "remote"`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[table(
            source = "ours; read only by `base = \"remote\"`, which must name `base_url` and `model`"
        )]
        pub remote: Option<RemoteSettings>,
    }
}

impl ModelSettings {
    /// The value of `base` for a model at an endpoint.
    pub const REMOTE: &'static str = "remote";

    /// The memory for keys and values in jobs from before the key.
    pub const fn kv_cache() -> MemorySize {
        MemorySize::gib(4)
    }

    /// The settings without those that the base does not read: they are no part of its jobs.
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

settings! {
    /// The table `model.adapter`.
    pub struct AdapterSettings {
        /// What is trained: a LoRA or DoRA adapter, or with `none` all weights.
        #[key(choice::<AdapterKind>("adapter kind"), default = "dora", source = "paper, set-up")]
        pub kind: AdapterKind,
        /// The adapter's rank.
        #[key(whole(1, 65_536), default = 64, source = "paper, set-up")]
        pub r: usize,
        /// The numerator of the adapter's scale `alpha / r`.
        #[key(above_to(0.0, 1e6), default = 64.0, source = "paper, set-up")]
        pub alpha: f64,
        /// The probability of dropping an element of the adapter's input in training.
        #[key(from_below(0.0, 1.0), default = 0.01, source = "paper, set-up")]
        pub dropout: f64,
        /// The projections that carry an adapter: `attention`, `all_linear`, or a list such as
        /// `["q_proj", "v_proj"]`.
        #[key(
            Targets::KIND,
            default = ["q_proj", "v_proj"],
            source = "the script sets none; these are PEFT's for both models"
        )]
        pub targets: Targets,
    }
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

    /// The named sets: how many of the projections, from the first.
    const SETS: &[(&'static str, usize)] = &[
        ("attention", Self::ATTENTION),
        ("all_linear", Self::PROJECTIONS.len()),
    ];

    /// What a spec may write.
    const KIND: Kind = Kind::Subset {
        noun: "projection",
        names: || Self::PROJECTIONS.to_vec(),
        sets: Self::SETS,
    };

    /// The names of the chosen projections, in the order of a block, each once.
    pub fn projections(&self) -> Result<Vec<&'static str>, String> {
        let mut chosen = [false; Self::PROJECTIONS.len()];
        for name in &self.0 {
            let set = Self::SETS.iter().find(|(set, _)| set == name);
            let range = match Self::PROJECTIONS.iter().position(|one| one == name) {
                Some(place) => place..place + 1,
                None => 0..set.ok_or_else(|| unknown_target(name))?.1,
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

settings! {
    /// The table `model.scratch`: a small decoder with random weights.
    pub struct ScratchSettings {
        /// A `tokenizer.json`, whose vocabulary is the model's.
        #[key(Kind::File, default = "datasets/from_scratch/tokenizer.json")]
        pub tokenizer: PathBuf,
        /// The width of the residual stream.
        #[key(whole(1, 1_000_000), default = 128)]
        pub hidden_size: usize,
        /// The width of the gated feed-forward layer.
        #[key(whole(1, 1_000_000), default = 384)]
        pub intermediate_size: usize,
        /// The number of blocks.
        #[key(whole(1, 10_000), default = 4)]
        pub num_hidden_layers: usize,
        /// The number of query heads.
        #[key(whole(1, 10_000), default = 4)]
        pub num_attention_heads: usize,
        /// The number of key and value heads.
        #[key(whole(1, 10_000), default = 2)]
        pub num_key_value_heads: usize,
        /// The base of the rotary embedding's wavelengths.
        #[key(above_to(0.0, 1e12), default = 10000.0)]
        pub rope_theta: f64,
        /// The longest sequence, in tokens.
        #[key(whole(2, 10_000_000), default = 1024)]
        pub max_position_embeddings: usize,
        /// The seed of the initial weights, the same for all seeds of a run, so that all start alike.
        #[key(SEED, default = 42)]
        pub init_seed: u64,
    }
}

settings! {
    /// How tokens are drawn from the model's distribution.
    pub struct SamplingSettings {
        /// Divides the logits; in evaluation, 0 takes the most likely token.
        #[key(from_to(0.0, 100.0))]
        pub temperature: f64,
        /// The number of most likely tokens that are kept; 0 keeps all.
        #[key(COUNT_OR_ZERO)]
        pub top_k: usize,
        /// Keeps the smallest set of tokens whose probabilities sum to this; 1 keeps all.
        #[key(above_to(0.0, 1.0))]
        pub top_p: f64,
        /// Keeps tokens that are at least this likely in comparison with the likeliest; 0 keeps all.
        #[key(from_to(0.0, 1.0))]
        pub min_p: f64,
        /// The longest completion, in tokens.
        #[key(COUNT)]
        pub max_completion_tokens: usize,
    }
}
