//! Values that are left out where a setting has them, so that what was made before there was the setting is the same.

pub(super) fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn is_one(number: &usize) -> bool {
    *number == one()
}

/// Leaves the default out of a job's identity: jobs from before the key are the same jobs.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn is_zero(count: &usize) -> bool {
    *count == 0
}
