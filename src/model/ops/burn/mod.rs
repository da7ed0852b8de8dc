//! The plain formulas in Burn's tensors.
//!
//! They work on every device, with numbers of any type and in a graph. So they compute what no
//! other implementation does, and every other implementation is tested against them.

mod adam;
mod adapter;
mod attention;
mod draw;
mod log_softmax;
mod row;

use ::burn::tensor::{DType, Tensor};

pub(super) use adam::adam_step;
pub(super) use adapter::{dora_product, lora_product};
pub(super) use attention::attention;
pub(super) use draw::draw;
pub(super) use log_softmax::LogSoftmax;
pub(super) use row::{rms_norm, rotate, softmax, swiglu};

/// See [`product`](super::product).
pub(super) fn product(x: Tensor<2>, w: &Tensor<2>) -> Tensor<2> {
    x.matmul(w.clone())
}

/// See [`logits`](super::logits).
pub(super) fn logits(hidden: Tensor<2>, head: Tensor<2>) -> Tensor<2> {
    hidden.matmul(head).cast(DType::F32)
}
