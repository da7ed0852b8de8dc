//! Where a model is stored: in a folder of the Hugging Face layout, or in a GGUF file.

use std::path::{Path, PathBuf};

use super::{
    config::DecoderConfig,
    error::ModelError,
    files::SmallFiles,
    gguf::{GgufFile, is_gguf},
};

/// Whether the model at a path is read from a GGUF file.
pub fn is_stored_as_gguf(path: &Path) -> bool {
    is_gguf(path) || !files_of(path).is_empty()
}

/// An open model, of which nothing large has been read.
#[derive(Debug)]
pub(super) enum Stored {
    /// A folder in the Hugging Face layout.
    Folder(PathBuf),
    /// A GGUF file.
    Gguf(GgufFile),
}

impl Stored {
    /// Opens a folder, a GGUF file, or a folder with one GGUF file and no safetensors.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        if is_gguf(path) {
            return GgufFile::open(path).map(Self::Gguf);
        }
        match files_of(path).as_slice() {
            [] => Ok(Self::Folder(path.to_owned())),
            [only] => GgufFile::open(only).map(Self::Gguf),
            [first, ..] => Err(ModelError::Weights {
                path: path.to_owned(),
                problem: format!(
                    "there are several GGUF files; write the path of one of them, such as `{}`",
                    first.display()
                ),
            }),
        }
    }

    /// The shape of the decoder.
    pub(super) fn config(&self) -> Result<DecoderConfig, ModelError> {
        match self {
            Self::Folder(folder) => DecoderConfig::from_file(&folder.join("config.json")),
            Self::Gguf(file) => file.config(),
        }
    }

    /// The small files.
    pub(super) fn small_files(&self) -> Result<SmallFiles, ModelError> {
        match self {
            Self::Folder(folder) => Ok(SmallFiles::of_folder(folder)),
            Self::Gguf(file) => file.small_files(),
        }
    }
}

/// The shape of the model at a path, which is a folder or a GGUF file.
pub fn config_of_model(path: &Path) -> Result<DecoderConfig, ModelError> {
    Stored::open(path)?.config()
}

/// Whether a path may be that of a model: a folder, or a GGUF file.
pub fn is_model(path: &Path) -> bool {
    path.is_dir() || is_gguf(path)
}

/// The GGUF files of a folder, sorted, if it has no other weights that this program reads.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    // A folder that cannot be read has no `config.json` either, which is what the error then says.
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if path
            .extension()
            .is_some_and(|ending| ending == "safetensors")
        {
            return Vec::new();
        }
        if is_gguf(&path) {
            files.push(path);
        }
    }
    files.sort();
    files
}
