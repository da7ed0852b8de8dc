//! Threads for a pass, and memory that they write first.
//!
//! With `simd::prefetch`, these files hold all unsafe code of the model.

pub(super) mod fresh;
pub(super) mod team;

/// Multiply-adds below which threads cost more time than they save.
pub(super) const WORTH_A_THREAD: usize = 1 << 17;
