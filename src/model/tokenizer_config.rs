//! Where `tokenizer_config.json` says something about tokens that `tokenizer.json` does not say.
//!
//! This program reads `tokenizer.json` alone. transformers 5 takes from it, too, what begins and ends a
//! raw text, but adds the special tokens that only the other files have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    error::ModelError,
    files::SmallFiles,
    tokenizer::{TAGS, Tokenizer},
};

const CONFIG: &str = "tokenizer_config.json";
const SPECIAL: &str = "special_tokens_map.json";

/// The tokens with their numbers and properties, as slow tokenizers of transformers have them.
const ADDED: &str = "added_tokens_decoder";

/// Whether names of special tokens in a text are read as any other text.
const SPLIT: &str = "split_special_tokens";

/// What may begin and end a raw text: the switch, the token, and what the token does.
const ENDS: [(&str, &str, &str); 2] = [
    ("add_bos_token", "bos_token", "begins"),
    ("add_eos_token", "eos_token", "ends"),
];

/// The warnings about the files of a model.
pub(super) fn disagreements(
    tokenizer: &Tokenizer,
    files: &SmallFiles,
) -> Result<Vec<String>, ModelError> {
    let config = files.object(CONFIG)?;
    // As in transformers 5: the older file counts where the newer one does not list the tokens.
    let older = if config.contains_key(ADDED) {
        Map::new()
    } else {
        files.object(SPECIAL)?
    };
    let mut warnings = ends(tokenizer, &config, &older)?;
    warnings.extend(tokens(tokenizer, &[&older, &config]));
    if config.get(SPLIT).and_then(Value::as_bool) == Some(true) {
        warnings.push(format!(
            "`{CONFIG}` says `{SPLIT}: true`, which is ignored: the name of a special token in a text becomes \
             that token"
        ));
    }
    Ok(warnings)
}

/// Switches that `tokenizer.json` contradicts.
fn ends(
    tokenizer: &Tokenizer,
    config: &Map<String, Value>,
    older: &Map<String, Value>,
) -> Result<Vec<String>, ModelError> {
    let found = tokenizer.around_raw_texts()?;
    let mut warnings = Vec::new();
    for ((switch, key, does), found) in ENDS.into_iter().zip(found) {
        let what = match config.get(switch).and_then(Value::as_bool) {
            Some(true) => {
                // As in transformers: without a name there is nothing to add.
                let Some(name) = [config, older]
                    .into_iter()
                    .find_map(|all| text(all.get(key)?))
                else {
                    continue;
                };
                if tokenizer.token(name).is_some_and(|token| found == [token]) {
                    continue;
                }
                format!("no `{name}` {does} a raw text")
            }
            Some(false) if !found.is_empty() => {
                let names = found.iter().map(|token| tokenizer.name(*token));
                format!("{} {does} a raw text", listed(names.collect()))
            }
            _ => continue,
        };
        let says = &config[switch];
        warnings.push(format!(
            "`{CONFIG}` says `{switch}: {says}`, but by `tokenizer.json` {what}; `tokenizer.json` decides, as \
             in transformers 5: change its `post_processor` if the model was trained otherwise"
        ));
    }
    Ok(warnings)
}

/// Tokens that `tokenizer.json` lacks, or does not call special.
fn tokens(tokenizer: &Tokenizer, objects: &[&Map<String, Value>]) -> Vec<String> {
    let known = tokenizer.added_tokens();
    let named = named(objects);
    let which = |test: &dyn Fn(&str, bool) -> bool| {
        let names = named.iter().filter(|(name, special)| test(name, **special));
        names.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let unknown = which(&|name, _| !known.contains_key(name));
    // Texts keep the tags of answers in any case.
    let plain = which(&|name, is_special| {
        is_special && known.get(name) == Some(&false) && !TAGS.contains(&name)
    });
    let mut warnings = Vec::new();
    if !unknown.is_empty() {
        warnings.push(format!(
            "`{CONFIG}` or `{SPECIAL}` has tokens that `tokenizer.json` does not add, so their names are read \
             as any other text: {}; let `save_pretrained` of transformers' `AutoTokenizer` write them into \
             `tokenizer.json`",
            listed(unknown)
        ));
    }
    if !plain.is_empty() {
        warnings.push(format!(
            "`{CONFIG}` or `{SPECIAL}` calls tokens special that `tokenizer.json` does not, so that \
             completions show them: {}",
            listed(plain)
        ));
    }
    warnings
}

/// The tokens that the files name, and whether they are special.
fn named(objects: &[&Map<String, Value>]) -> BTreeMap<String, bool> {
    let mut special = BTreeSet::new();
    let mut all = BTreeMap::new();
    for (key, value) in objects.iter().copied().flatten() {
        match key.as_str() {
            ADDED => {
                for token in value.as_object().into_iter().flat_map(Map::values) {
                    let is_special = token.get("special").and_then(Value::as_bool);
                    if let Some(name) = text(token) {
                        all.insert(name.to_owned(), is_special.unwrap_or(false));
                    }
                }
            }
            "additional_special_tokens" | "extra_special_tokens" => {
                let list = value.as_array().into_iter().flatten();
                let values = value.as_object().into_iter().flat_map(Map::values);
                special.extend(list.chain(values).filter_map(text));
            }
            key if key.ends_with("_token") => special.extend(text(value)),
            _ => {}
        }
    }
    all.extend(special.into_iter().map(|name| (name.to_owned(), true)));
    all.retain(|name, _| !name.is_empty());
    all
}

/// The name of a token, which may be an object.
fn text(token: &Value) -> Option<&str> {
    token
        .as_str()
        .or_else(|| token.get("content").and_then(Value::as_str))
}

/// The first names, and how many others there are.
fn listed(names: Vec<String>) -> String {
    const SHOWN: usize = 4;
    let others = names.len().saturating_sub(SHOWN);
    let names = names.into_iter().take(SHOWN);
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match others {
        0 => names.join(", "),
        others => format!("{} and {others} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::model::fixture;

    /// The warnings for the tokenizer of the fixture, perhaps with a token that begins and ends a text.
    fn warnings(adds: bool, config: &Value, special: &Value) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        fixture::write_tokenizer(&path);
        let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let token = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
        if adds {
            json["post_processor"] = json!({
                "type": "TemplateProcessing",
                "single": [token("<|endoftext|>"), {"Sequence": {"id": "A", "type_id": 0}},
                           token("<|im_end|>")],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {
                    "<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]},
                    "<|im_end|>": {"id": "<|im_end|>", "ids": [2], "tokens": ["<|im_end|>"]},
                },
            });
        }
        // A token that is not special.
        json["added_tokens"][1]["special"] = false.into();
        let tokenizer = Tokenizer::from_bytes(json.to_string().into_bytes(), path).unwrap();
        for (name, value) in [(CONFIG, config), (SPECIAL, special)] {
            fs::write(folder.path().join(name), value.to_string()).unwrap();
        }
        let files = SmallFiles::of_folder(folder.path());
        disagreements(&tokenizer, &files).unwrap().join("\n")
    }

    #[test]
    fn switches_that_the_post_processor_contradicts_are_named() {
        // Oracle: `AutoTokenizer` of transformers 5.23 with these two files, for models of type `llama` and
        // `qwen3`. `tokenizer("w4 w5")` is [4, 5] without a post-processor and [0, 4, 5] with one that adds
        // token 0, whether `add_bos_token` is true, false or missing.
        let of = |adds, config| warnings(adds, &config, &json!({}));
        let names = json!({"bos_token": "<|endoftext|>", "eos_token": {"content": "<|im_end|>"}});
        let with = |switch: &str, on: bool| {
            let mut config = names.clone();
            config[switch] = on.into();
            config
        };

        assert_eq!(of(true, names.clone()), "");
        assert_eq!(of(false, names.clone()), "");
        for switch in ["add_bos_token", "add_eos_token"] {
            assert_eq!(of(true, with(switch, true)), "");
            assert_eq!(of(false, with(switch, false)), "");
        }
        insta::assert_snapshot!(of(false, with("add_bos_token", true)), @"`tokenizer_config.json` says `add_bos_token: true`, but by `tokenizer.json` no `<|endoftext|>` begins a raw text; `tokenizer.json` decides, as in transformers 5: change its `post_processor` if the model was trained otherwise");
        insta::assert_snapshot!(of(true, with("add_bos_token", false)), @"`tokenizer_config.json` says `add_bos_token: false`, but by `tokenizer.json` `<|endoftext|>` begins a raw text; `tokenizer.json` decides, as in transformers 5: change its `post_processor` if the model was trained otherwise");
        insta::assert_snapshot!(of(false, with("add_eos_token", true)), @"`tokenizer_config.json` says `add_eos_token: true`, but by `tokenizer.json` no `<|im_end|>` ends a raw text; `tokenizer.json` decides, as in transformers 5: change its `post_processor` if the model was trained otherwise");
        insta::assert_snapshot!(of(true, with("add_eos_token", false)), @"`tokenizer_config.json` says `add_eos_token: false`, but by `tokenizer.json` `<|im_end|>` ends a raw text; `tokenizer.json` decides, as in transformers 5: change its `post_processor` if the model was trained otherwise");
        // Another token than the one that is named.
        let other = json!({"bos_token": "<|im_end|>", "add_bos_token": true});
        assert!(of(true, other).contains("no `<|im_end|>` begins"));
        // Nothing has a name that could be added.
        assert_eq!(
            of(false, json!({"add_bos_token": true, "bos_token": null})),
            ""
        );
        let older = json!({"bos_token": "<|endoftext|>"});
        let found = warnings(false, &json!({"add_bos_token": true}), &older);
        assert!(found.contains("no `<|endoftext|>` begins"), "{found}");
    }

    #[test]
    fn special_tokens_that_should_be_split_are_mentioned() {
        // Oracle: `AutoTokenizer` of transformers 5.23 for a model of type `llama`: "w4<|im_end|>w5" is
        // [4, 2, 5] without the key and with `false`, and [4, 3, 3, 3, 5] with `true`.
        let of = |config| warnings(false, &config, &json!({}));
        assert_eq!(of(json!({SPLIT: false})), "");
        insta::assert_snapshot!(of(json!({SPLIT: true})), @"`tokenizer_config.json` says `split_special_tokens: true`, which is ignored: the name of a special token in a text becomes that token");
    }

    #[test]
    fn tokens_that_only_the_other_files_have_are_named() {
        // Oracle: `AutoTokenizer` of transformers 5.23 for a model of type `llama`. It makes one token of
        // each of these names, 23 for those that the vocabulary lacks; this program splits them.
        let of = |config| warnings(false, &config, &json!({"unk_token": "<u>"}));
        let added = |name: &str| json!({"40": {"content": name, "special": true}});

        insta::assert_snapshot!(of(json!({"added_tokens_decoder": added("<x>")})), @"`tokenizer_config.json` or `special_tokens_map.json` has tokens that `tokenizer.json` does not add, so their names are read as any other text: `<x>`; let `save_pretrained` of transformers' `AutoTokenizer` write them into `tokenizer.json`");
        // Without `added_tokens_decoder`, the older file counts.
        for config in [
            json!({"bos_token": "<s>", "extra_special_tokens": ["<y>", "<|im_end|>"], "pad_token": "w9"}),
            json!({"bos_token": "<s>", "extra_special_tokens": {"image_token": "<y>"}, "pad_token": "w9"}),
            json!({"image_token": "<s>", "additional_special_tokens": ["<y>"], "pad_token": "w9"}),
        ] {
            let found = of(config);
            assert!(
                found.contains("text: `<s>`, `<u>`, `<y>`, `w9`;"),
                "{found}"
            );
        }
        let many = ["a", "b", "c", "d", "e", "f"];
        let found = of(json!({"extra_special_tokens": many}));
        assert!(
            found.contains(": `<u>`, `a`, `b`, `c` and 3 more;"),
            "{found}"
        );
        // transformers leaves this one out of decoded texts.
        insta::assert_snapshot!(of(json!({"added_tokens_decoder": added("<|im_start|>")})), @"`tokenizer_config.json` or `special_tokens_map.json` calls tokens special that `tokenizer.json` does not, so that completions show them: `<|im_start|>`");
        assert_eq!(
            of(json!({"added_tokens_decoder": added("<|im_end|>"), "eos_token": "<|im_end|>"})),
            ""
        );
    }
}
