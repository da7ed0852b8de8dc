//! Tensors of the processor as plain slices.

use std::borrow::Cow;

use burn::{
    backend::{
        Flex,
        flex::{FlexTensor, Layout},
    },
    tensor::{Bytes, DType, Shape, Tensor, bf16, f16},
};

/// The numbers of a tensor that lies in the processor's memory, outside any graph.
#[derive(Clone, Debug)]
pub(super) struct Host(FlexTensor);

impl Host {
    /// None, if the tensor is elsewhere, does not have 32 bits, or belongs to a graph.
    pub(super) fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        if tensor.dtype() != DType::F32 {
            return None;
        }
        let primitive = tensor.clone().try_into_primitive::<Flex>().ok()?;
        Some(Self(primitive))
    }

    /// All numbers, the last dimension's side by side; copied only if they do not lie so.
    pub(super) fn rows(&self) -> Cow<'_, [f32]> {
        match self.0.layout().contiguous_offsets() {
            Some((start, end)) => Cow::Borrowed(&self.0.storage::<f32>()[start..end]),
            None => Cow::Owned(self.0.to_contiguous().storage::<f32>().to_vec()),
        }
    }

    /// The rows of a matrix, one after the other; none if they do not lie so.
    pub(super) fn matrix(&self, rows: usize, columns: usize) -> Option<&[f32]> {
        let (data, strides) = self.strided()?;
        (strides == [columns, 1]).then(|| &data[..rows * columns])
    }

    /// The storage from the first element on, and the distance of neighbours in each dimension.
    ///
    /// None, if a dimension runs backwards.
    pub(super) fn strided(&self) -> Option<(&[f32], Vec<usize>)> {
        let layout = self.0.layout();
        let strides = layout
            .strides()
            .iter()
            .map(|stride| usize::try_from(*stride).ok());
        let strides = strides.collect::<Option<Vec<usize>>>()?;
        Some((&self.0.storage::<f32>()[layout.start_offset()..], strides))
    }
}

impl Host {
    /// A tensor of the same shape.
    pub(super) fn like(&self, values: Vec<f32>) -> FlexTensor {
        let layout = Layout::contiguous(self.0.layout().shape().clone());
        FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
    }
}

impl From<FlexTensor> for Host {
    fn from(tensor: FlexTensor) -> Self {
        Self(tensor)
    }
}

impl From<Host> for FlexTensor {
    fn from(host: Host) -> Self {
        host.0
    }
}

/// As [`Host`], of 16 bits.
#[derive(Clone, Debug)]
pub(super) struct Narrow(FlexTensor);

impl Narrow {
    /// None, if the tensor is elsewhere, does not have 16 bits, or belongs to a graph.
    pub(super) fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        if !matches!(tensor.dtype(), DType::BF16 | DType::F16) {
            return None;
        }
        let primitive = tensor.clone().try_into_primitive::<Flex>().ok()?;
        Some(Self(primitive))
    }

    /// The columns of a transposed view `[k, columns]`, one after the other.
    ///
    /// None, if they do not lie so.
    pub(super) fn columns(&self, k: usize, columns: usize) -> Option<Columns<'_>> {
        let layout = self.0.layout();
        let is_turned = matches!(
            layout.strides(),
            [1, stride] if usize::try_from(*stride) == Ok(k)
        );
        let start = layout.start_offset();
        let range = start..start + k * columns;
        match self.0.dtype() {
            _ if !is_turned => None,
            DType::BF16 => Some(Columns::Bf16(&self.0.storage::<bf16>()[range])),
            _ => Some(Columns::F16(&self.0.storage::<f16>()[range])),
        }
    }
}

/// Numbers of 16 bits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Columns<'a> {
    Bf16(&'a [bf16]),
    F16(&'a [f16]),
}

/// A tensor that takes over `values`.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(primitive(values, shape))
}

fn primitive<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    let layout = Layout::contiguous(Shape::from(shape));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}
