//! Kernels for GPUs.
//!
//! `cube` has them all in one text for CUDA, Vulkan, Metal and DirectX. A binary without a backend
//! for GPUs has `absent` instead, whose functions decline: only this file and `device` know which
//! binary it is.
//!
//! Operations with a derivative are `graph::Formula`s, which `graph::apply` computes and records. To add a kernel, write
//! a function of the name and arguments of its operation. It returns its output or the reason why it does not compute its
//! inputs. Then add the operation to the lists of the implementation in `ops/tests`, which compares values, gradients and
//! the treatment of NaN with the plain formulas.
//!
//! Products on NVIDIA GPUs come from CUDA texts (`cuda/`) and cuBLASLt (`products`); a binary without that backend has
//! `no_products` instead, whose functions decline.

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
mod absent;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(any(test, feature = "cuda"))]
mod cuda;
#[cfg(not(feature = "cuda"))]
mod no_products;
#[cfg(feature = "cuda")]
mod products;

#[cfg(not(feature = "cuda"))]
use no_products as products;

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
pub(super) use absent::{
    adam_step, attention, draw, entropy, facts, is_here, log_prob, place, rms_norm, rotate,
    softmax, sum_and_norm, swiglu,
};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(super) use cube::{
    adam_step, attention, draw, entropy, facts, is_here, log_prob, place, rms_norm, rotate,
    softmax, sum_and_norm, swiglu,
};
pub(super) use products::{gated_mlp, libraries, logits, product, product_by_choice, products};
