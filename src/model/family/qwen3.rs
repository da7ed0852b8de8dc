//! The dense models of the Qwen3 family.

use super::{AttentionBias, Family, Features, Missing, is_on};

/// Each head of queries and keys has a norm; there is no bias, unless `attention_bias` is on.
pub(super) const QWEN3: Family = Family {
    model_type: "qwen3",
    architecture: "Qwen3ForCausalLM",
    features: |config| Features {
        attention_bias: if is_on(config, "attention_bias") {
            AttentionBias::All
        } else {
            AttentionBias::None
        },
        qk_norm: true,
    },
    head_dim: Some(128),
    missing: &[
        Missing {
            key: "use_sliding_window",
            feature: "attention within a sliding window",
        },
        Missing {
            key: "mlp_bias",
            feature: "a bias of the feed-forward layer",
        },
    ],
};
