//! Text to tokens and back.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use tokenizers::ModelWrapper;

use super::{error::ModelError, files::SmallFiles};

/// The longest token of a Unigram model, in bytes; those of real ones are ten times shorter.
const LONGEST_TOKEN: usize = 2_000;

/// A tokenizer in the format of the Hugging Face `tokenizers` library.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The bytes of `tokenizer.json`, which are written back unchanged.
    source: Vec<u8>,
    /// Tokens that decoding leaves out; none if they are those that the library leaves out.
    skipped: Option<BTreeSet<u32>>,
}

/// The file of a tokenizer.
const FILE: &str = "tokenizer.json";

/// Files that older tokenizers consist of.
const OLDER: [&str; 4] = [
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
];

/// What this program takes for the end of the thinking and for the answer, and their starts. A token
/// with such a name stays in decoded texts even if the tokenizer calls it special.
pub(super) const TAGS: [&str; 4] = ["<think>", "</think>", "<answer>", "</answer>"];

impl Tokenizer {
    /// Reads the `tokenizer.json` of a model.
    pub(super) fn from_model(files: &SmallFiles) -> Result<Self, ModelError> {
        let path = files.path(FILE);
        if let Some(bytes) = files.bytes(FILE)? {
            return Self::from_bytes(bytes, path);
        }
        match OLDER.into_iter().find(|name| files.has(name)) {
            Some(older) => Err(ModelError::Tokenizer {
                problem: format!(
                    "there is only `{older}`; convert it, for example with `save_pretrained` of \
                     transformers' `AutoTokenizer`"
                ),
                path,
            }),
            _ => Self::from_file(&path),
        }
    }

    /// Reads a `tokenizer.json`.
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let source = fs::read(path).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(source, path.to_owned())
    }

    /// Whether each text has the same number in both.
    pub fn has_tokens_of(&self, other: &Self) -> bool {
        self.source == other.source || self.inner.get_vocab(true) == other.inner.get_vocab(true)
    }

    /// Reads the bytes of a `tokenizer.json`; errors name it `path`.
    pub fn from_bytes(source: Vec<u8>, path: PathBuf) -> Result<Self, ModelError> {
        if let Some(bytes) = overlong_token(&source) {
            let problem = format!("a token has {bytes} bytes, expected at most {LONGEST_TOKEN}");
            return Err(ModelError::Tokenizer { path, problem });
        }
        let mut inner = match guarded(|| tokenizers::Tokenizer::from_bytes(&source)) {
            Ok(inner) => inner,
            Err(problem) => return Err(ModelError::Tokenizer { path, problem }),
        };
        // This program limits lengths itself; a tokenizer would truncate silently.
        inner
            .with_truncation(None)
            .map_err(|error| ModelError::Tokenize(error.to_string()))?
            .with_padding(None);
        if let Some(dropout) = clear_dropout(&mut inner) {
            tracing::warn!(
                "`dropout` of `{}` is `{dropout}` and is ignored: with it, a text would have other tokens each \
                 time",
                path.display()
            );
        }
        let mut tokenizer = Self {
            inner,
            source,
            skipped: None,
        };
        tokenizer.keep_tags().map_err(|error| {
            let problem = error.to_string();
            ModelError::Tokenizer { path, problem }
        })?;
        Ok(tokenizer)
    }

    /// The tokens of a text. Names of special tokens become these tokens, and none is added.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.encoding(text, false)
    }

    /// The tokens of a prompt. A raw text, which no chat template made, has those that the tokenizer
    /// adds: for many models the token that begins a text.
    ///
    /// As in transformers: the tokens of a raw text are those of `tokenizer(text)`, for which the
    /// post-processor of `tokenizer.json` decides; a conversation has all its tokens from its template, as
    /// with `apply_chat_template`. `ChatML` is a template too, and has no token that begins a text.
    pub fn encode_prompt(&self, text: &str, is_raw: bool) -> Result<Vec<u32>, ModelError> {
        self.encoding(text, is_raw)
    }

    fn encoding(&self, text: &str, adds_special: bool) -> Result<Vec<u32>, ModelError> {
        let encoding =
            guarded(|| self.inner.encode_fast(text, adds_special)).map_err(ModelError::Tokenize)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of some tokens, without special tokens, except those of the tags that answers have.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, ModelError> {
        let text = match &self.skipped {
            None => guarded(|| self.inner.decode(tokens, true)),
            Some(skipped) => {
                let kept = tokens.iter().filter(|token| !skipped.contains(*token));
                let kept: Vec<u32> = kept.copied().collect();
                guarded(|| self.inner.decode(&kept, false))
            }
        };
        text.map_err(ModelError::Tokenize)
    }

    /// Finds the special tokens that are tags of answers, or parts of them: without them in the text,
    /// nothing that reads an answer would find its parts.
    fn keep_tags(&mut self) -> Result<(), ModelError> {
        let added = self.inner.get_added_tokens_decoder();
        let special = added.iter().filter(|(_, token)| token.special);
        let mut special: BTreeMap<u32, &str> = special
            .map(|(id, token)| (*id, token.content.as_str()))
            .collect();
        let all = special.len();
        for tag in TAGS {
            let tokens = self.encode(tag)?;
            // A token for what the vocabulary lacks is special too, but no part of the tag.
            special.retain(|id, name| !(tokens.contains(id) && tag.contains(*name)));
        }
        if special.len() < all {
            self.skipped = Some(special.into_keys().collect());
        }
        Ok(())
    }

    /// The token with a name such as `<|im_end|>`, if there is one.
    pub fn token(&self, name: &str) -> Option<u32> {
        self.inner.token_to_id(name)
    }

    /// The name of a token; its number if it has none.
    pub(super) fn name(&self, token: u32) -> String {
        let name = self.inner.id_to_token(token);
        name.unwrap_or_else(|| token.to_string())
    }

    /// The names of the tokens that texts may contain literally, and whether each is special.
    pub(super) fn added_tokens(&self) -> BTreeMap<String, bool> {
        let added = self.inner.get_added_tokens_decoder().into_values();
        added.map(|token| (token.content, token.special)).collect()
    }

    /// The tokens that begin a raw text, and those that end it: see [`Self::encode_prompt`].
    pub(super) fn around_raw_texts(&self) -> Result<[Vec<u32>; 2], ModelError> {
        // A token that no tokenizer has takes the place of the text.
        const TEXT: u32 = u32::MAX;
        let text = tokenizers::Token::new(TEXT, "a".to_owned(), (0, 1));
        let text = tokenizers::Encoding::from_tokens(vec![text], 0);
        let whole = guarded(|| self.inner.post_process(text, None, true));
        let whole = whole.map_err(ModelError::Tokenize)?;
        let mut parts = whole.get_ids().split(|token| *token == TEXT);
        let mut part = || parts.next().unwrap_or_default().to_vec();
        Ok([part(), part()])
    }

    /// One more than the largest token.
    pub fn vocab_size(&self) -> usize {
        let largest = self.inner.get_vocab(true).into_values().max();
        largest.map_or(0, |token| token as usize + 1)
    }

    /// The bytes of `tokenizer.json`.
    pub(super) fn source(&self) -> &[u8] {
        &self.source
    }
}

/// Turns off the random omission of merges (arXiv 1910.13267), which is meant for training;
/// returns its probability.
fn clear_dropout(inner: &mut tokenizers::Tokenizer) -> Option<f32> {
    let ModelWrapper::BPE(model) = inner.get_model() else {
        return None;
    };
    let dropout = model.dropout.filter(|dropout| *dropout > 0.0)?;
    let mut model = model.clone();
    model.dropout = None;
    inner.with_model(model);
    Some(dropout)
}

/// The library's answer. It panics on some damaged files, and on texts that such a file does not provide for.
fn guarded<T, E: Display>(ask: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(text.unwrap_or("its library panicked").to_owned())
        }
    }
}

/// The length of a text in a file with a Unigram model that is too long for a token.
///
/// The library keeps such tokens in a tree with a level for each byte, which it removes by recursion, also if the file
/// turns out to be damaged later on. So this looks at the bytes and not at the parsed file.
fn overlong_token(source: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"Unigram";
    // A table of characters in base 64, which is no token.
    const TABLE: &[u8] = b"precompiled_charsmap";
    if !source.windows(NAME.len()).any(|part| part == NAME) {
        return None;
    }
    let (mut previous, mut rest): (&[u8], &[u8]) = (b"", source);
    while let Some(start) = rest.iter().position(|byte| *byte == b'"') {
        let text = &rest[start + 1..];
        let mut is_escaped = false;
        let end = text.iter().position(|byte| {
            let is_end = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            is_end
        });
        let length = end.unwrap_or(text.len());
        if length > LONGEST_TOKEN && previous != TABLE {
            return Some(length);
        }
        previous = &text[..length];
        rest = text.get(length + 1..).unwrap_or_default();
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::fixture;

    #[test]
    fn names_of_special_tokens_become_tokens_that_texts_omit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        fixture::write_tokenizer(&path);
        let tokenizer = Tokenizer::from_file(&path).unwrap();

        let tokens = tokenizer.encode("w4<|im_end|>w5 w6").unwrap();

        assert_eq!(tokens, [4, 2, 5, 6]);
        assert_eq!(tokenizer.decode(&tokens).unwrap(), "w4 w5 w6");
        assert_eq!(tokenizer.token("<|im_end|>"), Some(2));
        assert_eq!(tokenizer.vocab_size(), fixture::VOCABULARY);
    }

    #[test]
    fn a_token_that_is_as_long_as_a_book_is_refused() {
        let with = |token: &str| {
            let json = json!({"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
                "post_processor": null, "decoder": null, "truncation": null, "padding": null,
                "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
                          "vocab": [["a", 0.0], [token, -1.0]]}});
            Tokenizer::from_bytes(json.to_string().into_bytes(), "t.json".into())
        };

        assert_eq!(with("bc").unwrap().encode("bca").unwrap(), [1, 0]);
        // The library removes a tree with a level for each byte by recursion: this is beyond its stack.
        let error = with(&">".repeat(1_000_000)).unwrap_err();
        assert!(with(&"\\\"".repeat(400)).is_ok());
        assert!(error.to_string().contains("1000000 bytes"), "{error}");
    }

    /// The tokenizer of the fixture with another post-processor and further tokens.
    fn changed(post_processor: &Value, added: &[(&str, bool)]) -> Tokenizer {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        fixture::write_tokenizer(&path);
        let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        json["post_processor"] = post_processor.clone();
        for (name, special) in added {
            let tokens = json["added_tokens"].as_array_mut().unwrap();
            // Three tokens are special already.
            let id = fixture::VOCABULARY + tokens.len() - 3;
            tokens.push(
                json!({"id": id, "content": name, "single_word": false, "lstrip": false,
                               "rstrip": false, "normalized": false, "special": special}),
            );
        }
        Tokenizer::from_bytes(json.to_string().into_bytes(), path).unwrap()
    }

    #[test]
    fn raw_prompts_begin_as_the_post_processor_says_and_conversations_as_their_template() {
        // Oracle: `tokenizer(text)` and `apply_chat_template` of transformers; compared in tests/parity.
        let template = json!({
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0],
                                                 "tokens": ["<|endoftext|>"]}},
        });
        let tokenizer = changed(&template, &[]);

        assert_eq!(tokenizer.encode_prompt("w4 w5", true).unwrap(), [0, 4, 5]);
        assert_eq!(tokenizer.encode_prompt("w4 w5", false).unwrap(), [4, 5]);
        assert_eq!(tokenizer.encode("w4 w5").unwrap(), [4, 5]);
        let plain = changed(&Value::Null, &[]);
        assert_eq!(plain.encode_prompt("w4 w5", true).unwrap(), [4, 5]);
    }

    #[test]
    fn the_tokenizer_of_the_committed_tables_adds_nothing_to_raw_prompts() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/tiny/base/tokenizer.json");
        let tokenizer = Tokenizer::from_file(&path).unwrap();

        let text = "```python\nimport math\n";
        assert_eq!(
            tokenizer.encode_prompt(text, true).unwrap(),
            tokenizer.encode(text).unwrap()
        );
        assert_eq!(tokenizer.skipped, None);
    }

    #[test]
    fn tags_of_answers_stay_in_texts_although_they_are_special() {
        let whole = changed(&Value::Null, &[("</think>", true), ("<answer>", true)]);
        let part = changed(&Value::Null, &[("think", true), ("<|tool|>", true)]);
        let plain = changed(&Value::Null, &[("</think>", false), ("<|tool|>", true)]);
        let again = |tokenizer: &Tokenizer, text: &str| {
            let tokens = tokenizer.encode(text).unwrap();
            tokenizer.decode(&tokens).unwrap()
        };

        let text = "w4 </think> <answer> w5 <|im_end|>";
        assert_eq!(again(&whole, text), "w4 </think> <answer> w5");
        // `<` and `>` are unknown to the vocabulary.
        assert_eq!(again(&part, "w4 think w5 <|tool|>"), "w4 think w5");
        assert_eq!(again(&plain, "w4 </think> w5 <|tool|>"), "w4 </think> w5");
        assert_eq!(plain.skipped, None);
    }

    #[test]
    fn a_text_has_the_same_tokens_each_time_although_the_file_asks_for_dropout() {
        let read = |dropout: Value| {
            let json = json!({
                "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
                "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
                "model": {"type": "BPE", "dropout": dropout, "unk_token": null,
                          "vocab": {"a": 0, "b": 1, "ab": 2, "abab": 3},
                          "merges": [["a", "b"], ["ab", "ab"]]},
            });
            Tokenizer::from_bytes(json.to_string().into_bytes(), "a.json".into()).unwrap()
        };

        // Oracle: `Qwen2Tokenizer` of transformers 5.23, which drops nothing, and the merges by hand. Its
        // `TokenizersBackend` drops at random: [3], [2, 0, 1], [2, 2] and others with 0.5.
        for dropout in [json!(0.5), json!(1.0), json!(0.0), Value::Null] {
            let tokenizer = read(dropout);
            for _ in 0..50 {
                assert_eq!(tokenizer.encode("abab").unwrap(), [3]);
            }
        }
    }

    #[test]
    fn what_surrounds_a_raw_text_is_found() {
        let part = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
        let special = |id: &str, token: u32| json!({"id": id, "ids": [token], "tokens": [id]});
        let template = json!({
            "type": "TemplateProcessing",
            "single": [part("<|im_start|>"), part("<|endoftext|>"),
                       {"Sequence": {"id": "A", "type_id": 0}}, part("<|im_end|>")],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|endoftext|>": special("<|endoftext|>", 0),
                               "<|im_start|>": special("<|im_start|>", 1),
                               "<|im_end|>": special("<|im_end|>", 2)},
        });
        let around = |template| changed(&template, &[]).around_raw_texts().unwrap();

        assert_eq!(around(template), [vec![1, 0], vec![2]]);
        let nothing: [Vec<u32>; 2] = Default::default();
        assert_eq!(around(Value::Null), nothing);
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                           "use_regex": true});
        assert_eq!(around(bytes), nothing);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let error = Tokenizer::from_bytes(b"{}".to_vec(), "a.json".into()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot understand the tokenizer `a.json`: ")
        );

        // The library panics on this one.
        let damaged = br#"{"added_tokens":[],"decoder":{"type":"ByteLevel","#.to_vec();
        let error = Tokenizer::from_bytes(damaged, "a.json".into()).unwrap_err();
        assert!(error.to_string().contains("EOF"), "{error}");
    }
}

#[cfg(test)]
mod conformance {
    use std::io::Read as _;

    use super::*;

    #[test]
    #[ignore = "needs the conformance data: just conformance"]
    fn encodings_are_the_recorded_ones() {
        // Oracle: llama.cpp's recorded encodings, 46 of each vocabulary.
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
        let shared = std::env::var_os("RECODE_SHARED").map_or(beside, PathBuf::from);
        for name in ["qwen2.5", "deepseek-llm"] {
            let file = |end: &str| shared.join("data/tokenizers").join(format!("{name}.{end}"));
            let text = |path: PathBuf| {
                fs::read_to_string(&path).unwrap_or_else(|error| {
                    panic!(
                        "{} (set RECODE_SHARED to the data's folder): {error}",
                        path.display()
                    )
                })
            };
            let mut source = Vec::new();
            let packed = fs::File::open(file("tokenizer.json.gz")).expect("the conformance data");
            flate2::read::GzDecoder::new(packed)
                .read_to_end(&mut source)
                .unwrap();
            let tokenizer = Tokenizer::from_bytes(source, name.into()).unwrap();
            let inputs = text(file("inputs.txt"));
            let expected = text(file("ids.txt"));

            let inputs: Vec<&str> = inputs.split("\n__ggml_vocab_test__\n").collect();
            let mut equal = 0;
            for (input, line) in inputs.iter().zip(expected.lines()) {
                let ids: Vec<u32> = line
                    .split_whitespace()
                    .map(|id| id.parse().unwrap())
                    .collect();
                assert_eq!(tokenizer.encode(input).unwrap(), ids, "{name}: {input:?}");
                equal += 1;
            }
            assert_eq!(equal, 46, "{name}");
        }
    }
}
