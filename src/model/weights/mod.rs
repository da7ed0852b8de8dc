//! Files of tensors: the weights of a Hugging Face folder, and this program's own.

mod archive;
mod convert;
mod folder;
mod names;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    io,
    path::Path,
};

use burn::tensor::{DType, Device, Tensor, TensorData};
use safetensors::{Dtype as FileType, SafeTensorError};

use crate::disk::atomic::{self, Flush};

use super::{error::ModelError, parameter::Layout};

pub(super) use archive::Archive;
pub(super) use names::Checkpoint;

use archive::{in_memory, wrong_type};

/// Writes tensors in their layout and type in memory, so that reading them gives the same bits.
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

/// A tensor that is copied from its device when it is written, so that one copy exists at a time.
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
