//! How the rows of rollouts are drawn: all equally often, or as a curriculum says.

use std::path::Path;

use crate::{digest::Digest, model::LanguageModel};

use super::{
    curriculum,
    error::TrainError,
    observer::Observer,
    order::Draw,
    rollout::{pass_rates::pass_rates, reward::RewardFn},
    settings::TrainSettings,
    task::Task,
};

/// What a curriculum depends on, besides the untrained model.
pub(super) struct Drawing<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) settings: &'a TrainSettings,
    pub(super) reward_fn: &'a dyn RewardFn,
    /// Where pass rates are kept.
    pub(super) folder: &'a Path,
    /// That of the training.
    pub(super) identity: &'a Digest,
}

impl Drawing<'_> {
    /// Measures the untrained model if there is a curriculum, unless that is done. Returns `None` if it has
    /// to stop before.
    pub(super) fn prepare(
        &self,
        model: &LanguageModel,
        observer: &mut dyn Observer,
    ) -> Result<Option<Draw>, TrainError> {
        let curriculum = &self.settings.curriculum;
        if curriculum.is_off() || !self.settings.algorithm.has_reward() {
            return Ok(Some(Draw::default()));
        }
        let rates = match curriculum::read(self.folder, self.identity) {
            Some(rates) if rates.len() == self.task.rows.len() => rates,
            _ => {
                let mut should_stop = || observer.should_stop();
                let (task, reward_fn) = (self.task, self.reward_fn);
                let rates = pass_rates(model, task, self.settings, reward_fn, &mut should_stop)?;
                let Some(rates) = rates else {
                    return Ok(None);
                };
                curriculum::keep(self.folder, self.identity, &rates)
                    .map_err(|source| TrainError::Observe { step: 0, source })?;
                rates
            }
        };
        let count = |wanted: fn(f64) -> bool| rates.iter().filter(|rate| wanted(**rate)).count();
        observer.on_note(&format!(
            "curriculum: of {} rows the untrained model always solves {} and never {}, in {} answers to each",
            rates.len(),
            count(|rate| rate >= 1.0),
            count(|rate| rate <= 0.0),
            curriculum.samples
        ));
        let weights = rates.iter().map(|rate| curriculum.weight(*rate)).collect();
        Ok(Some(Draw {
            weights: Some(weights),
        }))
    }
}
