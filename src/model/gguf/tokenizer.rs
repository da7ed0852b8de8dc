//! From the metadata to the files of the same tokenizer in a folder: `tokenizer.json`, and what is next to it.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{
    pre_tokenizer,
    value::{Metadata, needed},
};

/// What a token is, as `tokenizer.ggml.token_type` has it.
mod token_type {
    pub(super) const UNKNOWN: u64 = 2;
    /// Special: left out of decoded texts.
    pub(super) const CONTROL: u64 = 3;
    /// Added, and part of texts.
    pub(super) const USER_DEFINED: u64 = 4;
    /// A row of the embedding without a token.
    pub(super) const UNUSED: u64 = 5;
}

/// Tokens that end a turn or a text wherever they are special, as in llama.cpp: files name only one end, and
/// the `generation_config.json` of such models several.
const ENDS: [&str; 8] = [
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<EOT>",
];

/// The kind of tokenizer that is read.
const BYTE_LEVEL: &str = "gpt2";

/// The files, by their names.
pub(super) fn read(metadata: &Metadata) -> Result<Vec<(&'static str, Json)>, String> {
    let key = |rest: &str| format!("tokenizer.ggml.{rest}");
    let model = needed(metadata.text(&key("model"))?, &key("model"))?;
    if model != BYTE_LEVEL {
        return Err(format!(
            "`{}` is `{model}`, which is not supported, expected `{BYTE_LEVEL}`, byte-level byte-pair encoding; a \
             folder with the model's `tokenizer.json` works",
            key("model")
        ));
    }
    let tokens = Tokens::read(metadata)?;
    let splitting = pre_tokenizer::find(metadata.text(&key("pre"))?.unwrap_or("default"))?;
    let named = |rest: &str| tokens.named(metadata, rest);
    let (bos, eos) = (named("bos")?, named("eos")?);
    let adds = |rest: &str, default: bool| -> Result<bool, String> {
        Ok(metadata.switch(&key(rest))?.unwrap_or(default))
    };
    let is_begun = adds("add_bos_token", splitting.adds_bos)?;
    let begins = bos.filter(|_| is_begun);
    let is_ended = adds("add_eos_token", false)?;
    let ends = eos.filter(|_| is_ended);
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
                            "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": tokens.added(),
        "normalizer": splitting.normalizer,
        "pre_tokenizer": splitting.pre_tokenizer,
        "post_processor": around(&tokens, begins, ends),
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": splitting.ignores_merges,
            "vocab": tokens.vocabulary()?, "merges": merges(metadata)?,
        },
    });
    Ok(vec![
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", beside(metadata, &tokens)?.into()),
        (
            "generation_config.json",
            json!({"eos_token_id": stops(metadata, &tokens)?}),
        ),
    ])
}

/// What `tokenizer_config.json` has: the names of special tokens, and the chat template.
fn beside(metadata: &Metadata, tokens: &Tokens<'_>) -> Result<Map<String, Json>, String> {
    let mut beside = Map::new();
    beside.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
    beside.insert("clean_up_tokenization_spaces".into(), false.into());
    for (rest, name) in [
        ("bos", "bos"),
        ("eos", "eos"),
        ("padding", "pad"),
        ("unknown", "unk"),
    ] {
        if let Some(token) = tokens.named(metadata, rest)? {
            beside.insert(format!("{name}_token"), token.into());
        }
    }
    if let Some(template) = metadata.text("tokenizer.chat_template")? {
        beside.insert("chat_template".into(), template.into());
    }
    Ok(beside)
}

/// The tokens that end a completion: those that the file names, and special ones with known names.
fn stops(metadata: &Metadata, tokens: &Tokens<'_>) -> Result<Vec<u32>, String> {
    let mut stops: Vec<u32> = Vec::new();
    for rest in ["eos", "eot", "eom"] {
        tokens.named(metadata, rest)?;
        stops.extend(metadata.token(&format!("tokenizer.ggml.{rest}_token_id"))?);
    }
    stops.extend(tokens.ends());
    let mut kept = Vec::new();
    for stop in stops {
        if !kept.contains(&stop) {
            kept.push(stop);
        }
    }
    Ok(kept)
}

/// The tokens with their types.
struct Tokens<'a> {
    names: Vec<&'a str>,
    types: Vec<u64>,
}

impl<'a> Tokens<'a> {
    fn read(metadata: &'a Metadata) -> Result<Self, String> {
        const TOKENS: &str = "tokenizer.ggml.tokens";
        const TYPES: &str = "tokenizer.ggml.token_type";
        const NORMAL: u64 = 1;
        let names = needed(metadata.texts(TOKENS)?, TOKENS)?;
        let types = match metadata.wholes(TYPES)? {
            Some(types) => types,
            None => vec![NORMAL; names.len()],
        };
        if types.len() != names.len() {
            return Err(format!(
                "`{TYPES}` has {} elements, expected {}, one for each token",
                types.len(),
                names.len()
            ));
        }
        Ok(Self { names, types })
    }

    fn each(&self) -> impl Iterator<Item = (usize, &'a str, u64)> {
        let types = self.types.iter().copied();
        let all = self.names.iter().copied().zip(types).enumerate();
        all.map(|(id, (name, kind))| (id, name, kind))
    }

    /// The name of the token whose number a key has, if the key is there.
    fn named(&self, metadata: &Metadata, rest: &str) -> Result<Option<&'a str>, String> {
        let key = format!("tokenizer.ggml.{rest}_token_id");
        let Some(id) = metadata.token(&key)? else {
            return Ok(None);
        };
        let name = self.names.get(id as usize).copied();
        let problem = || {
            format!(
                "`{key}` is `{id}`, but there are {} tokens",
                self.names.len()
            )
        };
        name.map(Some).ok_or_else(problem)
    }

    /// The numbers of all tokens, by their names.
    fn vocabulary(&self) -> Result<BTreeMap<&'a str, usize>, String> {
        let mut vocabulary = BTreeMap::new();
        for (id, name, kind) in self.each() {
            if kind == token_type::UNUSED {
                continue;
            }
            if let Some(other) = vocabulary.insert(name, id) {
                return Err(format!(
                    "the tokens {other} and {id} have the same name, `{name}`"
                ));
            }
        }
        Ok(vocabulary)
    }

    /// The tokens that texts may contain literally.
    fn added(&self) -> Vec<Json> {
        let added = self.each().filter_map(|(id, name, kind)| {
            let special = match kind {
                token_type::UNKNOWN | token_type::CONTROL => true,
                token_type::USER_DEFINED => false,
                _ => return None,
            };
            Some(
                json!({"id": id, "content": name, "single_word": false, "lstrip": false,
                        "rstrip": false, "normalized": false, "special": special}),
            )
        });
        added.collect()
    }

    /// The special tokens that end a turn or a text.
    fn ends(&self) -> impl Iterator<Item = u32> {
        let ends = self
            .each()
            .filter(|(_, name, kind)| *kind == token_type::CONTROL && ENDS.contains(name));
        ends.filter_map(|(id, ..)| u32::try_from(id).ok())
    }
}

/// The pairs of tokens that become one, the first ones first.
fn merges(metadata: &Metadata) -> Result<Vec<[&str; 2]>, String> {
    const KEY: &str = "tokenizer.ggml.merges";
    let merges = needed(metadata.texts(KEY)?, KEY)?;
    let pairs = merges.into_iter().map(|merge| match merge.split_once(' ') {
        Some((one, two)) if !one.is_empty() && !two.is_empty() => Ok([one, two]),
        _ => Err(format!(
            "`{KEY}` has `{merge}`, expected two tokens with a space between them"
        )),
    });
    pairs.collect()
}

/// What begins and ends a raw text.
fn around(tokens: &Tokens<'_>, begins: Option<&str>, ends: Option<&str>) -> Json {
    if begins.is_none() && ends.is_none() {
        return Json::Null;
    }
    let special = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let text = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
    let mut known = Map::new();
    for name in begins.into_iter().chain(ends) {
        let id = tokens.names.iter().position(|token| *token == name);
        known.insert(
            name.to_owned(),
            json!({"id": name, "ids": [id], "tokens": [name]}),
        );
    }
    let all = |names: &[&str]| -> Vec<Json> {
        let begin = begins.map(special);
        let texts = names.iter().map(|name| text(name));
        begin
            .into_iter()
            .chain(texts)
            .chain(ends.map(special))
            .collect()
    };
    json!({"type": "TemplateProcessing", "single": all(&["A"]), "pair": all(&["A", "B"]),
           "special_tokens": known})
}
