//! Why no job reads a setting, in words.

use crate::{
    eval::benchmark::BENCHMARKS,
    settings::one_of,
    spec::{
        schema::rest_below,
        settings::{Point, Settings},
    },
    train::Algorithm,
};

/// Why a setting changes nothing at any of these points.
#[expect(clippy::too_many_lines, reason = "a sentence for each reason")]
pub(super) fn reason(path: &str, points: &[Point], axes: &[String]) -> String {
    let points: Vec<&Settings> = points.iter().map(|point| &point.settings).collect();
    if axes.iter().any(|axis| axis == path) {
        return "the axis of [grid] sets it at every point".to_owned();
    }
    if let Some(benchmark) =
        rest_below(path, "eval.samples").or_else(|| rest_below(path, "data.benchmarks"))
    {
        return format!("`{benchmark}` is in no `eval.benchmarks`");
    }
    let all = |holds: fn(&Settings) -> bool| points.iter().all(|point| holds(point));
    let is_untrained = all(|point| point.stages.is_empty());
    let of_training = [
        "train",
        "reward",
        "data.train",
        "data.notes",
        "data.prompts.migration",
        "model.adapter",
    ];
    let is_of_training = of_training
        .iter()
        .any(|section| path == *section || rest_below(path, section).is_some());
    if is_of_training && is_untrained {
        return "nothing is trained: `train.algorithm` is \"none\"".to_owned();
    }
    if rest_below(path, "model.adapter").is_some() {
        return "all weights are trained: `model.adapter.kind` is \"none\"".to_owned();
    }
    for base in ["scratch", "remote"] {
        if rest_below(path, &format!("model.{base}")).is_some() {
            return format!("it is read only if `model.base` is \"{base}\"");
        }
    }
    if rest_below(path, "train.distill.remote").is_some() && !is_remotely_taught(&points) {
        return "it is read only if `train.distill.teacher` is \"remote\"".to_owned();
    }
    if let Some(rest) = rest_below(path, "train") {
        return in_training(rest, &points);
    }
    for part in ["tests", "custom"] {
        let has_reward = points
            .iter()
            .flat_map(|point| &point.stages)
            .any(|stage| stage.algorithm.has_reward());
        if has_reward && rest_below(path, &format!("reward.{part}")).is_some() {
            return format!("no reward has the part `{part}`");
        }
    }
    if path.starts_with("reward.") {
        return format!("{} has no reward", trained(&points));
    }
    if all(|point| point.model.remote.is_some()) {
        return "a model at an endpoint does not read it".to_owned();
    }
    if path.starts_with("eval.sampling.") {
        return "with a temperature of 0 the most likely token is taken".to_owned();
    }
    if rest_below(path, "eval").is_some() || rest_below(path, "data.prompts").is_some() {
        let names: Vec<&str> = BENCHMARKS
            .iter()
            .map(|benchmark| benchmark.name)
            .filter(|name| {
                points
                    .iter()
                    .flat_map(|point| &point.evals)
                    .any(|eval| eval.benchmark == *name)
            })
            .collect();
        return format!("{} does not read it", one_of(&names));
    }
    "no job reads it".to_owned()
}

/// Whether a training has a teacher behind an endpoint.
fn is_remotely_taught(points: &[&Settings]) -> bool {
    let mut stages = points.iter().flat_map(|point| &point.stages);
    stages.any(|stage| stage.algorithm.remote_teacher().is_some())
}

/// Why a setting below `[train]` changes nothing.
fn in_training(rest: &str, points: &[&Settings]) -> String {
    let stages = || points.iter().flat_map(|point| &point.stages);
    let (first, key) = rest.split_once('.').unwrap_or((rest, ""));
    let is_algorithm = Algorithm::names().contains(&first);
    if is_algorithm && stages().all(|stage| stage.algorithm.name() != first) {
        return format!("nothing is trained by {first}, but by {}", trained(points));
    }
    let key = if is_algorithm { key } else { rest };
    if key.starts_with("eval.") && stages().all(|stage| stage.eval.is_off()) {
        return "there are no evaluations during training: `train.eval.every` is 0".to_owned();
    }
    let of_rollouts = ["reward", "group_size"].contains(&key) || key.starts_with("sampling.");
    if of_rollouts && stages().all(|stage| !stage.algorithm.has_reward()) {
        return format!("{} does not read it", trained(points));
    }
    match key {
        "clip_low" | "clip_high" | "clip_ratio_c" | "largest_ratio" => {
            "with one update a rollout the ratio of the policies is 1, and nothing is clipped"
                .to_owned()
        }
        "overlong_factor" => "there is no penalty: `overlong_buffer` is 0".to_owned(),
        "max_generation_batches" => "`dynamic_sampling` is off".to_owned(),
        "advantage_epsilon" => "`advantage_scale` is \"none\"".to_owned(),
        "lr.floor" => "the rate is constant, without a warm-up".to_owned(),
        _ if !is_algorithm => format!("the tables of {} set it as well", trained(points)),
        _ => "a later layer sets it".to_owned(),
    }
}

/// The names of the algorithms that train, for a sentence.
fn trained(points: &[&Settings]) -> String {
    let names = Algorithm::names().into_iter();
    let is_used = |name: &&str| {
        let mut stages = points.iter().flat_map(|point| &point.stages);
        stages.any(|stage| stage.algorithm.name() == *name)
    };
    one_of(&names.filter(is_used).collect::<Vec<_>>()).replace(" or ", " and ")
}
