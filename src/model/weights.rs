//! Files of tensors: the weights of a Hugging Face folder, and this program's own.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::File,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device, Tensor, TensorData};
use memmap2::Mmap;
use safetensors::{Dtype as FileType, SafeTensorError, SafeTensors, tensor::TensorView};
use serde_json::Value;

use super::{ModelError, parameter::Layout};

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
    safetensors::serialize_to_file(tensors, Some(header), path).map_err(|error| match error {
        SafeTensorError::IoError(source) => ModelError::Write {
            path: path.to_owned(),
            source,
        },
        source => ModelError::Tensors {
            path: path.to_owned(),
            source,
        },
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
            let tensors = SafeTensors::deserialize(&map).map_err(|source| ModelError::Tensors {
                path: path.clone(),
                source,
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
        let size = from.size();
        let bytes = match layout {
            Layout::Matrix => transposed(view.data(), dims[0], size),
            Layout::Table | Layout::Vector => view.data().to_vec(),
        };
        let data = TensorData::from_bytes_vec(bytes, dims, from).convert_dtype(dtype);
        Ok(Tensor::from_data(data, (device, dtype)))
    }
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

/// Swaps the two dimensions of a matrix with rows of `width` elements of `size` bytes.
fn transposed(bytes: &[u8], width: usize, size: usize) -> Vec<u8> {
    /// Side of the squares that are moved at a time, so that both sides stay in the cache.
    const SIDE: usize = 32;
    let height = if width == 0 {
        0
    } else {
        bytes.len() / (width * size)
    };
    let mut output = vec![0; bytes.len()];
    for top in (0..height).step_by(SIDE) {
        for left in (0..width).step_by(SIDE) {
            for row in top..height.min(top + SIDE) {
                for column in left..width.min(left + SIDE) {
                    let (from, to) = (row * width + column, column * height + row);
                    output[to * size..][..size].copy_from_slice(&bytes[from * size..][..size]);
                }
            }
        }
    }
    output
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
