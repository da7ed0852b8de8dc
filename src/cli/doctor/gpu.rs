//! What the GPUs of this machine offer, and whether kernels run on them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::Serialize;

use super::Named;
use crate::{
    device::Backend,
    model::{Dtype, GpuFacts, Implementation, gpu_facts, survey},
};

/// The first device of a backend for GPUs.
#[derive(Debug, Serialize)]
pub(super) struct Gpu {
    backend: &'static str,
    #[serde(flatten)]
    facts: GpuFacts,
    /// What computes each operation, for each type of numbers that the device computes with.
    operations: Vec<Operations>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Operations {
    dtype: Dtype,
    by: BTreeMap<&'static str, &'static str>,
}

/// The GPU of each backend of this binary that has one. `libraries` are those that kernels need.
pub(super) fn gpus(libraries: &[Named]) -> Vec<Gpu> {
    let is_compiling = |backend| {
        let mut libraries = libraries.iter();
        backend != Backend::Cuda
            || libraries.all(|one| one.name != "NVRTC" || one.missing.is_none())
    };
    let backends = [Backend::Wgpu, Backend::Cuda].into_iter();
    backends
        .filter(|backend| is_compiling(*backend))
        .filter_map(|backend| {
            let device = backend.open().ok()?;
            // A driver may refuse a kernel, of which Burn makes a panic.
            let found = catch_unwind(AssertUnwindSafe(|| {
                let facts = gpu_facts(&device)?;
                let found = catch_unwind(AssertUnwindSafe(|| survey(&device)));
                Some((facts, found.ok()))
            }));
            let (facts, found) = found.ok().flatten()?;
            let failure = found
                .is_none()
                .then_some("its driver refuses a kernel, with the message on stderr");
            let operations = found.into_iter().flatten().map(|(dtype, operations)| {
                let operations = operations.into_iter();
                let by = operations.map(|(operation, by)| (operation.name(), by.name()));
                Operations {
                    dtype,
                    by: by.collect(),
                }
            });
            Some(Gpu {
                backend: backend.name(),
                facts,
                operations: operations.collect(),
                failure,
            })
        })
        .collect()
}

impl Gpu {
    pub(super) fn in_words(&self, text: &mut String) {
        let GpuFacts {
            name,
            compiled_for,
            memory_bytes,
            largest_tensor_bytes,
        } = &self.facts;
        let memory = memory_bytes.map_or_else(
            || "memory unknown".to_owned(),
            |bytes| format!("{} GB", bytes / 1_000_000_000),
        );
        let _ = writeln!(
            text,
            "  {:<16}{name}, {memory}, tensors of up to {:.1} GB, kernels for {compiled_for}",
            self.backend,
            *largest_tensor_bytes as f64 / 1e9
        );
        for Operations { dtype, by } in &self.operations {
            let of = |is_wanted: fn(&str) -> bool| -> String {
                let names = by.iter().filter(|(_, by)| is_wanted(by));
                let names: Vec<&str> = names.map(|(operation, _)| *operation).collect();
                names.join(", ")
            };
            let ours = of(|by| by == Implementation::Gpu.name());
            let others = of(|by| by != Implementation::Gpu.name());
            let kind = format!("{dtype:?}").to_lowercase();
            let _ = writeln!(text, "  {kind:<16}kernels: {ours}");
            if !others.is_empty() {
                let _ = writeln!(text, "  {:<16}by Burn: {others}", "");
            }
        }
        if let Some(failure) = self.failure {
            let _ = writeln!(text, "  {:<16}NO   {failure}", "kernels");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_described_with_what_computes_each_operation() {
        // None on most machines; `just test-gpu-software` has one.
        for gpu in gpus(&[]) {
            let mut text = String::new();
            gpu.in_words(&mut text);

            assert!(text.contains(&gpu.facts.name), "{text}");
            assert!(text.contains("  f32             kernels: "), "{text}");
            assert_eq!(gpu.failure, None);
        }
    }
}
