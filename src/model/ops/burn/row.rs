//! Norm, gate, rotation and softmax.

use burn::tensor::{
    DType, Tensor,
    activation::{self, silu},
};

/// See [`rms_norm`](crate::model::ops::rms_norm).
pub(in crate::model::ops) fn rms_norm(x: Tensor<2>, weight: &Tensor<2>, epsilon: f64) -> Tensor<2> {
    let dtype = x.dtype();
    // Squares overflow 16 bits, and the mean needs more digits than they have.
    let wide = x.cast(DType::F32);
    let mean_square = wide.clone().square().mean_dim(1);
    let scale = mean_square.add_scalar(epsilon).sqrt().recip();
    (wide * scale).cast(dtype) * weight.clone()
}

/// See [`swiglu`](crate::model::ops::swiglu).
pub(in crate::model::ops) fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    silu(gate) * up
}

/// See [`rotate`](crate::model::ops::rotate).
pub(in crate::model::ops) fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let (first, second) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
    let rotated = first.clone() * cos.clone() - second.clone() * sin.clone();
    Tensor::cat(vec![rotated, second * cos + first * sin], 3)
}

/// See [`softmax`](crate::model::ops::softmax).
pub(in crate::model::ops) fn softmax(scores: Tensor<4>) -> Tensor<4> {
    let dtype = scores.dtype();
    activation::softmax(scores.cast(DType::F32), 3).cast(dtype)
}
