//! What made a table: the spec, what was changed in it, and a digest of all that follows.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::json;

use crate::{digest::Digest, plan::Plan};

/// The spec of a table, and where its values were set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The spec, from the project's folder.
    pub spec: String,
    /// What the command line and the environment changed in it.
    pub changes: Vec<String>,
    /// Where the values outside the grid were set, by their path.
    pub places: BTreeMap<String, String>,
}

/// What made a table. Equal tables have equal makers, wherever and whenever they were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Maker {
    spec: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
    /// Of the identities of all jobs, and of what the table shows.
    settings: Digest,
}

impl Maker {
    pub(super) fn new(origin: &Origin, plan: &Plan) -> Self {
        let jobs = plan.jobs.iter().map(|job| (&job.id, &job.identity));
        let jobs: BTreeMap<_, _> = jobs.collect();
        Self {
            spec: origin.spec.clone(),
            changes: origin.changes.clone(),
            settings: Digest::of_json(&json!({ "jobs": jobs, "table": plan.table })),
        }
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.spec)?;
        for change in &self.changes {
            write!(formatter, ", {change}")?;
        }
        write!(formatter, " (settings {})", self.settings.short())
    }
}
