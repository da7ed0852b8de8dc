//! The choice of a method by the settings of its algorithm.

use crate::{model::Decoder, ranks::Ranks};

use super::{
    algorithm::Algorithm,
    error::TrainError,
    rollout::{collect::Collector, gap::GapWatch, reward::RewardFn, step::RolloutStep},
    settings::TrainSettings,
    step::Method,
    supervised::SupervisedStep,
    task::Task,
};

/// The method of an algorithm; `start` is the frozen model before its first update.
pub(super) fn method<'a>(
    task: &'a Task<'a>,
    settings: &'a TrainSettings,
    reward_fn: &'a dyn RewardFn,
    start: Decoder,
    ranks: &'a Ranks,
) -> Result<Box<dyn Method + 'a>, TrainError> {
    if let Algorithm::Sft(sft) = &settings.algorithm {
        return Ok(Box::new(SupervisedStep {
            task,
            batch_size: settings.batch_size,
            prompt_weight: sft.prompt_weight,
            order: sft.order,
        }));
    }
    let Some(objective) = settings.algorithm.objective(settings.batch_size) else {
        return Err(TrainError::Settings(
            "the algorithm has no objective".to_owned(),
        ));
    };
    Ok(Box::new(RolloutStep {
        reference: (objective.kl_weight > 0.0).then_some(start),
        gap: GapWatch::default(),
        collector: Collector {
            task,
            ranks,
            objective,
            sampling: &settings.sampling,
            reward_fn,
            batch_size: settings.batch_size,
            group_size: settings.group_size,
        },
    }))
}
