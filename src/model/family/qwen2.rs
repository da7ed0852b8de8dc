//! The Qwen2 family, to which Qwen2.5 and DeepSeek-R1-Distill-Qwen belong.

use super::{AttentionBias, Family, is_on};

/// Queries, keys and values have a bias always, the attention's output never.
pub(super) const QWEN2: Family = Family {
    model_type: "qwen2",
    architecture: "Qwen2ForCausalLM",
    attention_bias: |_| AttentionBias {
        input: true,
        output: false,
    },
    unsupported: |config| {
        is_on(config, "use_sliding_window").then(|| "`use_sliding_window` is on".to_owned())
    },
};
