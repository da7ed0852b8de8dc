//! The algorithms: one file each, and one line in `algorithms!` below.
//!
//! The file of an algorithm has its settings and says with [`AlgorithmSettings::objective`] how a
//! policy learns from its own completions. The line gives it its name in specs, in messages and in
//! the help.

mod cispo;
mod dapo;
mod distill;
mod dpo;
mod grpo;
mod gspo;
mod reinforce_plus_plus;
mod rloo;
mod sft;

use std::iter;

use serde::{Deserialize, Serialize};

use crate::{
    model::ModelSettings,
    remote::RemoteSettings,
    settings::{Field, Kind, Preset, Settings, keys},
    train::rollout::objective::Objective,
};

/// The settings that one algorithm has for itself.
pub(in crate::train) trait AlgorithmSettings: Settings {
    /// Whether it learns from its own completions, and so has a reward.
    const HAS_REWARD: bool = true;

    /// Its defaults of settings that all algorithms share, where they differ.
    const PRESETS: &'static [Preset] = &[];

    /// Where its defaults come from that name no source.
    const SOURCE: Option<&'static str> = None;

    /// How a policy learns from its own completions; `None` for what learns from given ones.
    fn objective(&self, batch_size: usize) -> Option<Objective>;

    /// The name of the model that it imitates, if it has one.
    fn teacher(&mut self) -> Option<&mut String> {
        None
    }

    /// Where that model is, if it is behind an endpoint.
    fn remote_teacher(&mut self) -> Option<&mut RemoteSettings> {
        None
    }
}

/// What the registry says about an algorithm.
#[derive(Clone, Copy, Debug)]
pub struct AlgorithmInfo {
    /// Its name, as a spec writes it.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// The settings that it has for itself.
    pub fields: &'static [Field],
    /// Its defaults of settings that all algorithms share, where they differ.
    pub presets: &'static [Preset],
    /// Where its defaults come from that name no source.
    pub source: Option<&'static str>,
    /// Whether it learns from its own completions, and so has a reward.
    pub has_reward: bool,
}

/// Makes the enum of the algorithms, and what the registry says about each.
macro_rules! algorithms {
    ($(#[doc = $summary:literal] $variant:ident $name:literal => $module:ident::$settings:ident,)*) => {
        $(pub use $module::$settings;)*

        /// An algorithm with its own settings.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Algorithm {
            $(#[doc = $summary] #[serde(rename = $name)] $variant($settings),)*
        }

        impl Algorithm {
            /// All algorithms.
            pub const ALL: &[AlgorithmInfo] = &[$(AlgorithmInfo {
                name: $name,
                summary: $summary.trim_ascii_start(),
                fields: $settings::FIELDS,
                presets: $settings::PRESETS,
                source: $settings::SOURCE,
                has_reward: $settings::HAS_REWARD,
            }),*];

            /// Its name, as a spec writes it.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name),* }
            }

            /// Whether it learns from its own completions, and so has a reward.
            pub fn has_reward(&self) -> bool {
                match self { $(Self::$variant(_) => $settings::HAS_REWARD),* }
            }

            /// How a policy learns from its own completions; `None` for what learns from given ones.
            pub(in crate::train) fn objective(&self, batch_size: usize) -> Option<Objective> {
                match self { $(Self::$variant(settings) => settings.objective(batch_size)),* }
            }

            /// The name or the folder of the model that it imitates, if it has one; empty if the
            /// settings do not say.
            pub fn teacher_mut(&mut self) -> Option<&mut String> {
                match self { $(Self::$variant(settings) => settings.teacher()),* }
            }

            /// The endpoint of that model, if it is behind one.
            pub fn remote_teacher_mut(&mut self) -> Option<&mut RemoteSettings> {
                match self { $(Self::$variant(settings) => settings.remote_teacher()),* }
            }
        }
    };
}

pub use distill::DistillEstimator;

algorithms! {
    /// Supervised fine-tuning on completions.
    Sft "sft" => sft::SftSettings,
    /// Group relative policy optimisation (arXiv 2402.03300).
    Grpo "grpo" => grpo::GrpoSettings,
    /// Decoupled clip and dynamic sampling policy optimisation (arXiv 2503.14476).
    Dapo "dapo" => dapo::DapoSettings,
    /// Group sequence policy optimisation (arXiv 2507.18071).
    Gspo "gspo" => gspo::GspoSettings,
    /// Clipped importance-sampling policy optimisation (arXiv 2506.13585).
    Cispo "cispo" => cispo::CispoSettings,
    /// REINFORCE leave-one-out (arXiv 2402.14740).
    Rloo "rloo" => rloo::RlooSettings,
    /// REINFORCE with advantages normalised over the batch (REINFORCE++, arXiv 2501.03262).
    ReinforcePlusPlus "reinforce_plus_plus" => reinforce_plus_plus::ReinforcePlusPlusSettings,
    /// Direct preference optimisation on the best and worst of each group (arXiv 2305.18290).
    Dpo "dpo" => dpo::DpoSettings,
    /// Distillation from a teacher on the model's own completions (arXiv 2306.13649).
    Distill "distill" => distill::DistillSettings,
}

/// The settings that a spec, and no job, has of every algorithm with a reward.
pub const STAGE_FIELDS: &[Field] = keys! {
    /// With `sft`, SFT runs first, as `[train.sft]` says, and this algorithm starts from its result.
    #[key(Kind::Choice("stage", stages), default = "none")]
    after,
};

/// What may run before an algorithm with a reward: the algorithms that learn from given completions.
fn stages() -> Vec<&'static str> {
    let given = Algorithm::ALL.iter().filter(|one| !one.has_reward);
    iter::once("none")
        .chain(given.map(|one| one.name))
        .collect()
}

impl Algorithm {
    /// The names of all algorithms.
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|algorithm| algorithm.name).collect()
    }

    /// Prompts an update of a policy; `None` for what learns from given completions.
    pub fn mini_batch_size(&self, batch_size: usize) -> Option<usize> {
        Some(self.objective(batch_size)?.mini_batch_size)
    }

    /// The name or the folder of the model that it imitates, if it has one; empty if the settings do not
    /// say.
    pub fn teacher(&self) -> Option<String> {
        self.clone().teacher_mut().cloned()
    }

    /// The endpoint of the model that it imitates, if that is behind one.
    pub fn remote_teacher(&self) -> Option<RemoteSettings> {
        self.clone().remote_teacher_mut().cloned()
    }

    /// The settings without those that its teacher does not read: they are no part of its jobs.
    #[must_use]
    pub fn of_its_teacher(mut self) -> Self {
        if let Self::Distill(settings) = &mut self
            && settings.teacher != ModelSettings::REMOTE
        {
            settings.remote = None;
        }
        self
    }

    /// Whether the loss compares the policy with the frozen model at the start.
    pub fn needs_reference(&self) -> bool {
        self.objective(1)
            .is_some_and(|objective| objective.needs_reference())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::settings::variants;

    #[test]
    fn the_registry_has_the_names_that_serde_reads() {
        assert_eq!(Algorithm::names(), variants::<Algorithm>());
        let unique: BTreeSet<_> = Algorithm::names().into_iter().collect();
        assert_eq!(unique.len(), Algorithm::ALL.len());
    }
}
