//! What a binary without a backend for GPUs has instead of kernels for them: no tensor is there.

use burn::tensor::{Device, Int, Tensor};

use crate::{
    model::ops::{adam_step::AdamStep, fallback::Declined, gpu_facts::GpuFacts},
    seed::Stream,
};

pub(in crate::model::ops) fn is_here(_: &Tensor<2>) -> bool {
    false
}

pub(in crate::model::ops) fn facts(_: &Tensor<2>) -> Option<GpuFacts> {
    None
}

pub(in crate::model::ops) fn rms_norm(
    _: &Tensor<2>,
    _: &Tensor<2>,
    _: f64,
) -> Result<Tensor<2>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn sum_and_norm(
    _: [&Tensor<2>; 2],
    _: &Tensor<2>,
    _: f64,
) -> Result<[Tensor<2>; 2], Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn swiglu(_: &Tensor<2>, _: &Tensor<2>) -> Result<Tensor<2>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn rotate(
    _: &Tensor<4>,
    _: &Tensor<4>,
    _: &Tensor<4>,
) -> Result<Tensor<4>, Declined> {
    Err(Declined::Elsewhere)
}

#[expect(
    clippy::result_large_err,
    reason = "the buffers go back to their owner"
)]
pub(in crate::model::ops) fn place(
    _: [&Tensor<4>; 2],
    _: [&Tensor<4>; 2],
    buffers: [Tensor<4>; 2],
    _: usize,
) -> Result<[Tensor<4>; 2], (Declined, [Tensor<4>; 2])> {
    Err((Declined::Elsewhere, buffers))
}

pub(in crate::model::ops) fn softmax(_: &Tensor<4>) -> Result<Tensor<4>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn attention(
    _: [&Tensor<4>; 3],
    _: impl FnOnce(&Device) -> Tensor<1, Int>,
) -> Result<Tensor<2>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn log_prob(
    _: &Tensor<2>,
    _: &Tensor<2, Int>,
    _: f64,
) -> Result<Tensor<2>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn entropy(_: &Tensor<2>, _: f64) -> Result<Tensor<2>, Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn adam_step(
    _: &AdamStep,
    _: &Tensor<2>,
    _: &Tensor<2>,
    _: Option<&[Tensor<2>; 2]>,
) -> Result<[Tensor<2>; 3], Declined> {
    Err(Declined::Elsewhere)
}

pub(in crate::model::ops) fn draw(
    _: &Tensor<2>,
    _: f64,
    _: &mut [&mut Stream],
) -> Result<Vec<(u32, f32)>, Declined> {
    Err(Declined::Elsewhere)
}
