//! The names of tensors in a file, and the order of their rows.

use crate::model::{
    config::DecoderConfig,
    parameter::{ATTENTION, EMBEDDING, FINAL_NORM, HEAD, INPUT_NORM, MLP, MLP_NORM},
};

/// What the layers of a block are called here and there.
const OF_A_BLOCK: [(&str, &str, &str); 11] = [
    ("", INPUT_NORM, "attn_norm"),
    (ATTENTION, "q_proj", "attn_q"),
    (ATTENTION, "k_proj", "attn_k"),
    (ATTENTION, "v_proj", "attn_v"),
    (ATTENTION, "o_proj", "attn_output"),
    (ATTENTION, "q_norm", "attn_q_norm"),
    (ATTENTION, "k_norm", "attn_k_norm"),
    ("", MLP_NORM, "ffn_norm"),
    (MLP, "gate_proj", "ffn_gate"),
    (MLP, "up_proj", "ffn_up"),
    (MLP, "down_proj", "ffn_down"),
];

/// The name in a file of a parameter with the name of a checkpoint; none if there is no such layer.
pub(super) fn in_file(parameter: &str) -> Option<String> {
    let (layer, end) = parameter.rsplit_once('.')?;
    for (known, name) in [
        (EMBEDDING, "token_embd"),
        (FINAL_NORM, "output_norm"),
        (HEAD, "output"),
    ] {
        if layer == known {
            return Some(format!("{name}.{end}"));
        }
    }
    let (index, layer) = layer.strip_prefix("model.layers.")?.split_once('.')?;
    let (_, _, name) = OF_A_BLOCK.iter().find(|(part, known, _)| {
        let rest = layer.strip_prefix(part);
        let rest = rest.map(|rest| rest.strip_prefix('.').unwrap_or(rest));
        rest == Some(known)
    })?;
    Some(format!("blk.{index}.{name}.{end}"))
}

/// The order of the rows of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// That of a checkpoint.
    Same,
    /// Within a head of this width, the two numbers that turn together follow each other. In a checkpoint,
    /// they are half a head apart.
    Paired { head_dim: usize },
}

impl Rows {
    /// The order of a parameter's rows: llama.cpp's files of the architecture `llama` have pairs together in
    /// queries and keys.
    pub(super) fn of(parameter: &str, architecture: &str, config: &DecoderConfig) -> Self {
        let layer = parameter.rsplit_once('.').map_or("", |(layer, _)| layer);
        let turns = layer.ends_with(".q_proj") || layer.ends_with(".k_proj");
        if architecture == "llama" && turns {
            let head_dim = config.head_dim;
            Self::Paired { head_dim }
        } else {
            Self::Same
        }
    }

    /// The row in the file of a row of a checkpoint.
    pub(super) fn in_file(self, row: usize) -> usize {
        match self {
            Self::Same => row,
            Self::Paired { head_dim } => {
                let (head, within) = (row / head_dim, row % head_dim);
                let half = (head_dim / 2).max(1);
                head * head_dim + within % half * 2 + within / half
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_llama_cpp() {
        // Oracle: `gguf.constants.TENSOR_NAMES` of the Python package gguf 0.19.
        for (parameter, expected) in [
            ("model.embed_tokens.weight", Some("token_embd.weight")),
            ("model.norm.weight", Some("output_norm.weight")),
            ("lm_head.weight", Some("output.weight")),
            (
                "model.layers.12.input_layernorm.weight",
                Some("blk.12.attn_norm.weight"),
            ),
            (
                "model.layers.0.self_attn.q_proj.bias",
                Some("blk.0.attn_q.bias"),
            ),
            (
                "model.layers.0.self_attn.o_proj.weight",
                Some("blk.0.attn_output.weight"),
            ),
            (
                "model.layers.0.self_attn.k_norm.weight",
                Some("blk.0.attn_k_norm.weight"),
            ),
            (
                "model.layers.3.post_attention_layernorm.weight",
                Some("blk.3.ffn_norm.weight"),
            ),
            (
                "model.layers.3.mlp.down_proj.weight",
                Some("blk.3.ffn_down.weight"),
            ),
            ("model.layers.3.mlp.other.weight", None),
            ("other", None),
        ] {
            assert_eq!(in_file(parameter).as_deref(), expected, "{parameter}");
        }
    }

    #[test]
    fn rows_of_pairs_are_those_of_the_converter() {
        // Oracle: `permute` of llama.cpp's `convert_hf_to_gguf.py`, `w.reshape(heads, 2, half,
        // ...).swapaxes(1, 2)`, worked by hand for two heads of 6 rows: the file has the rows 0 3 1 4 2 5
        // of each head.
        let rows = Rows::Paired { head_dim: 6 };
        let mut file = [0; 12];
        for row in 0..12 {
            file[rows.in_file(row)] = row;
        }
        assert_eq!(file, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
    }
}
