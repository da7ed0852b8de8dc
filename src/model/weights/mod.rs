//! Files of tensors: the weights of a Hugging Face folder, and this program's own.

mod archive;
mod convert;
mod folder;
mod names;

use std::{
    borrow::Cow,
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
    io,
    path::Path,
};

use burn::tensor::{DType, Device, Tensor, TensorData, bf16, f16};
use safetensors::{Dtype as FileType, SafeTensorError};

use crate::disk::atomic::{self, Flush};

use super::{error::ModelError, parameter::Layout};

pub(super) use archive::{Archive, forget, map};
pub(super) use names::Checkpoint;

use archive::{in_memory, wrong_type};

/// Writes tensors in their layout and type in memory, so that reading them gives the same bits.
pub fn write_tensors(path: &Path, tensors: &BTreeMap<String, Tensor<2>>) -> Result<(), ModelError> {
    let tensors = tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), Layout::Table, tensor.clone()));
    // The state of a training may have any values; the training checks what it computes with them.
    serialize(path, tensors, None)
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

/// Writes tensors in the layout of a checkpoint. If one is not finite, no file is written, and the error
/// has its name.
pub(super) fn write(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Layout, Tensor<2>)>,
) -> Result<(), ModelError> {
    let not_finite = OnceCell::new();
    let written = serialize(path, tensors, Some(&not_finite));
    match not_finite.into_inner() {
        Some(name) => Err(ModelError::NotFiniteWeights {
            path: path.to_owned(),
            name,
        }),
        None => written,
    }
}

/// Writes tensors. With `not_finite`, the file is given up at the first that is not finite, whose name goes
/// there.
fn serialize(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Layout, Tensor<2>)>,
    not_finite: Option<&OnceCell<String>>,
) -> Result<(), ModelError> {
    let tensors = tensors.into_iter().map(|(name, layout, tensor)| {
        let stored = Stored {
            name: name.clone(),
            shape: layout.shape_in_file(tensor.dims()),
            tensor: tensor.inner(),
            layout,
            not_finite,
        };
        (name, stored)
    });
    // Transformers refuses a file that does not say which library's layout it has.
    let header = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    atomic::write_at(path, Flush::Now, |path| {
        safetensors::serialize_to_file(tensors, Some(header), path).map_err(
            |error| match error {
                SafeTensorError::IoError(error) => error,
                error => io::Error::other(error),
            },
        )?;
        match not_finite.and_then(OnceCell::get) {
            Some(name) => Err(io::Error::other(format!("`{name}` is not finite"))),
            None => Ok(()),
        }
    })
    .map_err(|source| ModelError::Write {
        path: path.to_owned(),
        source,
    })
}

/// A tensor that is copied from its device when it is written, so that one copy exists at a time.
struct Stored<'a> {
    name: String,
    tensor: Tensor<2>,
    layout: Layout,
    shape: Vec<usize>,
    /// Where the name of the first tensor goes that is not finite, if that matters.
    not_finite: Option<&'a OnceCell<String>>,
}

impl safetensors::View for Stored<'_> {
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
        if self.not_finite.is_some_and(|name| name.get().is_some()) {
            // The file is given up.
            return Cow::Borrowed(&[]);
        }
        let tensor = self.tensor.clone();
        let tensor = if self.layout == Layout::Matrix {
            tensor.transpose()
        } else {
            tensor
        };
        let bytes = tensor.into_data().as_bytes().to_vec();
        if let Some(not_finite) = self.not_finite
            && !is_finite(&bytes, self.dtype())
        {
            not_finite.get_or_init(|| self.name.clone());
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype().bitsize() / 8
    }
}

/// Whether there is no NaN and no infinity among the elements.
fn is_finite(bytes: &[u8], dtype: FileType) -> bool {
    match dtype {
        FileType::F16 => each(bytes, |one| f16::from_le_bytes(one).is_finite()),
        FileType::BF16 => each(bytes, |one| bf16::from_le_bytes(one).is_finite()),
        _ => each(bytes, |one| f32::from_le_bytes(one).is_finite()),
    }
}

fn each<const N: usize>(bytes: &[u8], test: impl Fn([u8; N]) -> bool) -> bool {
    bytes.as_chunks::<N>().0.iter().all(|one| test(*one))
}
