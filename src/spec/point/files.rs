//! Whether the files and names that a point of the grid uses exist.

use std::path::{Path, PathBuf};

use super::report::PointReport;
use crate::{
    data::{Kind as DataKind, TaskFormat},
    model::{ModelSettings, is_model},
    reward::CustomSettings,
    settings::one_of,
    spec::{
        code::Code,
        problem::Problem,
        settings::Settings,
        suggest::{nearest, similar_file},
    },
};

const PATHS: &str = "paths start in the folder that has `datasets/` in it; those that begin with `./` or `../`, in the folder of the spec";

/// Completes the paths of a point, and reports the files that do not exist.
pub(super) fn check(report: &mut PointReport<'_>, settings: &mut Settings) {
    let is_trained = !settings.stages.is_empty();
    if settings.model.base == "scratch" {
        let tokenizer = &mut settings.model.scratch.tokenizer;
        *tokenizer = file(report, "model.scratch.tokenizer", "tokenizer", tokenizer);
    } else if settings.model.base != ModelSettings::REMOTE {
        settings.model.base = model(report, "model.base", &settings.model.base);
    }
    if is_trained {
        settings.data.train = data_set(report, &settings.data.train);
        for stage in &mut settings.stages {
            if let Some(custom) = &mut stage.reward_settings.custom {
                reward_files(report, custom);
            }
            let key = format!("train.{}.teacher", stage.algorithm.name());
            let teacher = stage.algorithm.teacher_mut();
            if let Some(teacher) = teacher.filter(|name| name.as_str() != ModelSettings::REMOTE) {
                *teacher = model(report, &key, teacher);
            }
        }
        let prompt = &mut settings.data.prompts.migration;
        *prompt = file(report, "data.prompts.migration", "prompt template", prompt);
    }
    let within = || settings.stage_evals.iter().flatten();
    let evals = || settings.evals.iter().chain(within());
    let benchmarks = evals().filter_map(|eval| eval.descriptor().ok());
    let used: Vec<TaskFormat> = benchmarks.map(|benchmark| benchmark.format).collect();
    for format in TaskFormat::ALL
        .iter()
        .filter(|format| used.contains(format))
    {
        let key = format!("data.prompts.{}", format.key());
        let path = settings.data.prompts.of_tasks_mut(*format);
        *path = file(report, &key, "prompt template", path);
    }
    for (name, path) in &mut settings.data.benchmarks {
        *path = file(
            report,
            &format!("data.benchmarks.{name}"),
            "benchmark file",
            path,
        );
    }
}

/// Completes the paths of a reward of one's own: arguments that name no file stay as they are.
fn reward_files(report: &mut PointReport<'_>, custom: &mut CustomSettings) {
    for argument in &mut custom.command {
        let folder = report.folder("reward.custom.command");
        let whole = report.around.path(argument, folder);
        let is_source = Path::new(&*argument)
            .extension()
            .is_some_and(|ending| ending == "py");
        if whole.is_file() {
            *argument = whole.to_string_lossy().into_owned();
        } else if is_source {
            // Its error would otherwise come from Python, after the model is loaded.
            file(
                report,
                "reward.custom.command",
                "program",
                Path::new(&*argument),
            );
        }
    }
    for path in &mut custom.files {
        let whole = file(report, "reward.custom.files", "file", Path::new(&*path));
        *path = whole.to_string_lossy().into_owned();
    }
}

fn file(report: &mut PointReport<'_>, key: &str, noun: &str, path: &Path) -> PathBuf {
    let text = path.to_string_lossy().into_owned();
    let place = report.place(key);
    let whole = report.around.path(&text, report.folder(key));
    if !whole.is_file() {
        let title = format!("the {noun} `{text}` does not exist");
        let label = format!("no file {}", whole.display());
        let problem = Problem::new(Code::E106, place, title, label);
        let problem = match similar_file(&whole, ending(&whole)) {
            Some(name) => {
                let folder = Path::new(&text).parent().unwrap_or(Path::new(""));
                let better = folder.join(name).display().to_string();
                problem.replace(
                    place,
                    format!("\"{better}\""),
                    format!("did you mean `{better}`?"),
                )
            }
            None => problem.help(PATHS),
        };
        report.add(problem);
    }
    whole
}

/// Completes the path of a model, which a key names.
fn model(report: &mut PointReport<'_>, key: &str, base: &str) -> String {
    let place = report.place(key);
    let names = report.around.names(DataKind::Model);
    if !base.is_empty() && is_named(report, names.as_deref(), base) {
        return base.to_owned();
    }
    let whole = report.around.path(base, report.folder(key));
    if is_model(&whole) && !base.is_empty() {
        return whole.to_string_lossy().into_owned();
    }
    let names = names.unwrap_or_default();
    // A teacher has been trained.
    let others: &[&str] = match key {
        "model.base" => &["scratch", ModelSettings::REMOTE],
        _ => &[ModelSettings::REMOTE],
    };
    let title = match base {
        "" => format!("`{key}` names no model"),
        base => format!("unknown model `{base}`"),
    };
    let label = "neither a name of datasets/manifest.toml nor a folder or GGUF file";
    let problem = Problem::new(Code::E107, place, title, label);
    report.add(match nearest(base, names.iter().chain(others).copied()) {
        Some(name) => problem.replace(
            place,
            format!("\"{name}\""),
            format!("did you mean `{name}`?"),
        ),
        None => problem.help(format!(
            "write {}, the path of a folder in the Hugging Face layout or of a GGUF file{}",
            one_of(&names),
            if others.len() == 1 {
                " or `remote`"
            } else {
                ", `scratch` or `remote`"
            }
        )),
    });
    base.to_owned()
}

fn data_set(report: &mut PointReport<'_>, train: &str) -> String {
    let place = report.place("data.train");
    let names = report.around.names(DataKind::Migrations);
    if is_named(report, names.as_deref(), train) {
        return train.to_owned();
    }
    let whole = report.around.path(train, report.folder("data.train"));
    if whole.is_file() {
        return whole.to_string_lossy().into_owned();
    }
    let names = names.unwrap_or_default();
    let title = format!("unknown data set `{train}`");
    let label = "neither a name of datasets/manifest.toml nor a file";
    let problem = Problem::new(Code::E108, place, title, label);
    report.add(match nearest(train, names.iter().copied()) {
        Some(name) => problem.replace(
            place,
            format!("\"{name}\""),
            format!("did you mean `{name}`?"),
        ),
        None => problem.help(format!(
            "write {} or the path of a JSON-lines file",
            one_of(&names)
        )),
    });
    train.to_owned()
}

/// Whether a name is one of the manifest's; a project without a manifest may mean anything by it.
fn is_named(report: &PointReport<'_>, names: Option<&[&str]>, name: &str) -> bool {
    match names {
        Some(names) => names.contains(&name),
        None => report.around.is_project(),
    }
}

fn ending(path: &Path) -> &str {
    path.extension()
        .and_then(|ending| ending.to_str())
        .unwrap_or_default()
}
