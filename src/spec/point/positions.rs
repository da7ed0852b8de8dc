//! Whether completions fit into the longest sequence that a model reads.

use std::path::Path;

use super::report::PointReport;
use crate::{
    data::{Cache, Resolved},
    model::{DecoderConfig, config_of_model},
    spec::{read::layered::Setting, settings::Settings},
};

/// Reports completions that leave no room for a prompt. A model from scratch has a check of its own, which
/// counts the prompts too: whoever chooses the shape can make room for them.
pub(super) fn check(report: &mut PointReport<'_>, settings: &Settings) {
    if settings.model.base == "scratch" || settings.model.remote.is_some() {
        return;
    }
    let lengths = lengths(report, settings);
    // Reading the configuration of a model takes longer than all other checks of a point.
    let Some(longest) = positions(report, &settings.model.base) else {
        return;
    };
    for (setting, completion, key) in lengths {
        if completion >= longest {
            let base = &settings.model.base;
            report.contradict(
                format!("completions of {completion} tokens leave no room for a prompt: `{base}` reads at most {longest} tokens"),
                (setting, "the longest completion"),
                (report.layered.get("model.base"), "the model"),
                &format!("set `{key}` below {longest}, minus the tokens of a prompt"),
            );
        }
    }
}

/// The longest completions of the trainings and the evaluations: their setting, their length, and their key.
fn lengths<'a>(
    report: &PointReport<'a>,
    settings: &Settings,
) -> Vec<(Option<Setting<'a>>, usize, String)> {
    const KEY: &str = "sampling.max_completion_tokens";
    let mut lengths = Vec::new();
    for stage in settings
        .stages
        .iter()
        .filter(|stage| stage.algorithm.has_reward())
    {
        let setting = report.trained(stage.algorithm.name(), KEY);
        lengths.push((
            setting,
            stage.sampling.max_completion_tokens,
            format!("train.{KEY}"),
        ));
    }
    // All evaluations of a point sample alike.
    if let Some(eval) = settings.evals.first() {
        let key = format!("eval.{KEY}");
        let setting = report.layered.get(&key);
        lengths.push((setting, eval.sampling.max_completion_tokens, key));
    }
    lengths
}

/// The longest sequence that a model reads, in tokens, where that is known without a download.
fn positions(report: &PointReport<'_>, base: &str) -> Option<usize> {
    let config = |path: &Path| config_of_model(path).ok();
    let entry = report
        .around
        .manifest
        .as_ref()
        .and_then(|manifest| manifest.get(base));
    let config = match entry {
        Some(entry) => match entry.shape() {
            Some(shape) => DecoderConfig::from_json(shape.clone()).ok(),
            // A cache that is nowhere holds only what comes with the project.
            None => match Cache::at("").resolve(entry) {
                Resolved::Here(folder) if entry.is_shipped() => config(&folder),
                _ => None,
            },
        },
        None => config(&report.around.path(base, report.folder("model.base"))),
    };
    Some(config?.max_position_embeddings)
}
