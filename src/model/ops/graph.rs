//! Gives an operation of any implementation a forward and a backward.
//!
//! An implementation names its backend and how it reads that backend's tensors ([`Handle`]), and
//! writes an operation as a [`Formula`] over such handles. [`apply`] computes the formula, and
//! records it in the graph of its inputs if they have one. Only this file knows Burn's interface of
//! autodiff.

use std::{fmt::Debug, marker::PhantomData};

use burn::{
    backend::{
        Autodiff, Backend, DispatchKindConversion, DispatchTensor,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    tensor::{DType, Tensor},
};

use super::fallback::Declined;

/// A tensor of a backend, outside any graph, as the formulas of an implementation read it.
pub(super) trait Handle: Clone + Debug + Send + 'static {
    /// The backend that the tensors belong to.
    type Backend: Backend;

    /// Whether the formulas compute with numbers of this type.
    fn reads(dtype: DType) -> bool;

    /// Takes over a tensor whose type the formulas read.
    fn from_primitive(primitive: FloatTensor<Self::Backend>) -> Self;

    /// Returns the tensor.
    fn into_primitive(self) -> FloatTensor<Self::Backend>;
}

/// A function of `N` tensors, with its derivative.
pub(super) trait Formula<H: Handle, const N: usize>: Clone + Debug + Send + 'static {
    /// The value, in the shape of the first input.
    fn value(&self, inputs: [&H; N]) -> H;

    /// What the gradients are given of the inputs: the inputs themselves, unless the formula needs
    /// less of them.
    fn kept(&self, inputs: [&H; N]) -> [H; N] {
        inputs.map(H::clone)
    }

    /// The gradient of each input that `is_wanted`, given what was [kept](Self::kept) and the
    /// gradient of the value.
    fn gradients(&self, inputs: [&H; N], gradient: &H, is_wanted: [bool; N]) -> [Option<H>; N];
}

/// Reads a tensor that is outside any graph.
pub(super) fn read<H: Handle, const D: usize>(tensor: &Tensor<D>) -> Result<H, Declined>
where
    DispatchTensor: DispatchKindConversion<H::Backend>,
{
    if !H::reads(tensor.dtype()) {
        return Err(Declined::Dtype);
    }
    match tensor.clone().try_into_primitive::<H::Backend>() {
        Ok(primitive) => Ok(H::from_primitive(primitive)),
        Err(_) if tensor.is_autodiff() => Err(Declined::InGraph),
        Err(_) => Err(Declined::Elsewhere),
    }
}

/// Computes a formula, as an operation of the graph of its inputs if they have one.
pub(super) fn apply<H, F, const N: usize, const D: usize>(
    formula: F,
    inputs: [&Tensor<D>; N],
) -> Result<Tensor<D>, Declined>
where
    H: Handle,
    F: Formula<H, N>,
    DispatchTensor:
        DispatchKindConversion<H::Backend> + DispatchKindConversion<Autodiff<H::Backend>>,
{
    match each(inputs, read::<H, D>) {
        Ok(handles) => {
            let value = formula.value(handles.each_ref());
            return Ok(Tensor::from_primitive::<H::Backend>(value.into_primitive()));
        }
        Err(Declined::Dtype) => return Err(Declined::Dtype),
        Err(_) => {}
    }
    if !inputs.iter().all(|input| H::reads(input.dtype())) {
        return Err(Declined::Dtype);
    }
    let tracked = each(inputs, |input| tracked::<H, D>(input))?;
    let handles = tracked
        .each_ref()
        .map(|one| H::from_primitive(one.primitive().clone()));
    let output = formula.value(handles.each_ref()).into_primitive();
    let kept = formula.kept(handles.each_ref());
    let nodes = tracked
        .each_ref()
        .map(FloatTensor::<Autodiff<H::Backend>>::node);
    let output = match Recorded::<H, F>(formula, PhantomData)
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(Saved(kept), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Ok(Tensor::from_primitive::<Autodiff<H::Backend>>(output))
}

/// A tensor with its place in a graph; a constant joins the graph of the others.
fn tracked<H: Handle, const D: usize>(
    tensor: &Tensor<D>,
) -> Result<FloatTensor<Autodiff<H::Backend>>, Declined>
where
    DispatchTensor: DispatchKindConversion<Autodiff<H::Backend>>,
{
    let tensor = if tensor.is_autodiff() {
        tensor.clone()
    } else {
        tensor.clone().autodiff()
    };
    let primitive = tensor.try_into_primitive::<Autodiff<H::Backend>>();
    primitive.map_err(|_| Declined::Elsewhere)
}

/// Applies a function to each item, up to the first failure.
pub(super) fn each<A, B, const N: usize>(
    items: [A; N],
    function: impl FnMut(A) -> Result<B, Declined>,
) -> Result<[B; N], Declined> {
    let found: Result<Vec<B>, Declined> = items.into_iter().map(function).collect();
    match found?.try_into() {
        Ok(found) => Ok(found),
        Err(_) => unreachable!("there are as many results as items"),
    }
}

/// A formula over handles of type `H`.
#[derive(Debug)]
struct Recorded<H, F>(F, PhantomData<H>);

/// What a formula keeps of its inputs for the backward pass.
#[derive(Clone, Debug)]
struct Saved<H, const N: usize>([H; N]);

impl<H: Handle, F: Formula<H, N>, const N: usize> Backward<H::Backend, N> for Recorded<H, F> {
    type State = Saved<H, N>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = H::from_primitive(gradients.consume::<H::Backend>(&ops.node));
        let is_wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self
            .0
            .gradients(ops.state.0.each_ref(), &gradient, is_wanted);
        for (parent, value) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(value)) = (parent, value) {
                gradients.register::<H::Backend>(parent.id, value.into_primitive());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        backend::{Flex, flex::FlexTensor, ops::FloatTensorOps as _},
        tensor::{Device, TensorData},
    };

    use super::*;

    /// 64-bit numbers, which no implementation of ours reads.
    #[derive(Clone, Debug)]
    struct Double(FlexTensor);

    impl Handle for Double {
        type Backend = Flex;

        fn reads(dtype: DType) -> bool {
            dtype == DType::F64
        }

        fn from_primitive(primitive: FlexTensor) -> Self {
            Self(primitive)
        }

        fn into_primitive(self) -> FlexTensor {
            self.0
        }
    }

    /// The product of two tensors, element by element.
    #[derive(Clone, Debug)]
    struct Product;

    fn product(a: &Double, b: &Double) -> Double {
        Double(Flex::float_mul(a.0.clone(), b.0.clone()))
    }

    impl Formula<Double, 2> for Product {
        fn value(&self, [a, b]: [&Double; 2]) -> Double {
            product(a, b)
        }

        fn gradients(
            &self,
            [a, b]: [&Double; 2],
            gradient: &Double,
            is_wanted: [bool; 2],
        ) -> [Option<Double>; 2] {
            [
                is_wanted[0].then(|| product(b, gradient)),
                is_wanted[1].then(|| product(a, gradient)),
            ]
        }
    }

    /// The product with a constant, which keeps the constant instead of its input.
    #[derive(Clone, Debug)]
    struct Scaled(Double);

    impl Formula<Double, 1> for Scaled {
        fn value(&self, [a]: [&Double; 1]) -> Double {
            product(a, &self.0)
        }

        fn kept(&self, _: [&Double; 1]) -> [Double; 1] {
            [self.0.clone()]
        }

        fn gradients(
            &self,
            [kept]: [&Double; 1],
            gradient: &Double,
            is_wanted: [bool; 1],
        ) -> [Option<Double>; 1] {
            [is_wanted[0].then(|| product(kept, gradient))]
        }
    }

    fn tensor(values: [f64; 2]) -> Tensor<1> {
        Tensor::from_data(TensorData::from(values), (&Device::flex(), DType::F64))
    }

    fn numbers(tensor: Tensor<1>) -> Vec<f64> {
        tensor.into_data().iter::<f64>().collect()
    }

    #[test]
    fn a_formula_of_another_implementation_has_a_gradient() {
        let a = tensor([2.0, 3.0]).autodiff().require_grad();
        let b = tensor([5.0, 7.0]);

        let found = apply::<Double, _, 2, 1>(Product, [&a, &b]).unwrap();
        let mut gradients = found.clone().sum().backward();

        assert_eq!(numbers(found.inner()), [10.0, 21.0]);
        assert_eq!(numbers(a.grad_remove(&mut gradients).unwrap()), [5.0, 7.0]);
    }

    #[test]
    fn gradients_get_what_a_formula_keeps() {
        let a = tensor([2.0, 3.0]).autodiff().require_grad();
        let factor = read::<Double, 1>(&tensor([5.0, 7.0])).unwrap();

        let found = apply::<Double, _, 1, 1>(Scaled(factor), [&a]).unwrap();
        let mut gradients = found.clone().sum().backward();

        assert_eq!(numbers(found.inner()), [10.0, 21.0]);
        assert_eq!(numbers(a.grad_remove(&mut gradients).unwrap()), [5.0, 7.0]);
    }

    #[test]
    fn numbers_of_another_type_are_declined() {
        let (a, b) = (tensor([2.0, 3.0]), tensor([5.0, 7.0]));
        let single = b.clone().cast(DType::F32);

        let outside = apply::<Double, _, 2, 1>(Product, [&a, &single]);
        let in_graph = apply::<Double, _, 2, 1>(Product, [&a.clone().autodiff(), &single]);

        assert_eq!(outside.unwrap_err(), Declined::Dtype);
        assert_eq!(in_graph.unwrap_err(), Declined::Dtype);
    }
}
