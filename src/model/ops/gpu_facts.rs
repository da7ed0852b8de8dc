//! What a GPU is.

use serde::Serialize;

/// What a GPU says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpuFacts {
    /// Its name.
    pub name: String,
    /// What kernels are compiled for.
    pub compiled_for: String,
    /// Its memory, if its driver says how much there is.
    pub memory_bytes: Option<u64>,
    /// The largest tensor that fits into it.
    pub largest_tensor_bytes: u64,
}
