//! The algorithms: one file each.

mod cispo;
mod dapo;
mod grpo;
mod gspo;
mod sft;

use serde::{Deserialize, Serialize};

use crate::{
    model::Decoder,
    train::{
        TrainError, TrainSettings,
        rollout::{
            collect::{Collector, Judge},
            objective::Objective,
            step::Policy,
        },
        step::Method,
        task::Task,
    },
};

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

/// Runs `body` with the method that the settings name; `start` is the frozen model at the start.
pub(super) fn with_method<T>(
    task: &Task<'_>,
    settings: &TrainSettings,
    judge: &dyn Judge,
    start: Decoder,
    body: impl FnOnce(&mut dyn Method) -> Result<T, TrainError>,
) -> Result<T, TrainError> {
    if let Algorithm::Sft(SftSettings {
        prompt_weight,
        order,
    }) = settings.algorithm
    {
        return body(&mut sft::Sft {
            task,
            batch_size: settings.batch_size,
            prompt_weight,
            order,
        });
    }
    let Some(objective) = settings.algorithm.objective(settings.batch_size) else {
        return Err(TrainError::Settings(
            "the algorithm has no objective".to_owned(),
        ));
    };
    let collector = Collector {
        task,
        objective: &objective,
        sampling: &settings.sampling,
        judge,
        batch_size: settings.batch_size,
        group_size: settings.group_size,
    };
    let reference = (objective.kl_weight > 0.0).then_some(start);
    body(&mut Policy {
        collector,
        reference,
    })
}
