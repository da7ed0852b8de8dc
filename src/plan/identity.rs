//! What makes two jobs the same job.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::{
    device::Backend,
    digest::Digest,
    eval::EvalSettings,
    model::{AdapterKind, ChatFormat, Engine, ModelSettings},
    remote::RemoteSettings,
    train::TrainSettings,
};

use super::{RECIPE_VERSION, Start, Task, TrainEval, Work};

/// The names of the settings that say how a training is written down. How often checkpoints and completions
/// are written changes neither the training nor a table.
const WRITING: [&str; 3] = ["save_every", "keep_checkpoints", "samples_every"];

/// The name of the setting with a path of this machine; the version of that Python is in the provenance.
const PYTHON: &str = "python";

/// The ends of the paths of all settings that change how a job runs, and nothing in its result.
pub(super) const CHANGES_NO_RESULT: [&str; 14] = [
    WRITING[0],
    WRITING[1],
    WRITING[2],
    PYTHON,
    "kv_cache",
    "custom.timeout_seconds",
    "remote.key_variable",
    "remote.concurrency",
    "remote.requests_per_minute",
    "remote.attempts",
    "remote.longest_pause_seconds",
    "remote.timeout_seconds",
    "remote.dollars_per_million_prompt_tokens",
    "remote.dollars_per_million_completion_tokens",
];

impl Work {
    /// All that the result depends on, and nothing else: no paths, and no setting that this work
    /// does not read.
    pub(super) fn identity(&self) -> Json {
        match &self.task {
            Task::Train { train, evaluation } => train_identity(self, train, evaluation.as_deref()),
            Task::Eval(eval) => eval_identity(self, eval),
        }
    }
}

fn train_identity(work: &Work, settings: &TrainSettings, evaluation: Option<&TrainEval>) -> Json {
    let mut train = object(json!(settings));
    without(&mut train, &WRITING);
    if !settings.algorithm.has_reward() {
        without(
            &mut train,
            &[
                "reward",
                "reward_settings",
                "sampling",
                "group_size",
                "curriculum",
            ],
        );
    }
    without_reward_paths(&mut train, &work.digests);
    without_teacher(&mut train, settings.algorithm.remote_teacher().as_ref());
    let mut model = model_identity(&work.model);
    let adapter = &work.model.adapter;
    let adapter = if adapter.kind == AdapterKind::None {
        json!({ "kind": adapter.kind })
    } else {
        json!(adapter)
    };
    model.insert("adapter".to_owned(), adapter);
    let mut identity = json!({
        "kind": "train",
        "recipe": RECIPE_VERSION,
        "model": model,
        "start": work.start,
        "train": train,
        "seed": work.seed,
        "backend": work.backend,
        "digests": work.digests,
    });
    if settings.algorithm.has_reward() || evaluation.is_some() {
        add_kv_cache(&mut identity, &work.model, work.backend);
    }
    if !work.notes.is_plain() {
        identity["notes"] = json!(work.notes);
    }
    if let Some(evaluation) = evaluation {
        // Its scores are a result of the job, even if they choose no weights.
        identity["evaluation"] = Json::Object(settings_of(&evaluation.eval));
    }
    identity
}

fn eval_identity(work: &Work, settings: &EvalSettings) -> Json {
    let eval = settings_of(settings);
    if let (Some(remote), Start::Base) = (&work.model.remote, &work.start) {
        return remote_identity(work, remote, eval);
    }
    let mut identity = json!({
        "kind": "eval",
        "recipe": RECIPE_VERSION,
        // The trained model, with its adapter, is in the name of the training.
        "model": match work.start {
            Start::Base => model_identity(&work.model),
            Start::Job(_) => Map::new(),
        },
        "start": work.start,
        "eval": eval,
        "seed": work.seed,
        "backend": work.backend,
        "digests": work.digests,
    });
    add_kv_cache(&mut identity, &work.model, work.backend);
    identity
}

/// What the result of an evaluation depends on.
fn settings_of(settings: &EvalSettings) -> Map<String, Json> {
    let mut eval = object(json!(settings));
    // A path of this machine; the version of that Python is in the provenance.
    without(&mut eval, &[PYTHON]);
    let judging = settings
        .descriptor()
        .map_or(0, |benchmark| benchmark.judging);
    if judging > 0 {
        eval.insert("judging".to_owned(), json!(judging));
    }
    eval
}

/// The number of rows in a pass is part of a job if it may change how a product rounds. The default
/// is left out, so that jobs from before the key keep their names.
fn add_kv_cache(identity: &mut Json, model: &ModelSettings, backend: Backend) {
    let is_independent = Engine::of(backend, model.dtype).rows_are_independent();
    if !is_independent && model.kv_cache != ModelSettings::kv_cache() {
        identity["kv_cache"] = json!(model.kv_cache);
    }
}

/// The identity of an evaluation at an endpoint: neither the settings of computing here matter, nor
/// the rate of requests, nor the key.
fn remote_identity(work: &Work, remote: &RemoteSettings, mut eval: Map<String, Json>) -> Json {
    // An endpoint cannot cut prompts, and has no batches.
    without(&mut eval, &["max_prompt_tokens", "batch_size"]);
    if let Some(Json::Object(sampling)) = eval.get_mut("sampling") {
        // The interface does not have them, so the spec must switch them off.
        without(sampling, &["top_k", "min_p"]);
    }
    json!({
        "kind": "eval",
        "recipe": RECIPE_VERSION,
        "model": { "remote": { "base_url": remote.address(), "model": remote.model } },
        "eval": eval,
        "seed": work.seed,
        "digests": work.digests,
    })
}

/// Removes the files of a reward of one's own, whose digests are in the identity; how long it may take
/// changes no reward.
fn without_reward_paths(train: &mut Map<String, Json>, digests: &BTreeMap<String, Digest>) {
    let Some(Json::Object(custom)) = train
        .get_mut("reward_settings")
        .and_then(|settings| settings.get_mut("custom"))
    else {
        return;
    };
    without(custom, &["files", "timeout_seconds"]);
    let arguments = custom.get_mut("command").and_then(Json::as_array_mut);
    for (index, argument) in arguments.into_iter().flatten().enumerate() {
        if digests.contains_key(&format!("reward.custom.command.{index}")) {
            *argument = Json::Null;
        }
    }
}

/// Removes the name or the folder of a teacher, whose digest is in the identity. A remote one is known by its
/// address and its name alone.
fn without_teacher(train: &mut Map<String, Json>, remote: Option<&RemoteSettings>) {
    let algorithm = train.get_mut("algorithm").and_then(Json::as_object_mut);
    for settings in algorithm.into_iter().flatten() {
        if let Json::Object(settings) = settings.1 {
            settings.remove("teacher");
            if let Some(remote) = remote {
                let who = json!({ "base_url": remote.address(), "model": remote.model });
                settings.insert("remote".to_owned(), who);
            }
        }
    }
}

/// The model without its adapter, and without `base`, a name or a path: the digests say what it
/// holds.
fn model_identity(model: &ModelSettings) -> Map<String, Json> {
    let mut identity = Map::from_iter([("dtype".to_owned(), json!(model.dtype))]);
    // Jobs from before the format of conversations was part of a job had names without it; those of the shipped
    // tables have none.
    if model.chat != ChatFormat::None {
        identity.insert("chat".to_owned(), json!(model.chat));
    }
    if model.base == "scratch" {
        let mut scratch = object(json!(model.scratch));
        without(&mut scratch, &["tokenizer"]);
        identity.insert("scratch".to_owned(), Json::Object(scratch));
    }
    identity
}

fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

fn without(map: &mut Map<String, Json>, keys: &[&str]) {
    for key in keys {
        map.remove(*key);
    }
}
