//! Reading tensors from mapped files.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Tensor};
use memmap2::{Mmap, UncheckedAdvice};
use safetensors::{Dtype as FileType, SafeTensors, tensor::TensorView};
use serde_json::{Map, Value};

use crate::model::{error::ModelError, parameter::Layout};

use super::convert::convert;

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
        let index = folder.join("model.safetensors.index.json");
        if !index.is_file() {
            return Self::open_file(&folder.join("model.safetensors"));
        }
        let bytes = std::fs::read(&index).map_err(|source| ModelError::Read {
            path: index.clone(),
            source,
        })?;
        let problem = |problem: String| ModelError::Json {
            path: index.clone(),
            problem,
        };
        let json: Value =
            serde_json::from_slice(&bytes).map_err(|error| problem(error.to_string()))?;
        let map = json
            .get("weight_map")
            .and_then(Value::as_object)
            .ok_or_else(|| problem("`weight_map` is missing".to_owned()))?;
        let mut shards: Vec<&str> = map.values().filter_map(Value::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        let paths = shards.into_iter().map(|shard| folder.join(shard));
        Self::open(folder.to_owned(), paths.collect())
    }

    /// The tensors of one file.
    pub(in crate::model) fn open_file(path: &Path) -> Result<Self, ModelError> {
        Self::open(path.to_owned(), vec![path.to_owned()])
    }

    fn open(path: PathBuf, paths: Vec<PathBuf>) -> Result<Self, ModelError> {
        let mut files = Vec::with_capacity(paths.len());
        let mut places = BTreeMap::new();
        for path in paths {
            let map = map(&path).map_err(|source| ModelError::Read {
                path: path.clone(),
                source,
            })?;
            let tensors = SafeTensors::deserialize(&map).map_err(|source| {
                let path = path.clone();
                cut_off(&path, &map).unwrap_or(ModelError::Tensors { path, source })
            })?;
            places.extend(
                tensors
                    .names()
                    .into_iter()
                    .map(|name| (name.to_owned(), files.len())),
            );
            files.push((path, map));
        }
        Ok(Self {
            path,
            files,
            places,
        })
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
    #[expect(unsafe_code, reason = "the advice is unsafe for other kinds of maps")]
    fn forget(&self, name: &str, part: &[u8]) {
        let Some(place) = self.places.get(name) else {
            return;
        };
        let map = &self.files[*place].1;
        let offset = part.as_ptr() as usize - map.as_ptr() as usize;
        // SAFETY: the map is of a file and is never written to, so that a later access reads its
        // pages from the file again.
        let advised =
            unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, part.len()) };
        if let Err(error) = advised {
            tracing::debug!(%error, "the system keeps a file in memory");
        }
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

/// The first tensor whose end is missing, if the file is shorter than its header says.
fn cut_off(path: &Path, bytes: &[u8]) -> Option<ModelError> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let header: Map<String, Value> = serde_json::from_slice(rest.get(..length)?).ok()?;
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
        expected: before + expected,
        found: before + found,
    })
}

#[expect(
    unsafe_code,
    reason = "mapping a file is unsafe; reading it instead costs a copy"
)]
fn map(path: &Path) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: this program and the safetensors library write files of weights under another name
    // and rename them, so that mapped bytes do not change. Editing a file in place while it is read
    // can crash the program.
    unsafe { Mmap::map(&file) }
}
