//! The Qwen2 family, which includes Qwen2.5 and DeepSeek-R1-Distill-Qwen.

use super::{AttentionBias, Family, Features, Missing};

/// Queries, keys and values always have a bias, the output of the attention never has one.
pub(super) const QWEN2: Family = Family {
    model_type: "qwen2",
    architecture: "Qwen2ForCausalLM",
    features: |_| Features {
        attention_bias: AttentionBias::Inputs,
        ..Features::default()
    },
    head_dim: None,
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
