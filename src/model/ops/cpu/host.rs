//! Tensors of the processor as slices.

use std::borrow::Cow;

use burn::{
    backend::{
        Flex,
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{Bytes, DType, Shape, Tensor, bf16, f16},
};

use crate::model::ops::{
    fallback::Declined,
    graph::{self, Handle},
};

/// A tensor of 32-bit numbers in the memory of the processor, outside any graph.
#[derive(Clone, Debug)]
pub(super) struct Host(FlexTensor);

impl Handle for Host {
    type Backend = Flex;

    fn reads(dtype: DType) -> bool {
        dtype == DType::F32
    }

    fn from_primitive(primitive: FloatTensor<Flex>) -> Self {
        Self(primitive)
    }

    fn into_primitive(self) -> FloatTensor<Flex> {
        self.0
    }
}

impl Host {
    pub(super) fn of<const D: usize>(tensor: &Tensor<D>) -> Result<Self, Declined> {
        graph::read(tensor)
    }

    /// All numbers in the order of their indices. They are copied only if they are not contiguous.
    pub(super) fn rows(&self) -> Cow<'_, [f32]> {
        match self.0.layout().contiguous_offsets() {
            Some((start, end)) => Cow::Borrowed(&self.0.storage::<f32>()[start..end]),
            None => Cow::Owned(self.0.to_contiguous().storage::<f32>().to_vec()),
        }
    }

    /// The numbers of a matrix, if its rows are contiguous.
    pub(super) fn matrix(&self, rows: usize, columns: usize) -> Result<&[f32], Declined> {
        let (data, strides) = self.strided()?;
        if strides == [columns, 1] {
            Ok(&data[..rows * columns])
        } else {
            Err(Declined::Layout)
        }
    }

    /// The storage from the first element on, and the distance of neighbours in each dimension, if
    /// none is negative.
    pub(super) fn strided(&self) -> Result<(&[f32], Vec<usize>), Declined> {
        let layout = self.0.layout();
        let strides = layout
            .strides()
            .iter()
            .map(|stride| usize::try_from(*stride).ok());
        let strides = strides
            .collect::<Option<Vec<usize>>>()
            .ok_or(Declined::Layout)?;
        Ok((&self.0.storage::<f32>()[layout.start_offset()..], strides))
    }

    /// A tensor of the same shape with other values.
    pub(super) fn like(&self, values: Vec<f32>) -> Self {
        let layout = Layout::contiguous(self.0.layout().shape().clone());
        Self(FlexTensor::new(
            Bytes::from_elems(values),
            layout,
            DType::F32,
        ))
    }
}

/// As [`Host`], with numbers of 16 bits.
#[derive(Clone, Debug)]
pub(super) struct HalfHost(FlexTensor);

impl Handle for HalfHost {
    type Backend = Flex;

    fn reads(dtype: DType) -> bool {
        matches!(dtype, DType::BF16 | DType::F16)
    }

    fn from_primitive(primitive: FloatTensor<Flex>) -> Self {
        Self(primitive)
    }

    fn into_primitive(self) -> FloatTensor<Flex> {
        self.0
    }
}

impl HalfHost {
    pub(super) fn of<const D: usize>(tensor: &Tensor<D>) -> Result<Self, Declined> {
        graph::read(tensor)
    }

    /// The columns of a transposed view `[k, columns]`, if each is contiguous.
    pub(super) fn columns(&self, k: usize, columns: usize) -> Result<HalfColumns<'_>, Declined> {
        let layout = self.0.layout();
        let is_transposed = matches!(
            layout.strides(),
            [1, stride] if usize::try_from(*stride) == Ok(k)
        );
        if !is_transposed {
            return Err(Declined::Layout);
        }
        let start = layout.start_offset();
        let range = start..start + k * columns;
        Ok(if self.0.dtype() == DType::BF16 {
            HalfColumns::Bf16(&self.0.storage::<bf16>()[range])
        } else {
            HalfColumns::F16(&self.0.storage::<f16>()[range])
        })
    }
}

/// Columns of a matrix of 16-bit numbers, one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum HalfColumns<'a> {
    Bf16(&'a [bf16]),
    F16(&'a [f16]),
}

/// A tensor that takes over `values`.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    let layout = Layout::contiguous(Shape::from(shape));
    let primitive = FlexTensor::new(Bytes::from_elems(values), layout, DType::F32);
    Tensor::from_primitive::<Flex>(primitive)
}
