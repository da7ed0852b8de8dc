//! The algorithms: one file each.

mod cispo;
mod dapo;
mod grpo;
mod gspo;
mod sft;

use serde::{Deserialize, Serialize};

use crate::train::rollout::objective::Objective;

pub use cispo::CispoSettings;
pub use dapo::DapoSettings;
pub use grpo::GrpoSettings;
pub use gspo::GspoSettings;
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
    /// Group sequence policy optimisation (arXiv 2507.18071).
    Gspo(GspoSettings),
    /// Clipped importance-sampling policy optimisation (arXiv 2506.13585).
    Cispo(CispoSettings),
}

impl Algorithm {
    /// How a policy learns from its own completions; none for what learns from given ones.
    pub(super) fn objective(&self, batch_size: usize) -> Option<Objective> {
        match self {
            Self::Sft(_) => None,
            Self::Grpo(settings) => Some(settings.objective(batch_size)),
            Self::Dapo(settings) => Some(settings.objective()),
            Self::Gspo(settings) => Some(settings.objective()),
            Self::Cispo(settings) => Some(settings.objective()),
        }
    }

    /// Its name, as a spec writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sft(_) => "sft",
            Self::Grpo(_) => "grpo",
            Self::Dapo(_) => "dapo",
            Self::Gspo(_) => "gspo",
            Self::Cispo(_) => "cispo",
        }
    }

    /// Whether it learns from its own completions, and so has a reward.
    pub fn has_reward(&self) -> bool {
        !matches!(self, Self::Sft(_))
    }

    /// Prompts an update, where a rollout may serve several.
    pub fn mini_batch_size(&self) -> Option<usize> {
        match self {
            Self::Sft(_) | Self::Grpo(_) => None,
            Self::Dapo(settings) => Some(settings.mini_batch_size),
            Self::Gspo(settings) => Some(settings.mini_batch_size),
            Self::Cispo(settings) => Some(settings.mini_batch_size),
        }
    }
}
