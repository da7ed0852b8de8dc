//! Kernels of a GPU: products on NVIDIA's, from CUDA texts and cuBLASLt.
//!
//! A binary without that backend has `no_products` instead, whose functions decline: only this file
//! and `device` know which binary it is.
//!
//! An implementation provides functions of the names and arguments of `cpu`: any of `product`,
//! `products`, `gated_mlp`, `logits`, `rms_norm`, `swiglu`, `rotate`, `softmax`, `attention` and
//! `adam_step`, and of `burn`: `lora_product`, `dora_product`,
//! `log_softmax` and `draw`. Each returns its output or the reason why it
//! does not compute its inputs.
//!
//! To add one:
//!
//! 1. Give its tensors a type that implements `graph::Handle` for Burn's backend: for CUDA, Vulkan
//!    and Metal alike this is `burn::backend::Cube`. Operations with a derivative are
//!    `graph::Formula`s over that type, which `graph::apply` computes and records.
//! 2. In each function of `ops`, ask it after `cpu` has declined because the tensors are elsewhere.
//! 3. Give it a variant of `Implementation`, and let `Engine` answer for it: whether rows are
//!    independent of each other, and how many rows the output head scores at a time.
//! 4. Add one line to the table of implementations in `ops/tests`, which compares every operation,
//!    its gradients and its treatment of NaN with the plain formulas.

#[cfg(any(test, feature = "cuda"))]
mod cuda;
#[cfg(not(feature = "cuda"))]
mod no_products;
#[cfg(feature = "cuda")]
mod products;

#[cfg(not(feature = "cuda"))]
use no_products as products;

pub(super) use products::{gated_mlp, libraries, logits, product, product_by_choice, products};
