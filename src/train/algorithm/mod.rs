//! The algorithms: one file each.

mod dapo;
mod grpo;
mod sft;

use serde::{Deserialize, Serialize};

pub use dapo::DapoSettings;
pub use grpo::GrpoSettings;
pub use sft::SftSettings;

/// An algorithm with its own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Supervised fine-tuning on completions.
    Sft(SftSettings),
    /// Group relative policy optimisation (arXiv 2402.03300).
    Grpo(GrpoSettings),
    /// Decoupled clip and dynamic sampling policy optimisation (arXiv 2503.14476).
    Dapo(DapoSettings),
}
