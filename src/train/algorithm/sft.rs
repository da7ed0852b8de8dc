//! Supervised fine-tuning on completions.

use crate::{
    settings::{Preset, choice, from_to, presets, settings},
    train::{algorithm::AlgorithmSettings, order::RowOrder, rollout::objective::Objective},
};

settings! {
    /// The settings of SFT alone.
    pub struct SftSettings {
        /// The weight of the prompt's tokens in the loss; 0 trains on completions only.
        #[key(from_to(0.0, 1.0), default = 0.0, source = "completions only")]
        pub prompt_weight: f64,
        /// The order of the rows: shuffled again for each epoch, or as in the file.
        #[key(choice::<RowOrder>("order"), default = "shuffled", source = "as TRL")]
        pub order: RowOrder,
    }
}

impl AlgorithmSettings for SftSettings {
    const HAS_REWARD: bool = false;

    const PRESETS: &'static [Preset] = presets! {
        max_steps = 670, "ours: 3 epochs of 1,786 rows by 8";
        lr.warmup_steps = 20, "ours: 3 % of the steps";
    };

    const SOURCE: Option<&'static str> =
        Some("the paper has no code for SFT: the learning rate is that of [train]");

    fn objective(&self, _: usize) -> Option<Objective> {
        None
    }
}
