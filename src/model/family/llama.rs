//! The Llama family, to which DeepSeek-Coder's dense models belong.

use super::{AttentionBias, Family, is_on};

/// No bias, unless `attention_bias` is on: then on all four projections of the attention.
pub(super) const LLAMA: Family = Family {
    model_type: "llama",
    architecture: "LlamaForCausalLM",
    attention_bias: |config| {
        let is_biased = is_on(config, "attention_bias");
        AttentionBias {
            input: is_biased,
            output: is_biased,
        }
    },
    unsupported: |config| is_on(config, "mlp_bias").then(|| "`mlp_bias` is on".to_owned()),
};
