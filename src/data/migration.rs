//! The training data: old code, a note about an update, new code.

use serde::{Deserialize, Serialize};

/// One row of a migration data set, in the paper's format (JSON lines).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// The library whose API changed.
    pub dependency: String,
    /// The version that brought the change, with its operator (`==2.2.0`).
    pub new_version: String,
    /// What the code does.
    #[serde(default)]
    pub description: String,
    /// The note about the update.
    pub update_info: String,
    /// Code that uses the old API.
    pub old_code: String,
    /// The same code with the new API: the target.
    pub new_code: String,
}
