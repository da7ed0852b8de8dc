//! Matrices in the memory of a CUDA device.

use burn::{
    backend::{Cube, tensor::FloatTensor},
    tensor::{DType, Shape, Tensor},
};
use burn_cubecl::{ops::numeric::empty_device_contiguous_dtype, tensor::CubeTensor};
use cubecl::Device;

use crate::model::ops::{
    fallback::Declined,
    gpu::cuda::shape::Stored,
    graph::{self, Handle},
};

/// A matrix of bf16 numbers, outside any graph.
#[derive(Clone, Debug)]
pub(super) struct Matrix(CubeTensor);

impl Handle for Matrix {
    type Backend = Cube;

    fn reads(dtype: DType) -> bool {
        dtype == DType::BF16
    }

    fn from_primitive(primitive: FloatTensor<Cube>) -> Self {
        Self(primitive)
    }

    fn into_primitive(self) -> FloatTensor<Cube> {
        self.0
    }
}

impl Matrix {
    /// The matrix of a tensor, if it is on a CUDA device.
    pub(super) fn of(tensor: &Tensor<2>) -> Result<Self, Declined> {
        let found: Self = graph::read(tensor)?;
        match found.0.device {
            Device::Cuda(_) => Ok(found),
            _ => Err(Declined::Elsewhere),
        }
    }

    /// A matrix on the same device. Its numbers are not set.
    pub(super) fn fresh(&self, shape: [usize; 2]) -> Self {
        Self(self.fresh_of(&shape, DType::BF16))
    }

    /// A tensor of 32-bit numbers on the same device. Its numbers are not set.
    pub(super) fn fresh_wide(&self, shape: &[usize]) -> CubeTensor {
        self.fresh_of(shape, DType::F32)
    }

    fn fresh_of(&self, shape: &[usize], dtype: DType) -> CubeTensor {
        let (client, device) = (self.0.client.clone(), self.0.device.clone());
        empty_device_contiguous_dtype(client, device, Shape::from(shape.to_vec()), dtype)
    }

    pub(super) fn tensor(&self) -> &CubeTensor {
        &self.0
    }

    pub(super) fn into_tensor(self) -> Tensor<2> {
        Tensor::from_primitive::<Cube>(self.0)
    }

    /// Rows and columns.
    pub(super) fn dims(&self) -> [usize; 2] {
        let shape = self.0.meta.shape();
        [shape[0], shape[1]]
    }

    /// The index of the device.
    pub(super) fn device(&self) -> usize {
        match self.0.device {
            Device::Cuda(ref device) => device.index,
            _ => 0,
        }
    }

    /// Whether the device has the instructions of the texts, as NVIDIA's have from Ampere on.
    pub(super) fn has_instructions(&self) -> bool {
        // The generation that brought tensor cores for bf16 also brought asynchronous copies, which
        // CubeCL knows by name.
        self.0.client.features().copy_async
    }

    /// The transposed view.
    pub(super) fn turned(&self) -> Self {
        let mut turned = self.0.clone();
        turned.meta.swap(0, 1);
        Self(turned)
    }

    /// How it is stored, and whether that is column by column, if the texts and cuBLASLt read it:
    /// rows or columns are contiguous and begin at multiples of 16 bytes.
    pub(super) fn stored(&self) -> Option<(Stored, bool)> {
        let [rows, columns] = self.dims();
        let strides = self.0.meta.strides();
        let (pitch, is_turned) = match [strides[0], strides[1]] {
            [pitch, 1] if pitch >= columns => (pitch, false),
            [1, pitch] if pitch >= rows => (pitch, true),
            _ => return None,
        };
        let start = self.0.handle.offset_start.unwrap_or(0);
        let is_aligned = start.is_multiple_of(16) && pitch.is_multiple_of(8);
        is_aligned.then_some((Stored { columns, pitch }, is_turned))
    }

    /// The distance of its rows, if they are stored one by one.
    pub(super) fn row_pitch(&self) -> Option<usize> {
        match self.stored() {
            Some((stored, false)) => Some(stored.pitch),
            _ => None,
        }
    }
}
