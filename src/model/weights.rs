//! Files of tensors: the weights of a Hugging Face folder, and this program's own.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::File,
    io,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Element, Tensor, TensorData, bf16, f16};
use memmap2::{Mmap, UncheckedAdvice};
use rayon::prelude::*;
use safetensors::{Dtype as FileType, SafeTensorError, SafeTensors, tensor::TensorView};
use serde_json::{Map, Value};

use super::{ModelError, parameter::Layout};
use crate::disk::atomic::{self, Flush};

/// Writes tensors as they lie in memory, with their types, so that reading gives the same bits.
///
/// The file appears at once and whole.
pub fn write_tensors(path: &Path, tensors: &BTreeMap<String, Tensor<2>>) -> Result<(), ModelError> {
    write(
        path,
        tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), Layout::Table, tensor.clone())),
    )
}

/// Reads what [`write_tensors`] wrote.
pub fn read_tensors(
    path: &Path,
    device: &Device,
) -> Result<BTreeMap<String, Tensor<2>>, ModelError> {
    let archive = Archive::open_file(path)?;
    let mut tensors = BTreeMap::new();
    for name in archive.names() {
        let (file, view) = archive
            .find(&name)
            .ok_or_else(|| ModelError::MissingTensor {
                path: path.to_owned(),
                name: name.clone(),
                expected: Vec::new(),
            })?;
        let &[rows, columns] = view.shape() else {
            return Err(ModelError::Shape {
                path: file.to_owned(),
                name,
                expected: vec![0, 0],
                found: view.shape().to_vec(),
            });
        };
        let Some(dtype) = in_memory(view.dtype()) else {
            return Err(wrong_type(file, &name, view.dtype()));
        };
        let data = TensorData::from_bytes_vec(view.data().to_vec(), [rows, columns], dtype);
        tensors.insert(name, Tensor::from_data(data, (device, dtype)));
    }
    Ok(tensors)
}

/// Writes tensors in the layout of a checkpoint.
pub(super) fn write(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Layout, Tensor<2>)>,
) -> Result<(), ModelError> {
    let tensors = tensors.into_iter().map(|(name, layout, tensor)| {
        let shape = layout.shape_in_file(tensor.dims());
        (
            name,
            Stored {
                tensor: tensor.inner(),
                layout,
                shape,
            },
        )
    });
    // Transformers refuses a file that does not say which library's layout it has.
    let header = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    atomic::write_at(path, Flush::Now, |path| {
        safetensors::serialize_to_file(tensors, Some(header), path).map_err(|error| match error {
            SafeTensorError::IoError(error) => error,
            error => io::Error::other(error),
        })
    })
    .map_err(|source| ModelError::Write {
        path: path.to_owned(),
        source,
    })
}

/// A tensor whose bytes are fetched when they are written, one tensor at a time.
struct Stored {
    tensor: Tensor<2>,
    layout: Layout,
    shape: Vec<usize>,
}

impl safetensors::View for Stored {
    fn dtype(&self) -> FileType {
        match self.tensor.dtype() {
            DType::F16 => FileType::F16,
            DType::BF16 => FileType::BF16,
            _ => FileType::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let tensor = self.tensor.clone();
        let tensor = if self.layout == Layout::Matrix {
            tensor.transpose()
        } else {
            tensor
        };
        Cow::Owned(tensor.into_data().as_bytes().to_vec())
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype().bitsize() / 8
    }
}

/// The tensors of one or several files, mapped into memory.
pub(super) struct Archive {
    path: PathBuf,
    files: Vec<(PathBuf, Mmap)>,
    /// Where the header of each file says that its tensors are.
    places: BTreeMap<String, usize>,
}

impl Archive {
    /// The weights of a Hugging Face folder, in one file or in several with an index.
    pub(super) fn open_folder(folder: &Path) -> Result<Self, ModelError> {
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
    pub(super) fn open_file(path: &Path) -> Result<Self, ModelError> {
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
    pub(super) fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }

    /// A tensor and the file that it lies in.
    pub(super) fn find(&self, name: &str) -> Option<(&Path, TensorView<'_>)> {
        let (path, map) = &self.files[*self.places.get(name)?];
        let tensors = SafeTensors::deserialize(map).ok()?;
        Some((path, tensors.tensor(name).ok()?))
    }

    /// Reads a tensor into the layout and the type that it has in memory.
    pub(super) fn read(
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

    /// Gives back the memory of a part of a file that has been read: else the file would stay in
    /// memory beside the weights.
    #[expect(
        unsafe_code,
        reason = "the advice is unsafe to give for other kinds of maps"
    )]
    fn forget(&self, name: &str, part: &[u8]) {
        let Some(place) = self.places.get(name) else {
            return;
        };
        let map = &self.files[*place].1;
        let offset = part.as_ptr() as usize - map.as_ptr() as usize;
        // SAFETY: the map is of a file and never written to, so that its pages are read again from
        // the file if anybody looks at them.
        let advised =
            unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset, part.len()) };
        if let Err(error) = advised {
            tracing::debug!(%error, "the system keeps a file in memory");
        }
    }
}

/// The elements of a tensor in the type and the order that they have in memory: in one pass, so
/// that no other copy of it exists at any time.
fn convert(bytes: &[u8], from: DType, to: DType, layout: Layout, dims: [usize; 2]) -> TensorData {
    let is_transposed = layout == Layout::Matrix;
    match (from, to) {
        (DType::F32, DType::F16) => {
            laid_out(bytes, is_transposed, dims, |b| f16::from_f32(wide(b)))
        }
        (DType::F32, DType::BF16) => {
            laid_out(bytes, is_transposed, dims, |b| bf16::from_f32(wide(b)))
        }
        (DType::F32, _) => laid_out(bytes, is_transposed, dims, wide),
        (DType::F16, DType::F16) => laid_out(bytes, is_transposed, dims, f16::from_le_bytes),
        (DType::F16, DType::BF16) => laid_out(bytes, is_transposed, dims, |b| {
            bf16::from_f32(f16::from_le_bytes(b).to_f32())
        }),
        (DType::F16, _) => laid_out(bytes, is_transposed, dims, |b| {
            f16::from_le_bytes(b).to_f32()
        }),
        (_, DType::BF16) => laid_out(bytes, is_transposed, dims, bf16::from_le_bytes),
        (_, DType::F16) => laid_out(bytes, is_transposed, dims, |b| {
            f16::from_f32(bf16::from_le_bytes(b).to_f32())
        }),
        _ => laid_out(bytes, is_transposed, dims, |b| {
            bf16::from_le_bytes(b).to_f32()
        }),
    }
}

fn wide(bytes: [u8; 4]) -> f32 {
    f32::from_le_bytes(bytes)
}

/// The elements of `N` bytes each; if `is_transposed`, they lie as `[columns, rows]` of `dims`.
fn laid_out<const N: usize, E: Element>(
    bytes: &[u8],
    is_transposed: bool,
    dims: [usize; 2],
    element: impl Fn([u8; N]) -> E + Sync,
) -> TensorData {
    /// Side of the squares that are moved at a time, so that both sides stay in the cache.
    const SIDE: usize = 32;
    let (elements, _) = bytes.as_chunks::<N>();
    if !is_transposed {
        return TensorData::new(elements.iter().map(|one| element(*one)).collect(), dims);
    }
    let [height, width] = dims;
    let mut output = vec![E::from_elem(0.0f32); elements.len()];
    let strips = output.par_chunks_mut((SIDE * width).max(1)).enumerate();
    strips.for_each(|(strip, output)| {
        let top = strip * SIDE;
        for left in (0..width).step_by(SIDE) {
            for row in top..height.min(top + SIDE) {
                for column in left..width.min(left + SIDE) {
                    output[(row - top) * width + column] = element(elements[column * height + row]);
                }
            }
        }
    });
    TensorData::new(output, dims)
}

fn wrong_type(path: &Path, name: &str, found: FileType) -> ModelError {
    ModelError::TensorType {
        path: path.to_owned(),
        name: name.to_owned(),
        found: found.to_string(),
    }
}

/// The type in memory of a type in a file, if weights can have it.
fn in_memory(dtype: FileType) -> Option<DType> {
    match dtype {
        FileType::F32 => Some(DType::F32),
        FileType::F16 => Some(DType::F16),
        FileType::BF16 => Some(DType::BF16),
        _ => None,
    }
}

/// The first tensor that does not lie whole in a file, if the file is shorter than its header says.
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
    reason = "a map of a file is unsafe to make; reading it whole costs a copy"
)]
fn map(path: &Path) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: files of weights are written under another name and renamed, by this program and by
    // the safetensors library, so that nobody changes the mapped bytes. Whoever edits one in place
    // while it is read may see a crash.
    unsafe { Mmap::map(&file) }
}
