//! Text to tokens and back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::ModelError;

/// A tokenizer in the format of the Hugging Face `tokenizers` library.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The bytes of `tokenizer.json`: they are written as they were read.
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
        // Lengths are ours to limit: a file that truncates would do so unseen.
        inner
            .with_truncation(None)
            .map_err(|error| ModelError::Tokenize(error.to_string()))?
            .with_padding(None);
        Ok(Self { inner, source })
    }

    /// The tokens of a text; names of special tokens become these, and none is added.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|error| ModelError::Tokenize(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of some tokens, without the special ones.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, ModelError> {
        self.inner
            .decode(tokens, true)
            .map_err(|error| ModelError::Tokenize(error.to_string()))
    }

    /// The token of a name such as `<|im_end|>`, if there is one.
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
