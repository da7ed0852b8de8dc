//! GGUF, the format of llama.cpp and Ollama: weights, configuration, tokenizer and chat template in one file.
//!
//! The weights are dequantised when they are read. Everything else becomes the small files of a folder in
//! the Hugging Face layout, in memory, so that no other module distinguishes the two.
//!
//! No crate does this: `candle-core`, which is well kept, is a second tensor library, and those that only read
//! headers have few users, and trust lengths that a file states.

mod config;
mod header;
mod keys;
mod kind;
mod names;
mod pre_tokenizer;
mod rope;
mod super_block;
mod tokenizer;
mod value;
mod weights;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    ops::Range,
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use serde_json::{Map, Value as Json};

use super::{
    config::DecoderConfig,
    error::ModelError,
    files::SmallFiles,
    weights::{forget, map},
};

pub(super) use weights::Weights;

use header::Header;

/// The ending of a file's name.
const ENDING: &str = "gguf";

/// Whether a path is that of a GGUF file, by its name.
pub fn is_gguf(path: &Path) -> bool {
    let ending = path.extension().and_then(OsStr::to_str);
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case(ENDING)) && path.is_file()
}

/// An open file.
#[derive(Debug)]
pub(super) struct GgufFile {
    path: PathBuf,
    map: Mmap,
    header: Header,
    architecture: &'static str,
    config: Map<String, Json>,
}

impl GgufFile {
    /// Opens a file and checks its header.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let map = map(path).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        let read = || {
            let header = header::read(&map)?;
            let architecture = config::architecture(&header.metadata)?;
            let config = config::read(&header)?;
            Ok((header, architecture, config))
        };
        match read() {
            Ok((header, architecture, config)) => Ok(Self {
                path: path.to_owned(),
                map,
                header,
                architecture,
                config,
            }),
            Err(problem) => Err(ModelError::Weights {
                path: path.to_owned(),
                problem,
            }),
        }
    }

    /// The path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The shape of the decoder.
    pub(super) fn config(&self) -> Result<DecoderConfig, ModelError> {
        DecoderConfig::from_json(self.config.clone())
            .map_err(|problem| self.problem(format!("as a `config.json` it is refused: {problem}")))
    }

    /// The files that a folder with the same model has.
    pub(super) fn small_files(&self) -> Result<SmallFiles, ModelError> {
        let files = tokenizer::read(&self.header.metadata);
        let files = files.map_err(|problem| self.problem(problem))?;
        let bytes = files
            .into_iter()
            .map(|(name, file)| (name, file.to_string().into_bytes()));
        Ok(SmallFiles::made(
            &self.path,
            bytes.collect::<BTreeMap<_, _>>(),
        ))
    }

    /// The weights of a decoder of this shape.
    pub(super) fn weights(&self, config: &DecoderConfig) -> Weights<'_> {
        Weights::new(self, config.clone())
    }

    fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Releases the memory of a part of the file.
    fn forget(&self, range: &Range<usize>) {
        forget(&self.map, range.clone());
    }

    fn problem(&self, problem: String) -> ModelError {
        ModelError::Weights {
            path: self.path.clone(),
            problem,
        }
    }
}
