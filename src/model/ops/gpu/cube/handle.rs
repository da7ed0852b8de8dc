//! Tensors in the memory of a GPU, as the kernels read them.

use burn::{
    backend::{Cube, ops::FloatTensorOps as _, tensor::FloatTensor},
    tensor::{DType, FloatDType, Int, Shape, Tensor},
};
use burn_cubecl::{
    kernel::into_contiguous, ops::numeric::empty_device_contiguous_dtype, tensor::CubeTensor,
};
use cubecl::{
    ir::{ElemType, FloatKind, IntKind, UIntKind},
    prelude::{BufferArg, Client},
};

use crate::model::ops::{
    fallback::Declined,
    graph::{self, Handle},
};

/// A tensor of real numbers in the memory of a GPU, outside any graph; its numbers are contiguous.
#[derive(Clone, Debug)]
pub(super) struct OnDevice(CubeTensor);

impl Handle for OnDevice {
    type Backend = Cube;

    fn reads(dtype: DType) -> bool {
        is_read(dtype)
    }

    fn from_primitive(primitive: FloatTensor<Cube>) -> Self {
        Self(into_contiguous(primitive))
    }

    fn into_primitive(self) -> FloatTensor<Cube> {
        self.0
    }
}

/// A tensor as [`OnDevice`], whose numbers may have any layout.
#[derive(Clone, Debug)]
pub(super) struct Strided(CubeTensor);

impl Handle for Strided {
    type Backend = Cube;

    fn reads(dtype: DType) -> bool {
        is_read(dtype)
    }

    fn from_primitive(primitive: FloatTensor<Cube>) -> Self {
        Self(primitive)
    }

    fn into_primitive(self) -> FloatTensor<Cube> {
        self.0
    }
}

fn is_read(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::BF16 | DType::F16)
}

impl OnDevice {
    pub(super) fn of<const D: usize>(tensor: &Tensor<D>) -> Result<Self, Declined> {
        graph::read(tensor)
    }

    /// A new tensor on the same device. Its numbers are not set.
    pub(super) fn fresh<const D: usize>(&self, shape: [usize; D], dtype: DType) -> Self {
        let (client, device) = (self.0.client.clone(), self.0.device.clone());
        Self(empty_device_contiguous_dtype(
            client,
            device,
            Shape::from(shape),
            dtype,
        ))
    }

    /// A new tensor of the same shape and type. Its numbers are not set.
    pub(super) fn fresh_like(&self) -> Self {
        let (client, device) = (self.0.client.clone(), self.0.device.clone());
        let shape = self.0.meta.shape().clone();
        Self(empty_device_contiguous_dtype(
            client,
            device,
            shape,
            self.0.dtype,
        ))
    }

    /// What launches kernels on the device.
    pub(super) fn client(&self) -> Client {
        self.0.client.clone()
    }

    pub(super) fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// The type of the numbers in a kernel.
    pub(super) fn element(&self) -> ElemType {
        element(self.0.dtype)
    }

    pub(super) fn arg(&self) -> BufferArg {
        self.0.clone().into_buffer_arg()
    }

    /// How many numbers there are.
    pub(super) fn count(&self) -> usize {
        self.0.meta.shape().iter().product()
    }

    /// The length of the last dimension.
    pub(super) fn width(&self) -> usize {
        self.0.meta.shape().last().copied().unwrap_or(1)
    }

    /// How many numbers a unit should read at once, if they come in groups of `width`.
    pub(super) fn vector(&self, width: usize) -> usize {
        let sizes = self.0.client.io_optimized_vector_sizes(self.0.dtype.size());
        let fits = sizes.filter(|size| width.is_multiple_of(*size));
        fits.max().unwrap_or(1)
    }

    pub(super) fn into_tensor<const D: usize>(self) -> Tensor<D> {
        Tensor::from_primitive::<Cube>(self.0)
    }

    /// A tensor of the same shape of zeros in 32 bits.
    pub(super) fn zeros(&self) -> Self {
        let shape = self.0.meta.shape().clone();
        Self(Cube::float_zeros(shape, &self.0.device, FloatDType::F32))
    }

    /// The tensor of the backend.
    pub(super) fn primitive(&self) -> CubeTensor {
        self.0.clone()
    }
}

impl Strided {
    /// Takes over a tensor that [`Self::of`] reads, so that it has one owner less.
    pub(super) fn taken<const D: usize>(tensor: Tensor<D>) -> Result<Self, Declined> {
        let primitive = tensor.try_into_primitive::<Cube>();
        primitive.map(Self).map_err(|_| Declined::Elsewhere)
    }

    pub(super) fn of<const D: usize>(tensor: &Tensor<D>) -> Result<Self, Declined> {
        graph::read(tensor)
    }

    /// Strides in numbers.
    pub(super) fn strides(&self) -> &[usize] {
        self.0.meta.strides()
    }

    /// All the memory, because a view may skip some of it.
    pub(super) fn arg(&self) -> BufferArg {
        let tensor = self.0.clone();
        let bytes = usize::try_from(tensor.handle.size()).expect("memory fits the address space");
        let shape = Shape::from([bytes / tensor.dtype.size()]);
        let (client, device) = (tensor.client, tensor.device);
        let all = CubeTensor::new_contiguous(client, device, shape, tensor.handle, tensor.dtype);
        all.into_buffer_arg()
    }

    /// A tensor of the same numbers that may be written in place: this one, if nobody else reads it.
    pub(super) fn alone(self) -> Self {
        if self.0.can_mut() {
            self
        } else {
            Self(self.0.copy())
        }
    }

    pub(super) fn into_tensor<const D: usize>(self) -> Tensor<D> {
        Tensor::from_primitive::<Cube>(self.0)
    }
}

/// A tensor of whole numbers in the memory of a GPU; its numbers are contiguous.
#[derive(Clone, Debug)]
pub(super) struct Whole(CubeTensor);

impl Whole {
    pub(super) fn of<const D: usize>(tensor: &Tensor<D, Int>) -> Result<Self, Declined> {
        let primitive = tensor.clone().try_into_primitive::<Cube>();
        let primitive = primitive.map_err(|_| Declined::Elsewhere)?;
        if !matches!(primitive.dtype, DType::I32 | DType::I64 | DType::U32) {
            return Err(Declined::Dtype);
        }
        Ok(Self(into_contiguous(primitive)))
    }

    /// The type of the numbers in a kernel.
    pub(super) fn element(&self) -> ElemType {
        element(self.0.dtype)
    }

    pub(super) fn arg(&self) -> BufferArg {
        self.0.clone().into_buffer_arg()
    }
}

/// The type of numbers in a kernel; only those that the handles read.
fn element(dtype: DType) -> ElemType {
    match dtype {
        DType::BF16 => ElemType::Float(FloatKind::BF16),
        DType::F16 => ElemType::Float(FloatKind::F16),
        DType::I32 => ElemType::Int(IntKind::I32),
        DType::I64 => ElemType::Int(IntKind::I64),
        DType::U32 => ElemType::UInt(UIntKind::U32),
        _ => ElemType::Float(FloatKind::F32),
    }
}
