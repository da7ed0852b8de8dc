//! Which implementation computes an operation, and how often it is not the one that it should be.
//!
//! An implementation that cannot compute an operation says why, and a slower one takes over. Each
//! time is counted, so that a slow path can be seen: the first time of each kind is logged at level
//! `debug`, and all are part of a job's provenance.

use std::sync::atomic::{AtomicU64, Ordering};

/// An operation of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The product of rows with a matrix.
    Product,
    /// The products of the same rows with several matrices.
    Products,
    /// A whole feed-forward layer.
    GatedMlp,
    /// The scores of all tokens of the vocabulary.
    Logits,
    /// The root-mean-square norm.
    RmsNorm,
    /// The gate of a feed-forward layer.
    SwiGlu,
    /// The rotation of queries and keys by their position.
    Rotation,
    /// The softmax of attention scores.
    Softmax,
    /// Attention, from queries, keys and values to weighted sums.
    Attention,
    /// The update of a parameter.
    AdamStep,
    /// The choice of the next token.
    Draw,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 11] = [
        Self::Product,
        Self::Products,
        Self::GatedMlp,
        Self::Logits,
        Self::RmsNorm,
        Self::SwiGlu,
        Self::Rotation,
        Self::Softmax,
        Self::Attention,
        Self::AdamStep,
        Self::Draw,
    ];

    /// The name in logs and provenance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Products => "products",
            Self::GatedMlp => "gated_mlp",
            Self::Logits => "logits",
            Self::RmsNorm => "rms_norm",
            Self::SwiGlu => "swiglu",
            Self::Rotation => "rotation",
            Self::Softmax => "softmax",
            Self::Attention => "attention",
            Self::AdamStep => "adam_step",
            Self::Draw => "draw",
        }
    }

    /// The implementation that computes what no other one can.
    pub fn fallback(self) -> Implementation {
        match self {
            // The rows are copied to the host.
            Self::Draw => Implementation::Cpu,
            _ => Implementation::Burn,
        }
    }
}

/// Code that computes operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    /// The kernels of `ops::cpu`.
    Cpu,
    /// The kernels of `ops::gpu`.
    Gpu,
    /// The plain formulas of `ops::burn`.
    Burn,
}

impl Implementation {
    /// The name in logs and provenance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Burn => "burn",
        }
    }
}

/// Why an implementation does not compute an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declined {
    /// The numbers are not of a type that it computes with.
    Dtype,
    /// The tensors are in the memory of another device.
    Elsewhere,
    /// The tensors belong to a graph, and it has no gradient of this operation.
    InGraph,
    /// The numbers are not laid out in memory as it reads them.
    Layout,
    /// The vocabulary does not split into parts of one length.
    Vocabulary,
    /// A filter needs the probabilities of all tokens.
    Filters,
    /// A library of the system is missing or too old.
    Library,
}

impl Declined {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Dtype,
        Self::Elsewhere,
        Self::InGraph,
        Self::Layout,
        Self::Vocabulary,
        Self::Filters,
        Self::Library,
    ];

    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Dtype => "another type of numbers",
            Self::Elsewhere => "another device",
            Self::InGraph => "no gradient of its own",
            Self::Layout => "another layout in memory",
            Self::Vocabulary => "a vocabulary that does not split into equal parts",
            Self::Filters => "filters that need the probabilities of all tokens",
            Self::Library => "a library that is missing or too old",
        }
    }
}

const OPERATIONS: usize = Operation::ALL.len();
const REASONS: usize = Declined::ALL.len();

/// How often each operation has fallen back for each reason, in this process.
static COUNTS: [[AtomicU64; REASONS]; OPERATIONS] =
    [const { [const { AtomicU64::new(0) }; REASONS] }; OPERATIONS];

/// Counts a fallback, and logs the first of its kind.
pub(super) fn count(operation: Operation, declined: Declined) {
    let before = COUNTS[operation as usize][declined as usize].fetch_add(1, Ordering::Relaxed);
    if before == 0 {
        tracing::debug!(
            operation = operation.name(),
            implementation = operation.fallback().name(),
            reason = declined.reason(),
            "an operation falls back to another implementation"
        );
    }
}

/// How often an operation has fallen back to an implementation for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What was to be computed.
    pub operation: Operation,
    /// The implementation that has computed it.
    pub implementation: Implementation,
    /// Why it was not computed by a faster one.
    pub reason: Declined,
    /// How many times.
    pub count: u64,
}

/// The fallbacks of this process so far.
pub fn fallbacks() -> Vec<Fallback> {
    let all = Operation::ALL
        .into_iter()
        .flat_map(|operation| Declined::ALL.map(|reason| (operation, reason)));
    all.map(|(operation, reason)| Fallback {
        operation,
        implementation: operation.fallback(),
        reason,
        count: COUNTS[operation as usize][reason as usize].load(Ordering::Relaxed),
    })
    .filter(|fallback| fallback.count > 0)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_the_order_of_the_counts() {
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, index);
        }
        for (index, reason) in Declined::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }

    #[test]
    fn a_fallback_is_counted_with_its_reason() {
        // No operation declines for this reason by itself, so that other tests do not count.
        let found = || {
            let mut all = fallbacks().into_iter();
            all.find(|one| one.operation == Operation::RmsNorm && one.reason == Declined::Filters)
        };
        assert_eq!(found(), None);

        count(Operation::RmsNorm, Declined::Filters);
        count(Operation::RmsNorm, Declined::Filters);

        let found = found().unwrap();
        assert_eq!((found.implementation.name(), found.count), ("burn", 2));
    }
}
