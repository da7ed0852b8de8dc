//! Text to tokens and back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::error::ModelError;

/// A tokenizer in the format of the Hugging Face `tokenizers` library.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The bytes of `tokenizer.json`, which are written back unchanged.
    source: Vec<u8>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let source = fs::read(path).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(source, path.to_owned())
    }

    /// Reads the bytes of a `tokenizer.json`; errors name it `path`.
    pub fn from_bytes(source: Vec<u8>, path: PathBuf) -> Result<Self, ModelError> {
        let mut inner =
            tokenizers::Tokenizer::from_bytes(&source).map_err(|error| ModelError::Tokenizer {
                path,
                problem: error.to_string(),
            })?;
        // This program limits lengths itself; a tokenizer would truncate silently.
        inner
            .with_truncation(None)
            .map_err(|error| ModelError::Tokenize(error.to_string()))?
            .with_padding(None);
        Ok(Self { inner, source })
    }

    /// The tokens of a text. Names of special tokens become these tokens, and none is added.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|error| ModelError::Tokenize(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of some tokens, without special tokens.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, ModelError> {
        self.inner
            .decode(tokens, true)
            .map_err(|error| ModelError::Tokenize(error.to_string()))
    }

    /// The token with a name such as `<|im_end|>`, if there is one.
    pub fn token(&self, name: &str) -> Option<u32> {
        self.inner.token_to_id(name)
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

#[cfg(test)]
mod tests {
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
    fn a_damaged_file_is_named() {
        let error = Tokenizer::from_bytes(b"{}".to_vec(), "a.json".into()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot understand the tokenizer `a.json`: ")
        );
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
