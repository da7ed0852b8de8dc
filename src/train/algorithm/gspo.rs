//! Group sequence policy optimisation (arXiv 2507.18071): the ratio is that of a whole completion.

use crate::{
    settings::{from_to, settings, whole},
    train::{
        algorithm::AlgorithmSettings,
        loss::{Aggregation, ClipRange, Surrogate},
        rollout::{
            advantage::{AdvantageRule, AdvantageScale, Baseline},
            objective::Objective,
        },
    },
};

settings! {
    /// The settings of GSPO alone.
    pub struct GspoSettings {
        /// The ratio of the policies for a whole completion is clipped below at 1 minus this.
        #[key(from_to(0.0, 1.0), default = 3e-4, source = "arXiv 2507.18071, section 5.1")]
        pub clip_low: f64,
        /// The ratio of the policies for a whole completion is clipped above at 1 plus this.
        #[key(from_to(0.0, 1e3), default = 4e-4, source = "arXiv 2507.18071, section 5.1")]
        pub clip_high: f64,
        /// Added to the divisor of the advantages.
        #[key(from_to(0.0, 1.0), default = 1e-6, source = "as dapo")]
        pub advantage_epsilon: f64,
        /// The number of prompts in an update; `batch_size / mini_batch_size` updates follow one
        /// rollout.
        #[key(whole(1, 1_000_000), default = 4, source = "as dapo")]
        pub mini_batch_size: usize,
    }
}

impl AlgorithmSettings for GspoSettings {
    const SOURCE: Option<&'static str> = Some("not in the paper");

    /// Several updates a rollout, each completion as one action, without a reference.
    fn objective(&self, _: usize) -> Option<Objective> {
        Some(Objective::new(
            Surrogate::Sequence(ClipRange {
                low: self.clip_low,
                high: self.clip_high,
                dual: None,
            }),
            Aggregation::Sequence,
            AdvantageRule {
                baseline: Baseline::Group,
                scale: AdvantageScale::Group,
                epsilon: self.advantage_epsilon,
            },
            self.mini_batch_size,
        ))
    }
}
