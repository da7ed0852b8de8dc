//! What makes two jobs the same job.

use serde_json::{Map, Value as Json, json};

use crate::{
    device::Backend,
    digest::Digest,
    model::{AdapterKind, Engine, ModelSettings},
    remote::RemoteSettings,
    train::Algorithm,
};

use super::{EvalWork, JobId, RECIPE_VERSION, Start, TrainWork, Work};

impl Work {
    /// All that the result depends on, and nothing else: no paths, and no setting that this work
    /// does not read.
    pub fn identity(&self) -> Json {
        match self {
            Self::Train(work) => train_identity(work),
            Self::Eval(work) => eval_identity(work),
        }
    }

    /// The name that follows from the identity, such as `train-7c1e9a02`.
    pub fn id(&self) -> JobId {
        let kind = match self {
            Self::Train(_) => "train",
            Self::Eval(_) => "eval",
        };
        JobId(format!(
            "{kind}-{}",
            Digest::of_json(&self.identity()).short()
        ))
    }
}

fn train_identity(work: &TrainWork) -> Json {
    let mut train = object(json!(work.train));
    // When checkpoints and completions are written does not change what is learnt, and no table reads
    // either.
    without(
        &mut train,
        &["save_every", "keep_checkpoints", "samples_every"],
    );
    if matches!(work.train.algorithm, Algorithm::Sft(_)) {
        without(
            &mut train,
            &["reward", "reward_settings", "sampling", "group_size"],
        );
    }
    let mut model = model_identity(&work.model);
    let adapter = &work.model.adapter;
    let adapter = if adapter.kind == AdapterKind::None {
        json!({ "kind": adapter.kind })
    } else {
        json!(adapter)
    };
    model.insert("adapter".to_owned(), adapter);
    if work.model.adapter.kind != AdapterKind::None && work.model.adapter.dropout > 0.0 {
        // How dropout draws has changed once; what has none is what it was.
        model.insert("dropout".to_owned(), json!("by distances"));
    }
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
    if work.train.algorithm.has_reward() || work.evaluation.is_some() {
        add_kv_cache(&mut identity, &work.model, work.backend);
    }
    if let Some(evaluation) = &work.evaluation {
        // What it finds is a result of the job, even where it chooses no weights.
        let mut eval = object(json!(evaluation.eval));
        without(&mut eval, &["python"]);
        identity["evaluation"] = Json::Object(eval);
    }
    identity
}

fn eval_identity(work: &EvalWork) -> Json {
    let mut eval = object(json!(work.eval));
    // A path of this machine; what it leads to is in the provenance.
    without(&mut eval, &["python"]);
    if let (Some(remote), Start::Base) = (&work.model.remote, &work.start) {
        return remote_identity(work, remote, eval);
    }
    let mut identity = json!({
        "kind": "eval",
        "recipe": RECIPE_VERSION,
        // What was trained, adapter and all, is in the name of the training.
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

/// The number of rows that share a pass is part of a job if it may change how a product rounds. At its
/// default it is left out, so that jobs from before the key are the same jobs.
fn add_kv_cache(identity: &mut Json, model: &ModelSettings, backend: Backend) {
    let is_independent = Engine::of(backend, model.dtype).rows_are_independent();
    if !is_independent && model.kv_cache != ModelSettings::kv_cache() {
        identity["kv_cache"] = json!(model.kv_cache);
    }
}

/// Of what a model behind an endpoint is asked: nothing that is computed here matters, nor how fast
/// it is asked, nor who pays.
fn remote_identity(work: &EvalWork, remote: &RemoteSettings, mut eval: Map<String, Json>) -> Json {
    // It cannot cut prompts, and has no batches.
    without(&mut eval, &["max_prompt_tokens", "batch_size"]);
    if let Some(Json::Object(sampling)) = eval.get_mut("sampling") {
        // The interface does not have them, so the spec must leave them off.
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

/// The model without its adapter. `base` is a name or a path; the digests say what it holds.
fn model_identity(model: &ModelSettings) -> Map<String, Json> {
    let mut identity = Map::from_iter([("dtype".to_owned(), json!(model.dtype))]);
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
