//! Kernels as operations of a graph.

use std::fmt::Debug;

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::{DType, Tensor},
};

use super::host::{Host, tensor};

/// A function of `N` tensors, with its derivative.
pub(super) trait Formula<const N: usize>: Clone + Debug + Send + 'static {
    /// The values, in the shape of the first input.
    fn values(&self, inputs: [&Host; N]) -> Vec<f32>;

    /// The gradient of each input that `is_wanted`, given that of the values.
    fn gradients(
        &self,
        inputs: [&Host; N],
        gradient: &Host,
        is_wanted: [bool; N],
    ) -> [Option<Vec<f32>>; N];
}

/// Computes a formula of tensors of the processor, as an operation of their graph if they have one.
///
/// None, if one of them is elsewhere, does not have 32 bits, or keeps nothing for the way back.
pub(super) fn apply<F: Formula<N>, const N: usize, const D: usize>(
    formula: F,
    inputs: [&Tensor<D>; N],
) -> Option<Tensor<D>> {
    let shape = inputs[0].dims();
    if let Some(hosts) = each(inputs, Host::of) {
        return Some(tensor(formula.values(hosts.each_ref()), shape));
    }
    if inputs.iter().any(|input| input.dtype() != DType::F32) {
        return None;
    }
    // Constants join the graph of the others.
    let tracked = each(inputs, |input| {
        let primitive = input.clone().try_into_primitive::<Autodiff<Flex>>();
        primitive
            .or_else(|_| {
                input
                    .clone()
                    .autodiff()
                    .try_into_primitive::<Autodiff<Flex>>()
            })
            .ok()
    })?;
    let hosts = tracked
        .each_ref()
        .map(|one| Host::from(one.primitive().clone()));
    let output: FlexTensor = Host::of(&tensor(formula.values(hosts.each_ref()), shape))?.into();
    let nodes = tracked.each_ref().map(FloatTensor::<Autodiff<Flex>>::node);
    let output = match Recorded(formula)
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(Saved(hosts), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(output))
}

pub(super) fn each<A, B, const N: usize>(
    items: [A; N],
    mut function: impl FnMut(A) -> Option<B>,
) -> Option<[B; N]> {
    let found: Option<Vec<B>> = items.into_iter().map(&mut function).collect();
    found?.try_into().ok()
}

#[derive(Debug)]
struct Recorded<F>(F);

/// The inputs, kept for the way back.
#[derive(Clone, Debug)]
struct Saved<const N: usize>([Host; N]);

impl<F: Formula<N>, const N: usize> Backward<Flex, N> for Recorded<F> {
    type State = Saved<N>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = Host::from(gradients.consume::<Flex>(&ops.node));
        let inputs = ops.state.0.each_ref();
        let is_wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.gradients(inputs, &gradient, is_wanted);
        for ((parent, input), values) in ops.parents.into_iter().zip(inputs).zip(found) {
            if let (Some(parent), Some(values)) = (parent, values) {
                gradients.register::<Flex>(parent.id, input.like(values));
            }
        }
    }
}
