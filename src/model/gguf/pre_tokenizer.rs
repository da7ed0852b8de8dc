//! How a tokenizer splits a text before it merges bytes: files have a name, this is what it means.
//!
//! Where llama.cpp approximates the tokenizer that a model was trained with, the parts are those of the model's
//! own `tokenizer.json`: Qwen2's normalises to NFC, for example.

use serde_json::{Value as Json, json};

/// How texts are split.
pub(super) struct Splitting {
    pub(super) normalizer: Json,
    pub(super) pre_tokenizer: Json,
    /// Whether a part that is a token is taken as it is, although merges would not make it.
    pub(super) ignores_merges: bool,
    /// Whether a raw text begins with a token where the file does not say so.
    pub(super) adds_bos: bool,
}

/// Llama 3's expression.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Qwen2's: single digits.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The expressions of llama.cpp for files that name no kind, one after the other.
const DEFAULT: [&str; 4] = [
    r"[\p{P}\$\+<=>\^~\|]+",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
    r"\p{N}+",
    r"[0-9][0-9][0-9]",
];

/// The names, as `tokenizer.ggml.pre` has them.
const NAMES: [&str; 9] = [
    "default",
    "deepseek-r1-qwen",
    "gpt-2",
    "gpt2",
    "llama-bpe",
    "llama-v3",
    "llama3",
    "qwen2",
    "smollm",
];

/// What a name means.
pub(super) fn find(name: &str) -> Result<Splitting, String> {
    let plain = |pre_tokenizer| Splitting {
        normalizer: Json::Null,
        pre_tokenizer,
        ignores_merges: false,
        adds_bos: false,
    };
    let bytes = |uses_regex: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
               "use_regex": uses_regex})
    };
    let split = |pattern: &str| {
        json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
               "invert": false})
    };
    let all = |parts: Vec<Json>| json!({"type": "Sequence", "pretokenizers": parts});
    match name {
        "gpt-2" | "gpt2" => Ok(plain(bytes(true))),
        "smollm" => {
            let digits = json!({"type": "Digits", "individual_digits": true});
            Ok(plain(all(vec![digits, bytes(true)])))
        }
        "qwen2" | "deepseek-r1-qwen" => Ok(Splitting {
            normalizer: json!({"type": "NFC"}),
            ..plain(all(vec![split(QWEN2), bytes(false)]))
        }),
        "llama-bpe" | "llama3" | "llama-v3" => Ok(Splitting {
            ignores_merges: true,
            adds_bos: true,
            ..plain(all(vec![split(LLAMA3), bytes(false)]))
        }),
        "default" => {
            let mut parts: Vec<Json> = DEFAULT.iter().map(|pattern| split(pattern)).collect();
            parts.push(bytes(false));
            Ok(plain(all(parts)))
        }
        other => Err(format!(
            "`tokenizer.ggml.pre` is `{other}`, which is not supported, expected one of {}; a folder with the \
             model's `tokenizer.json` works",
            NAMES.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_message_is_known() {
        for name in NAMES {
            assert!(find(name).is_ok(), "{name}");
        }
        let error = find("tekken").err().unwrap();
        insta::assert_snapshot!(error, @"`tokenizer.ggml.pre` is `tekken`, which is not supported, expected one of default, deepseek-r1-qwen, gpt-2, gpt2, llama-bpe, llama-v3, llama3, qwen2, smollm; a folder with the model's `tokenizer.json` works");
    }
}
