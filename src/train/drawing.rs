//! How the rows of rollouts are drawn: all equally often, or as a curriculum says.

use std::path::Path;

use crate::{digest::Digest, model::LanguageModel, ranks::Ranks};

use super::{
    error::TrainError,
    kept,
    observer::Observer,
    order::Draw,
    rollout::{pass_rates::pass_rates, reward::RewardFn},
    settings::TrainSettings,
    task::Task,
};

/// The name of the file of pass rates.
const FILE: &str = "pass_rates.json";

/// Rows that are answered at the same time. What is known of them is kept before the next ones.
const ROWS: usize = 64;

/// What a curriculum depends on, besides the untrained model.
pub(super) struct Drawing<'a> {
    pub(super) task: &'a Task<'a>,
    pub(super) settings: &'a TrainSettings,
    pub(super) reward_fn: &'a dyn RewardFn,
    /// Where pass rates are kept.
    pub(super) folder: &'a Path,
    /// That of the training.
    pub(super) identity: &'a Digest,
    pub(super) ranks: &'a Ranks,
}

impl Drawing<'_> {
    /// The pass rates of the untrained model say how rows are drawn, if there is a curriculum. Returns `None` if it has
    /// to stop before they are known.
    ///
    /// The first rank measures and the others wait: a judge or a device may not give each rank the same rates.
    pub(super) fn prepare(
        &self,
        model: &LanguageModel,
        observer: &mut dyn Observer,
    ) -> Result<Option<Draw>, TrainError> {
        let curriculum = &self.settings.curriculum;
        if curriculum.is_off() || !self.settings.algorithm.has_reward() {
            return Ok(Some(Draw::default()));
        }
        let Some(rates) = self.rates(model, observer)? else {
            return Ok(None);
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

    /// The pass rate of each row, as the first rank has measured it; those that an earlier start has measured are not
    /// measured again.
    fn rates(
        &self,
        model: &LanguageModel,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<f64>>, TrainError> {
        let (first, file) = (self.ranks.is_first(), self.folder.join(FILE));
        let known = first.then(|| kept::read::<f64>(&file, self.identity));
        let mut rates: Vec<f64> = self.ranks.first_says(known)?;
        while rates.len() < self.task.rows.len() {
            let more = first.then(|| self.more(model, observer, &file, rates));
            // The others wait for some rows only, not for all.
            let Some(all) = self.ranks.first_says(more.transpose()?)? else {
                return Ok(None);
            };
            rates = all;
        }
        Ok(Some(rates))
    }

    /// The rates with those of the next rows; `None` if it has to stop.
    fn more(
        &self,
        model: &LanguageModel,
        observer: &mut dyn Observer,
        file: &Path,
        mut rates: Vec<f64>,
    ) -> Result<Option<Vec<f64>>, TrainError> {
        let rows = rates.len()..(rates.len() + ROWS).min(self.task.rows.len());
        let mut should_stop = || observer.should_stop();
        let more = pass_rates(
            model,
            self.task,
            self.settings,
            self.reward_fn,
            rows,
            &mut should_stop,
        )?;
        let Some(more) = more else {
            return Ok(None);
        };
        rates.extend(more);
        let kept = kept::keep(file, self.identity, rates);
        kept.map(Some)
            .map_err(|source| TrainError::Observe { step: 0, source })
    }
}
