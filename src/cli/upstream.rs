//! Jobs, and the jobs that they build on.

use std::collections::BTreeSet;

use crate::plan::JobId;

/// The jobs of a list and all that they build on; `after` says what one job builds on.
pub(super) fn with_upstream<After: IntoIterator<Item = JobId>>(
    jobs: impl IntoIterator<Item = JobId>,
    mut after: impl FnMut(&JobId) -> After,
) -> BTreeSet<JobId> {
    let mut found = BTreeSet::new();
    let mut open: Vec<JobId> = jobs.into_iter().collect();
    while let Some(id) = open.pop() {
        if found.insert(id.clone()) {
            open.extend(after(&id));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_followed_to_the_first_one_and_a_circle_ends() {
        let id = |name: &str| JobId(name.to_owned());
        let after = |job: &JobId| match job.0.as_str() {
            // Folders of somebody else may say that a training comes after one that comes after it.
            "eval-1" | "train-1" => vec![id("train-2")],
            "train-2" => vec![id("train-1")],
            _ => Vec::new(),
        };
        let found = with_upstream([id("eval-1"), id("eval-2")], after);
        let expected = ["eval-1", "eval-2", "train-1", "train-2"].map(id);
        assert_eq!(found, BTreeSet::from(expected));
    }
}
