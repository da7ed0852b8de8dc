//! Reading tensors from mapped files.

use std::{
    collections::BTreeMap,
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Tensor};
use memmap2::{Mmap, UncheckedAdvice};
use safetensors::{Dtype as FileType, SafeTensorError, SafeTensors, tensor::TensorView};
use serde_json::{Map, Value};

use crate::model::{error::ModelError, parameter::Layout};

use super::{convert::convert, folder};

/// The tensors of one or several files, mapped into memory.
pub(in crate::model) struct Archive {
    path: PathBuf,
    files: Vec<(PathBuf, Mmap)>,
    /// The file of each tensor, by its index.
    places: BTreeMap<String, usize>,
}

impl Archive {
    /// The weights of a Hugging Face folder, in one file or in several with an index.
    pub(in crate::model) fn open_folder(folder: &Path) -> Result<Self, ModelError> {
        let paths = folder::files(folder)?;
        let path = match paths.as_slice() {
            [only] => only.clone(),
            _ => folder.to_owned(),
        };
        Self::open(path, paths)
    }

    /// The tensors of one file.
    pub(in crate::model) fn open_file(path: &Path) -> Result<Self, ModelError> {
        Self::open(path.to_owned(), vec![path.to_owned()])
    }

    fn open(path: PathBuf, paths: Vec<PathBuf>) -> Result<Self, ModelError> {
        let mut files: Vec<(PathBuf, Mmap)> = Vec::with_capacity(paths.len());
        let mut places = BTreeMap::new();
        for path in paths {
            let map = map(&path).map_err(|source| ModelError::Read {
                path: path.clone(),
                source,
            })?;
            let tensors =
                SafeTensors::deserialize(&map).map_err(|source| broken(&path, &map, source))?;
            for name in tensors.names() {
                if let Some(other) = places.insert(name.to_owned(), files.len()) {
                    let (first, _) = &files[other];
                    return Err(ModelError::Weights {
                        problem: format!("tensor `{name}` is in `{}` too", first.display()),
                        path,
                    });
                }
            }
            files.push((path, map));
        }
        Ok(Self {
            path,
            files,
            places,
        })
    }

    /// The file or folder.
    pub(in crate::model) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all tensors, sorted.
    pub(in crate::model) fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }

    /// A tensor and its file.
    pub(in crate::model) fn find(&self, name: &str) -> Option<(&Path, TensorView<'_>)> {
        let (path, map) = &self.files[*self.places.get(name)?];
        let tensors = SafeTensors::deserialize(map).ok()?;
        Some((path, tensors.tensor(name).ok()?))
    }

    /// Reads a tensor and converts it to its layout and type in memory.
    pub(in crate::model) fn read(
        &self,
        name: &str,
        layout: Layout,
        dims: [usize; 2],
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor<2>, ModelError> {
        let expected = layout.shape_in_file(dims);
        let Some((file, view)) = self.find(name) else {
            let (path, name) = (self.path.clone(), name.to_owned());
            return Err(ModelError::MissingTensor {
                path,
                name,
                expected,
            });
        };
        if view.shape() != expected {
            return Err(ModelError::Shape {
                path: file.to_owned(),
                name: name.to_owned(),
                expected,
                found: view.shape().to_vec(),
            });
        }
        let Some(from) = in_memory(view.dtype()) else {
            return Err(wrong_type(file, name, view.dtype()));
        };
        let data = convert(view.data(), from, dtype, layout, dims);
        self.forget(name, view.data());
        Ok(Tensor::from_data(data, (device, dtype)))
    }

    /// Releases the memory of a part of a file that has been read; otherwise the file would stay in
    /// memory in addition to the weights.
    fn forget(&self, name: &str, part: &[u8]) {
        let Some(place) = self.places.get(name) else {
            return;
        };
        let map = &self.files[*place].1;
        let offset = part.as_ptr() as usize - map.as_ptr() as usize;
        forget(map, offset..offset + part.len());
    }
}

/// Releases the memory of a part of a file that has been read.
#[expect(unsafe_code, reason = "the advice is unsafe for other kinds of maps")]
pub(in crate::model) fn forget(map: &Mmap, part: Range<usize>) {
    // SAFETY: the map is of a file and is never written to, so that a later access reads its
    // pages from the file again.
    let advised =
        unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, part.start, part.len()) };
    if let Err(error) = advised {
        tracing::debug!(%error, "the system keeps a file in memory");
    }
}

pub(super) fn wrong_type(path: &Path, name: &str, found: FileType) -> ModelError {
    ModelError::TensorType {
        path: path.to_owned(),
        name: name.to_owned(),
        found: found.to_string(),
    }
}

/// The type in memory of a type in a file; none if weights cannot have it.
pub(super) fn in_memory(dtype: FileType) -> Option<DType> {
    match dtype {
        FileType::F32 => Some(DType::F32),
        FileType::F16 => Some(DType::F16),
        FileType::BF16 => Some(DType::BF16),
        _ => None,
    }
}

/// Why the bytes of a file are not tensors.
fn broken(path: &Path, bytes: &[u8], source: SafeTensorError) -> ModelError {
    let path = path.to_owned();
    if let Some(problem) = folder::disguised(bytes) {
        let problem = problem.to_owned();
        return ModelError::Weights { path, problem };
    }
    cut_off(&path, bytes).unwrap_or(ModelError::Tensors { path, source })
}

/// The first tensor whose end is missing, if the file is shorter than its header says.
fn cut_off(path: &Path, bytes: &[u8]) -> Option<ModelError> {
    /// The longest header that the library reads.
    const LONGEST: usize = 100_000_000;
    let in_header = || ModelError::Weights {
        path: path.to_owned(),
        problem: format!(
            "it is cut off within its header, after {} bytes",
            bytes.len()
        ),
    };
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Some(in_header());
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let Some(header) = rest.get(..length) else {
        return (length <= LONGEST).then(in_header);
    };
    let header: Map<String, Value> = serde_json::from_slice(header).ok()?;
    let found = rest.len() - length;
    let ends = header.into_iter().filter_map(|(name, entry)| {
        let end = entry.get("data_offsets")?.get(1)?.as_u64()?;
        Some((usize::try_from(end).ok()?, name))
    });
    let (expected, name) = ends.filter(|(end, _)| *end > found).min()?;
    let before = 8 + length;
    Some(ModelError::CutOff {
        path: path.to_owned(),
        name,
        // A header may say anything.
        expected: before.saturating_add(expected),
        found: before + found,
    })
}

#[expect(
    unsafe_code,
    reason = "mapping a file is unsafe; reading it instead costs a copy"
)]
pub(in crate::model) fn map(path: &Path) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: this program and the safetensors library write files of weights under another name
    // and rename them, so that mapped bytes do not change. Editing a file in place while it is read
    // can crash the program.
    unsafe { Mmap::map(&file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_may_promise_more_bytes_than_there_are_numbers() {
        let header = format!(
            r#"{{"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,{}]}}}}"#,
            u64::MAX
        );
        let bytes = [
            &(header.len() as u64).to_le_bytes(),
            header.as_bytes(),
            b"1234",
        ]
        .concat();

        let error = cut_off(Path::new("a"), &bytes).unwrap();

        assert!(
            matches!(
                error,
                ModelError::CutOff {
                    expected: usize::MAX,
                    ..
                }
            ),
            "{error}"
        );
    }
}
