//! The Llama family, which includes DeepSeek-Coder's dense models.

use super::{AttentionBias, Family, Features, Missing, is_on};

/// No bias, unless `attention_bias` is on.
pub(super) const LLAMA: Family = Family {
    model_type: "llama",
    architecture: "LlamaForCausalLM",
    features: |config| Features {
        attention_bias: if is_on(config, "attention_bias") {
            AttentionBias::All
        } else {
            AttentionBias::None
        },
        ..Features::default()
    },
    head_dim: None,
    missing: &[
        Missing {
            key: "mlp_bias",
            feature: "a bias of the feed-forward layer",
        },
        Missing {
            key: "use_sliding_window",
            feature: "attention within a sliding window",
        },
    ],
};
