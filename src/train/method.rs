//! The choice of a method by the settings of its algorithm.

use crate::{model::Decoder, ranks::Ranks};

use super::{
    algorithm::Algorithm,
    error::TrainError,
    order::Draw,
    rollout::{collect::Collector, gap::GapWatch, reward::RewardFn, step::RolloutStep},
    settings::TrainSettings,
    step::Method,
    supervised::SupervisedStep,
    task::Task,
    teacher::Teacher,
};

/// The models of a training that never change.
pub(super) struct Frozen<'a> {
    /// The model before its first update.
    pub(super) start: Decoder,
    /// The model that is imitated.
    pub(super) teacher: Option<Teacher<'a>>,
}

/// The method of an algorithm; `draw` says which rows a rollout has.
pub(super) fn method<'a>(
    task: &'a Task<'a>,
    settings: &'a TrainSettings,
    reward_fn: &'a dyn RewardFn,
    frozen: Frozen<'a>,
    draw: Draw,
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
    let teacher = frozen.teacher.filter(|_| objective.teacher_weight > 0.0);
    if objective.teacher_weight > 0.0 && teacher.is_none() {
        return Err(TrainError::Settings(format!(
            "`{}` needs a teacher",
            settings.algorithm.name()
        )));
    }
    if let Some(Teacher::Remote(_)) = teacher {
        let wrong = |text: &str| Err(TrainError::Settings(text.to_owned()));
        if !objective.samples_teacher {
            return wrong(
                "a remote teacher judges only the tokens that were drawn: set `estimator` to `sampled`",
            );
        }
        if (settings.sampling.temperature - 1.0).abs() > f64::EPSILON {
            return wrong(
                "a remote teacher answers at a temperature of 1: set `sampling.temperature` to `1.0`",
            );
        }
    }
    Ok(Box::new(RolloutStep {
        reference: objective.needs_reference().then_some(frozen.start),
        teacher,
        gap: GapWatch::default(),
        collector: Collector {
            task,
            ranks,
            draw,
            objective,
            sampling: &settings.sampling,
            reward_fn,
            batch_size: settings.batch_size,
            group_size: settings.group_size,
        },
    }))
}
