//! What an engine, which is a backend with a type of numbers, does well.
//!
//! Training, generation and planning ask here instead of asking where tensors are. A plan touches
//! no device: it asks from the settings alone.

use burn::tensor::Tensor;

use super::{
    ops::{self, Implementation},
    settings::Dtype,
};
use crate::device::Backend;

/// The properties of the implementation that computes most of a model's operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine(Implementation);

/// Logits that the head computes at a time, so that they take a bounded memory.
const LOGITS_AT_ONCE: usize = 1 << 24;

/// As [`LOGITS_AT_ONCE`], for a device that has to fill more than a few cores and reads the whole
/// head for each chunk of rows.
const LOGITS_AT_ONCE_ON_GPU: usize = 1 << 27;

impl Engine {
    /// The engine for weights of a type on a backend.
    pub fn of(backend: Backend, dtype: Dtype) -> Self {
        Self(match (backend, dtype) {
            (Backend::Cpu, Dtype::F32) => Implementation::Cpu,
            (Backend::Cpu, _) => Implementation::Burn,
            (Backend::Wgpu | Backend::Cuda, _) => Implementation::Gpu,
        })
    }

    /// The engine that computes with a tensor.
    pub(super) fn of_tensor(tensor: &Tensor<2>) -> Self {
        Self(ops::implementation(tensor))
    }

    /// Whether no digit of a row of a batch depends on the other rows or on their number.
    ///
    /// The digits of Burn's products do, which compute on GPUs, too.
    pub fn rows_are_independent(self) -> bool {
        self.has_cpu_kernels()
    }

    /// The rows that the output head scores at a time.
    pub fn head_rows_at_once(self, vocabulary: usize) -> usize {
        let logits = if self.has_cpu_kernels() {
            LOGITS_AT_ONCE
        } else {
            LOGITS_AT_ONCE_ON_GPU
        };
        (logits / vocabulary).max(1)
    }

    /// Whether micro-batches should be computed at the same time, each by one thread.
    ///
    /// A thread that has a micro-batch to itself never waits for other threads, which would take
    /// longer than the work that they share.
    pub fn runs_micro_batches_side_by_side(self) -> bool {
        self.has_cpu_kernels()
    }

    /// Whether masks should be made on the host: elsewhere, a mask would have to travel.
    pub(super) fn makes_masks_on_host(self) -> bool {
        self.has_cpu_kernels()
    }

    /// Whether graphs keep the inputs of norms, gates and softmaxes and share those of projections.
    /// Burn's graphs keep what its formulas compute on the way. Those on GPUs keep less, which the
    /// plan does not count on.
    pub fn graphs_keep_inputs_only(self) -> bool {
        self.has_cpu_kernels()
    }

    fn has_cpu_kernels(self) -> bool {
        self.0 == Implementation::Cpu
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device};

    use super::*;

    #[test]
    fn settings_and_tensors_have_the_same_engine() {
        for (dtype, of_tensor) in [
            (Dtype::F32, DType::F32),
            (Dtype::Bf16, DType::BF16),
            (Dtype::F16, DType::F16),
        ] {
            let tensor = Tensor::<2>::zeros([1, 1], (&Device::flex(), of_tensor));

            let engine = Engine::of(Backend::Cpu, dtype);
            assert_eq!(Engine::of_tensor(&tensor), engine);
            // In a graph, too.
            assert_eq!(Engine::of_tensor(&tensor.autodiff()), engine);
        }
    }

    #[test]
    fn the_head_scores_at_least_one_row() {
        let engine = Engine::of(Backend::Cpu, Dtype::F32);

        assert_eq!(engine.head_rows_at_once(1 << 20), 16);
        assert_eq!(engine.head_rows_at_once(1 << 30), 1);
        assert_eq!(
            Engine::of(Backend::Cuda, Dtype::F32).head_rows_at_once(1 << 20),
            128
        );
    }
}
