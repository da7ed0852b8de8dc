//! Settings that are part of a job, but whose value another setting makes irrelevant.

use crate::{
    eval::EvalSettings,
    spec::settings::Settings,
    train::{AdvantageScale, Algorithm, Schedule, TrainSettings},
};

/// Whether the value of a setting makes no difference to the results of a point.
pub(super) fn is_inert(path: &str, settings: &Settings) -> bool {
    if let Some(name) = path.strip_prefix("eval.sampling.") {
        // The most likely token is among those that every filter keeps.
        let is_greedy = |one: &EvalSettings| one.sampling.temperature <= 0.0;
        let is_filter = matches!(name, "top_k" | "top_p" | "min_p");
        return is_filter && !settings.evals.is_empty() && settings.evals.iter().all(is_greedy);
    }
    let Some(rest) = path.strip_prefix("train.") else {
        return false;
    };
    let own = |stage: &TrainSettings| {
        let name = stage.algorithm.name();
        let own = rest
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'));
        own.unwrap_or(rest).to_owned()
    };
    !settings.stages.is_empty()
        && settings
            .stages
            .iter()
            .all(|stage| is_inert_in(&own(stage), stage))
}

/// As [`is_inert`], for a key below `[train]` or the table of the algorithm.
fn is_inert_in(key: &str, stage: &TrainSettings) -> bool {
    let rate = &stage.learning_rate;
    match key {
        "lr.floor" => rate.schedule == Schedule::Constant && rate.warmup_steps == 0,
        // With one update a rollout, the policy that samples is the one that learns.
        "clip_low" | "clip_high" | "clip_ratio_c" | "largest_ratio" => {
            let mini = stage.algorithm.mini_batch_size(stage.batch_size);
            mini.is_some_and(|mini| mini >= stage.batch_size)
        }
        "overlong_factor" => {
            matches!(&stage.algorithm, Algorithm::Dapo(dapo) if dapo.overlong_buffer == 0)
        }
        "max_generation_batches" => {
            matches!(&stage.algorithm, Algorithm::Dapo(dapo) if !dapo.dynamic_sampling)
        }
        "advantage_epsilon" => {
            matches!(&stage.algorithm, Algorithm::Grpo(grpo) if grpo.advantage_scale == AdvantageScale::None)
        }
        _ => false,
    }
}
