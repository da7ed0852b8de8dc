//! Supervised fine-tuning on completions.

use serde::{Deserialize, Serialize};

use crate::train::order::RowOrder;

/// What SFT alone is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SftSettings {
    /// Weight of the prompt's tokens in the loss; 0 trains on completions only.
    pub prompt_weight: f64,
    /// In which order the rows come.
    pub order: RowOrder,
}
