//! Kernels as CUDA texts, where tensor cores need them, and the constants that shapes give them.
//!
//! `products` launches them. The tests here run the texts lane by lane on the processor, and compile
//! them for GPUs, so that neither needs a GPU.

pub(super) mod shape;
#[cfg(test)]
mod tests;
