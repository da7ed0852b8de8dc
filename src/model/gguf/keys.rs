//! The keys of the metadata that this program knows: what they change is computed, or they change nothing.
//!
//! As for `config.json`, a key that is in no list is refused, unless it switches nothing on.

use super::value::Metadata;

/// Keys that are read, or compared, without the name of the architecture.
const READ: &[&str] = &[
    "general.alignment",
    "general.architecture",
    "general.quantization_version",
    "general.type",
    "split.count",
    "tokenizer.chat_template",
    "tokenizer.ggml.add_bos_token",
    "tokenizer.ggml.add_eos_token",
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.merges",
    "tokenizer.ggml.model",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.pre",
    "tokenizer.ggml.token_type",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.unknown_token_id",
];

/// Keys of the architecture that are read; they begin with its name.
const READ_OF_ARCHITECTURE: &[&str] = &[
    "attention.causal",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.attn_factor",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_ext_factor",
];

/// Keys that change nothing here, and why.
const HARMLESS: &[(&str, &[&str])] = &[
    (
        "it describes where the model comes from",
        &[
            "general.author",
            "general.basename",
            "general.datasets",
            "general.description",
            "general.doi",
            "general.file_type",
            "general.finetune",
            "general.languages",
            "general.license",
            "general.name",
            "general.organization",
            "general.quantized_by",
            "general.repo_url",
            "general.size_label",
            "general.tags",
            "general.url",
            "general.uuid",
            "general.version",
        ],
    ),
    (
        "a count that the list of tensors has too",
        &["split.no", "split.tensors.count"],
    ),
    (
        "merges decide, and scores are those of other kinds of tokenizers",
        &["tokenizer.ggml.scores", "tokenizer.ggml.token_type_count"],
    ),
    (
        "it concerns tokenizers of other kinds than byte-level byte-pair encoding",
        &[
            "tokenizer.ggml.add_space_prefix",
            "tokenizer.ggml.escape_whitespaces",
            "tokenizer.ggml.remove_extra_whitespaces",
        ],
    ),
    (
        "no prompt of this program uses the token",
        &[
            "tokenizer.ggml.cls_token_id",
            "tokenizer.ggml.fim_mid_token_id",
            "tokenizer.ggml.fim_pad_token_id",
            "tokenizer.ggml.fim_pre_token_id",
            "tokenizer.ggml.fim_rep_token_id",
            "tokenizer.ggml.fim_sep_token_id",
            "tokenizer.ggml.fim_suf_token_id",
            "tokenizer.ggml.mask_token_id",
            "tokenizer.ggml.middle_token_id",
            "tokenizer.ggml.prefix_token_id",
            "tokenizer.ggml.seperator_token_id",
            "tokenizer.ggml.suffix_token_id",
        ],
    ),
    (
        "the same tokenizer in another form",
        &["tokenizer.huggingface.json"],
    ),
];

/// Keys of the architecture that change nothing here.
const HARMLESS_OF_ARCHITECTURE: &[&str] = &[
    // The name of the order of the rows that all files of the architecture have.
    "tensor_data_layout",
    // A note about the training.
    "rope.scaling.finetuned",
    // The rows of the embedding decide.
    "vocab_size",
];

/// Beginnings of keys that change nothing: who made the file and how, how another program samples, and
/// templates for other purposes than conversations.
const HARMLESS_STARTS: &[&str] = &[
    "general.base_model.",
    "general.dataset.",
    "general.license.",
    "general.sampling.",
    "general.source.",
    "mradermacher.",
    "quantize.imatrix.",
    "tokenizer.chat_template.",
    "tokenizer.chat_templates",
];

/// Refuses a key that may change what the model computes, in a way that this program does not know.
pub(super) fn check(metadata: &Metadata, architecture: &str) -> Result<(), String> {
    let is_known = |key: &str| {
        if let Some(rest) = key.strip_prefix(architecture)
            && let Some(rest) = rest.strip_prefix('.')
        {
            return READ_OF_ARCHITECTURE.contains(&rest)
                || HARMLESS_OF_ARCHITECTURE.contains(&rest);
        }
        READ.contains(&key)
            || HARMLESS.iter().any(|(_, keys)| keys.contains(&key))
            || HARMLESS_STARTS.iter().any(|start| key.starts_with(start))
    };
    let mut unknown = metadata.0.iter();
    match unknown.find(|(key, value)| !is_known(key) && !value.is_off()) {
        None => Ok(()),
        Some((key, value)) => Err(format!(
            "`{key}` is `{}`, and this program does not know what it changes",
            value.shown()
        )),
    }
}
