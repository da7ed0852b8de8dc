//! From layered values to the settings of one point.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use crate::{
    eval::EvalSettings,
    model::ModelSettings,
    spec::{read::layered::Layered, schema, settings::Settings},
    train::{Curriculum, EvalSchedule, TrainSettings},
};

/// The settings of a point. An error names the section that does not fit its struct, although the
/// checks have accepted it.
pub(in crate::spec) fn settings(point: &Layered) -> Result<Settings, String> {
    let algorithm = text(point, "train.algorithm").unwrap_or_else(|| "none".to_owned());
    let evals = names(point, "eval.benchmarks");
    let mut stages = Vec::new();
    if algorithm != "none" {
        let before = text(point, &format!("train.{algorithm}.after"));
        if let Some(before) = before.filter(|before| before != "none") {
            stages.push(training(point, &before)?);
        }
        stages.push(training(point, &algorithm)?);
    }
    let stage_evals = stages.iter().map(|stage| evaluation_within(point, stage));
    let stage_evals = stage_evals.collect::<Result<_, _>>()?;
    Ok(Settings {
        model: section::<ModelSettings>(point, "model")?.of_its_base(),
        data: section(point, "data")?,
        method: if algorithm == "none" {
            "untrained".to_owned()
        } else {
            algorithm
        },
        stages,
        stage_evals,
        evals: evals
            .iter()
            .map(|name| evaluation(point, name))
            .collect::<Result<_, _>>()?,
        run: section(point, "run")?,
    })
}

/// The training by one algorithm: its own table over `[train]`.
///
/// A key of the algorithm's table wins over the same key of `[train]`, unless a later layer sets
/// the latter: `--set train.max_steps=10` makes every training short, whatever a file says.
fn training(point: &Layered, algorithm: &str) -> Result<TrainSettings, String> {
    let mut train = Json::Object(Map::new());
    for path in schema::shared_paths() {
        let shared = format!("train.{path}");
        let own = format!("train.{algorithm}.{path}");
        let wins = match (point.get(&own), point.get(&shared)) {
            (Some(own), Some(shared)) => own.layer >= shared.layer,
            (own, _) => own.is_some(),
        };
        if let Some(value) = point.json(if wins { &own } else { &shared }) {
            insert(&mut train, path, value);
        }
    }
    let mut own = Map::new();
    for (key, value) in object(point.json(&format!("train.{algorithm}"))) {
        let is_shared = schema::shared_paths().any(|path| path.split('.').next() == Some(&key));
        if !is_shared && key != "after" {
            own.insert(key, value);
        }
    }
    insert(&mut train, "algorithm", json!({ algorithm: own }));
    insert(
        &mut train,
        "reward_settings",
        point.json("reward").unwrap_or_default(),
    );
    let mut train: TrainSettings = read(&format!("train.{algorithm}"), train)?;
    train.reward_settings = train.reward.of_settings(train.reward_settings);
    train.algorithm = train.algorithm.of_its_teacher();
    if train.eval.is_off() {
        // Without evaluations, their settings make no difference.
        train.eval = EvalSchedule::default();
    }
    if train.curriculum.is_off() {
        train.curriculum = Curriculum::default();
    }
    Ok(train)
}

/// The evaluation within a training: that of `[eval]`, with fewer tasks and samples.
fn evaluation_within(
    point: &Layered,
    train: &TrainSettings,
) -> Result<Option<EvalSettings>, String> {
    let schedule = &train.eval;
    if schedule.is_off() {
        return Ok(None);
    }
    Ok(Some(EvalSettings {
        samples: schedule.samples,
        limit: schedule.limit,
        ..evaluation(point, &schedule.benchmark)?
    }))
}

fn evaluation(point: &Layered, benchmark: &str) -> Result<EvalSettings, String> {
    let mut eval = object(point.json("eval"));
    let samples = point.json(&format!("eval.samples.{benchmark}"));
    eval.remove("benchmarks");
    eval.insert("samples".to_owned(), samples.unwrap_or_else(|| json!(1)));
    eval.insert("benchmark".to_owned(), json!(benchmark));
    read("eval", Json::Object(eval)).map(EvalSettings::of_its_benchmark)
}

pub(in crate::spec) fn section<T: DeserializeOwned>(
    point: &Layered,
    path: &str,
) -> Result<T, String> {
    read(path, point.json(path).unwrap_or_else(|| json!({})))
}

fn read<T: DeserializeOwned>(path: &str, json: Json) -> Result<T, String> {
    serde_json::from_value(json).map_err(|error| format!("[{path}] cannot be read: {error}"))
}

fn text(point: &Layered, path: &str) -> Option<String> {
    point.json(path)?.as_str().map(str::to_owned)
}

fn names(point: &Layered, path: &str) -> Vec<String> {
    let json = point.json(path).unwrap_or_default();
    let items = json.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn object(json: Option<Json>) -> Map<String, Json> {
    match json {
        Some(Json::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Sets the value at a dotted path, making the objects on the way.
fn insert(json: &mut Json, path: &str, value: Json) {
    let mut target = json;
    for segment in path.split('.') {
        if !target.is_object() {
            *target = Json::Object(Map::new());
        }
        target = &mut target[segment];
    }
    *target = value;
}
