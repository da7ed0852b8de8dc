//! What is to be downloaded, before anything is.

use std::{collections::BTreeMap, path::Path};

/// The files of an entry at a revision.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// The commit that the revision is, if the host says so.
    pub(super) commit: Option<String>,
    pub(super) files: BTreeMap<String, Announced>,
}

/// What the host says about a file before it is downloaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) bytes: Option<u64>,
    pub(super) sha256: Option<String>,
}

/// Whether a path from elsewhere stays below the folder that it is joined to.
pub(super) fn is_usable(name: &str) -> bool {
    let is_normal = |part| matches!(part, std::path::Component::Normal(_));
    !name.is_empty() && !name.contains('\\') && Path::new(name).components().all(is_normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_folder_are_not_usable() {
        for name in ["../a", "/a", "a/../../b", "", "a\\b", "./a"] {
            assert!(!is_usable(name), "{name}");
        }
        assert!(is_usable("data/a b.jsonl") && is_usable("..a"));
    }
}
