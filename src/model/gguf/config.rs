//! From the metadata to the `config.json` of the same model.

use serde_json::{Map, Value as Json, json};

use super::{
    header::Header,
    keys, rope,
    value::{Metadata, needed},
};

/// The architectures that are read: their names are those of the families, too.
const ARCHITECTURES: [(&str, &str); 3] = [
    ("llama", "LlamaForCausalLM"),
    ("qwen2", "Qwen2ForCausalLM"),
    ("qwen3", "Qwen3ForCausalLM"),
];

/// The embedding in a file.
pub(super) const EMBEDDING: &str = "token_embd.weight";

/// The output head in a file; without it, the head is the embedding.
const HEAD: &str = "output.weight";

/// A bias that is there if projections have biases.
const BIAS: &str = "blk.0.attn_q.bias";

/// The name of the architecture, if its models can be read.
pub(super) fn architecture(metadata: &Metadata) -> Result<&'static str, String> {
    const KEY: &str = "general.architecture";
    let name = needed(metadata.text(KEY)?, KEY)?;
    let found = ARCHITECTURES.iter().find(|(known, _)| *known == name);
    found.map(|(known, _)| *known).ok_or_else(|| {
        let known = ARCHITECTURES.map(|(known, _)| format!("`{known}`"));
        format!(
            "`{KEY}` is `{name}`, which is not supported for GGUF, expected {}",
            known.join(" or ")
        )
    })
}

/// What the `config.json` of the model has.
pub(super) fn read(header: &Header) -> Result<Map<String, Json>, String> {
    let metadata = &header.metadata;
    let name = architecture(metadata)?;
    check_kind(header)?;
    keys::check(metadata, name)?;
    let key = |rest: &str| format!("{name}.{rest}");
    let count = |rest: &str| needed(metadata.count(&key(rest))?, &key(rest));
    let hidden_size = count("embedding_length")?;
    let heads = count("attention.head_count")?;
    let head_dim = head_dim(metadata, name, hidden_size / heads.max(1))?;
    let eps = key("attention.layer_norm_rms_epsilon");
    let embedding = header.tensors.get(EMBEDDING);
    let rows = embedding.and_then(|tensor| tensor.shape.first().copied());
    let token = |rest: &str| metadata.token(&format!("tokenizer.ggml.{rest}_token_id"));
    let class = ARCHITECTURES.iter().find(|(known, _)| *known == name);
    let mut config = json!({
        "model_type": name,
        "architectures": [class.map(|(_, class)| *class)],
        "hidden_act": "silu",
        "hidden_size": hidden_size,
        "intermediate_size": count("feed_forward_length")?,
        "num_hidden_layers": count("block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": metadata.count(&key("attention.head_count_kv"))?.unwrap_or(heads),
        "rms_norm_eps": needed(metadata.number(&eps)?, &eps)?,
        "rope_theta": metadata.number(&key("rope.freq_base"))?.unwrap_or(10_000.0),
        "max_position_embeddings": count("context_length")?,
        "vocab_size": rows.ok_or_else(|| format!("there is no tensor `{EMBEDDING}`"))?,
        "tie_word_embeddings": !header.tensors.contains_key(HEAD),
        "bos_token_id": token("bos")?,
        "eos_token_id": token("eos")?,
        "use_cache": true,
    });
    if name == "qwen3" || head_dim.checked_mul(heads) != Some(hidden_size) {
        config["head_dim"] = head_dim.into();
    }
    if name != "qwen2" && header.tensors.contains_key(BIAS) {
        config["attention_bias"] = true.into();
    }
    if let Some(scaling) = rope::scaling(header, name, head_dim)? {
        config["rope_scaling"] = scaling;
    }
    if let Some(dtype) = dtype(header) {
        config["torch_dtype"] = dtype.into();
    }
    match config {
        Json::Object(config) => Ok(config),
        _ => unreachable!("the literal above is an object"),
    }
}

/// The width of a head, of which all must turn; `default` is its share of the residual stream.
fn head_dim(metadata: &Metadata, name: &str, default: usize) -> Result<usize, String> {
    let key = |rest: &str| format!("{name}.{rest}");
    let head_dim = metadata.count(&key("attention.key_length"))?;
    let head_dim = head_dim.unwrap_or(default);
    for rest in ["attention.value_length", "rope.dimension_count"] {
        if let Some(width) = metadata.count(&key(rest))?
            && width != head_dim
        {
            return Err(format!(
                "`{}` is `{width}`, expected the width of a head, `{head_dim}`",
                key(rest)
            ));
        }
    }
    if metadata.switch(&key("attention.causal"))? == Some(false) {
        return Err(format!(
            "`{}` is `false`: the model is an encoder",
            key("attention.causal")
        ));
    }
    Ok(head_dim)
}

/// Refuses what is no whole language model.
fn check_kind(header: &Header) -> Result<(), String> {
    let metadata = &header.metadata;
    if let Some(kind) = metadata.text("general.type")?
        && kind != "model"
    {
        return Err(format!("`general.type` is `{kind}`, expected `model`"));
    }
    if let Some(parts) = metadata.count("split.count")?
        && parts > 1
    {
        return Err(format!(
            "it is one of {parts} parts; join them with `llama-gguf-split --merge` of llama.cpp"
        ));
    }
    // Files without blocks need no version of them.
    let version = metadata.count("general.quantization_version")?;
    let is_plain = header.tensors.values().all(|one| one.kind.is_plain());
    match version {
        Some(2) | None => Ok(()),
        Some(_) if is_plain => Ok(()),
        Some(version) => Err(format!(
            "`general.quantization_version` is `{version}`, expected `2`; quantise the model again"
        )),
    }
}

/// The type of the weights before they were written: norms always have 32 bits. Of quantised weights it is
/// not known.
fn dtype(header: &Header) -> Option<&'static str> {
    let mut names = header.tensors.values().map(|tensor| tensor.kind.name);
    let has_only = |known: &[&str]| names.clone().all(|name| known.contains(&name));
    if has_only(&["F32"]) {
        return Some("float32");
    }
    if has_only(&["F32", "BF16"]) {
        return Some("bfloat16");
    }
    names
        .all(|name| ["F32", "F16"].contains(&name))
        .then_some("float16")
}
