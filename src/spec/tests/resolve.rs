//! The settings of a point: which layer wins, and what the structs have.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::{
    spec::{
        point::resolve::settings,
        read::{layered::Layered, node::Node},
        schema,
    },
    train::{AdvantageScale, Aggregation, Algorithm},
};

fn defaults() -> Node {
    Node::parse(0, include_str!("../defaults.toml")).unwrap()
}

fn with(texts: &[&str]) -> Layered {
    let layers = texts.iter().map(|text| Node::parse(1, text).unwrap());
    Layered::new(std::iter::once(defaults()).chain(layers))
}

/// The dotted paths of all leaves of a JSON value.
fn paths(prefix: &str, json: &Json, found: &mut BTreeSet<String>) {
    match json {
        Json::Object(map) => {
            for (key, value) in map {
                let path = if prefix.is_empty() {
                    key.clone()
                } else {
                    format!("{prefix}.{key}")
                };
                paths(&path, value, found);
            }
        }
        _ => {
            found.insert(prefix.to_owned());
        }
    }
}

/// Keys that a job leaves out where they have their default.
const OPTIONAL: [&str; 23] = [
    "eval.allow_unsandboxed",
    "eval.evalplus",
    "eval.in_process",
    "eval.python",
    "eval.repairs",
    "reward.clip",
    "reward.scale",
    "train.checkpoint",
    "train.curriculum.least",
    "train.curriculum.samples",
    "train.curriculum.success",
    "train.eval.benchmark",
    "train.eval.every",
    "train.eval.limit",
    "train.eval.samples",
    "train.gradient_checkpointing",
    "train.grpo.entropy_bonus",
    "train.grpo.kl_estimator",
    "train.grpo.updates_per_rollout",
    "train.reinforce_plus_plus.kl_estimator",
    "train.rloo.kl_estimator",
    "train.samples_every",
    "train.target_log_prob_rows",
];

/// Keys that the settings of a point leave out unless it asks for them.
fn keys_that_a_plain_point_lacks() -> BTreeSet<String> {
    let mut keys = BTreeSet::from(OPTIONAL.map(str::to_owned));
    let remote = settings(&with(&["model.base = \"remote\""])).unwrap();
    paths(
        "model",
        &serde_json::to_value(remote.model).unwrap(),
        &mut keys,
    );
    let taught = "train.algorithm = \"distill\"\ntrain.distill.teacher = \"remote\"\n\
                  train.distill.estimator = \"sampled\"";
    let taught = settings(&with(&[taught])).unwrap();
    paths(
        "train",
        &serde_json::to_value(&taught.stages[0].algorithm).unwrap(),
        &mut keys,
    );
    let sum = "train.reward = { tests = 1, custom = 1 }\n\
               reward.custom = { command = [\"a\"], files = [\"b\"] }";
    let rewarded = settings(&with(&[sum])).unwrap();
    paths(
        "reward",
        &serde_json::to_value(&rewarded.stages[0].reward_settings).unwrap(),
        &mut keys,
    );
    keys
}

#[test]
fn the_schema_and_the_structs_have_the_same_keys() {
    let mut structs = keys_that_a_plain_point_lacks();
    let mut own = BTreeSet::new();
    for algorithm in Algorithm::names() {
        let point = settings(&with(&[&format!("train.algorithm = \"{algorithm}\"")])).unwrap();
        let train = serde_json::to_value(&point.stages[0]).unwrap();
        let mut found = BTreeSet::new();
        paths("", &train, &mut found);
        for path in found {
            match path.split_once('.') {
                Some(("algorithm", rest)) => {
                    own.insert(format!("train.{rest}"));
                }
                Some(("reward_settings", rest)) => {
                    structs.insert(format!("reward.{rest}"));
                }
                _ => {
                    structs.insert(format!("train.{path}"));
                }
            }
        }
        for (name, section) in [
            ("model", serde_json::to_value(&point.model).unwrap()),
            ("data", serde_json::to_value(&point.data).unwrap()),
            ("run", serde_json::to_value(&point.run).unwrap()),
            ("eval", serde_json::to_value(&point.evals[0]).unwrap()),
        ] {
            paths(name, &section, &mut structs);
        }
    }
    structs.extend(own);
    // Keyed by benchmark in a spec, one value in a job.
    structs.remove("data.benchmarks");
    structs.remove("eval.samples");
    structs.remove("eval.benchmark");

    let is_of_the_spec_alone = |path: &str| {
        let whole = [
            "include",
            "name",
            "description",
            "train.algorithm",
            "eval.benchmarks",
        ];
        whole.contains(&path)
            || path.starts_with("table.")
            || path.starts_with("report.")
            || path.starts_with("data.benchmarks.")
            || path.starts_with("eval.samples.")
            || path.rsplit('.').next() == Some("after")
    };
    let schema: BTreeSet<String> = schema::paths()
        .filter(|path| !is_of_the_spec_alone(path) && !schema::is_copy(path))
        .map(str::to_owned)
        .collect();
    assert_eq!(structs, schema);
}

#[test]
fn the_table_of_an_algorithm_wins_within_a_layer_and_later_layers_win_over_it() {
    let steps = |texts: &[&str]| settings(&with(texts)).unwrap().stages[0].max_steps;
    let file = "[train]\nmax_steps = 10\n[train.grpo]\nmax_steps = 20\n";

    assert_eq!(steps(&[file]), 20);
    assert_eq!(steps(&[file, "train.max_steps = 30"]), 30);
    assert_eq!(steps(&[file, "train.sft.max_steps = 30"]), 20);
}

#[test]
fn a_setting_of_a_benchmark_reaches_the_jobs_of_no_other() {
    let all = "[eval]\nbenchmarks = [\"code_update_arena\", \"humaneval\", \"humaneval_plus\"]\n\
               in_process = true\nevalplus = \"0.3.1\"\nrepairs = \"paper\"\n";

    let evals = settings(&with(&[all])).unwrap().evals;

    let choices: Vec<_> = evals
        .iter()
        .map(|eval| (eval.in_process, eval.evalplus.name(), eval.repairs.name()))
        .collect();
    assert_eq!(
        choices,
        [
            (false, "tip", "paper"),
            (true, "tip", "none"),
            (true, "0.3.1", "none")
        ]
    );
    // The defaults are no part of a job, so that jobs from before these keys keep their names.
    let plain = settings(&with(&[])).unwrap().evals.remove(0);
    let json = serde_json::to_string(&plain).unwrap();
    assert!(!json.contains("in_process") && !json.contains("repairs") && !json.contains("python"));
}

#[test]
fn a_training_is_measured_as_evaluations_are_with_less_to_do() {
    let text = "[train]\neval = { every = 50, benchmark = \"mini_arena\", limit = 7, samples = 2 }\n\
                checkpoint = \"best\"\n[train.grpo]\nafter = \"sft\"\n[train.sft]\neval.every = 0\n\
                [eval]\nsampling.temperature = 0.5\nlimit = 3\n";

    let point = settings(&with(&[text])).unwrap();

    let [None, Some(eval)] = &point.stage_evals[..] else {
        panic!("{:?}", point.stage_evals)
    };
    assert_eq!(
        (eval.benchmark.as_str(), eval.limit, eval.samples),
        ("mini_arena", 7, 2)
    );
    assert!((eval.sampling.temperature - 0.5).abs() < f64::EPSILON);
    let [sft, grpo] = &point.stages[..] else {
        panic!("two stages")
    };
    assert_eq!((sft.eval.every, grpo.eval.every), (0, 50));
    // Without evaluations they are no part of a job, so that jobs from before keep their names.
    let plain = settings(&with(&["train.eval.limit = 3"])).unwrap();
    assert_eq!(plain.stage_evals, [None]);
    let json = serde_json::to_value(&plain.stages[0]).unwrap();
    assert!(json.get("eval").is_none() && json.get("checkpoint").is_none());
}

#[test]
fn after_sft_puts_the_sft_stage_first() {
    let warm = settings(&with(&["[train.grpo]\nafter = \"sft\""])).unwrap();
    let sft = settings(&with(&["train.algorithm = \"sft\""])).unwrap();

    assert_eq!(warm.stages.len(), 2);
    assert_eq!(warm.stages[0], sft.stages[0]);
    assert_eq!(warm.method, "grpo");
}

#[test]
fn defaults_are_the_papers() {
    // Oracle: the set-up of the paper, https://arxiv.org/abs/2506.20495.
    let grpo = settings(&with(&[])).unwrap();
    let stage = &grpo.stages[0];

    assert_eq!(
        (stage.max_steps, stage.group_size, stage.batch_size),
        (5000, 8, 1)
    );
    assert_eq!(
        (stage.learning_rate.peak, stage.learning_rate.warmup_steps),
        (5e-5, 150)
    );
    assert_eq!(
        (grpo.model.adapter.r, grpo.model.adapter.dropout),
        (64, 0.01)
    );
    assert_eq!(grpo.run.seeds, [42]);
    let dapo = settings(&with(&["train.algorithm = \"dapo\""])).unwrap();
    assert_eq!(dapo.stages[0].batch_size, 8);
}

#[test]
fn presets_are_what_their_sources_say() {
    // Oracle: the paper's set-up and its two scripts, as PAPER.md and the files quote them.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let preset = |name: &str| {
        let path = root.join("experiments/presets").join(name);
        settings(&with(&[&std::fs::read_to_string(path).unwrap()])).unwrap()
    };
    // The text's settings are the defaults, also where a file says them.
    let (paper, plain) = (preset("paper.toml"), settings(&with(&[])).unwrap());
    assert_eq!(paper.stages, plain.stages);
    assert_eq!(paper.model, plain.model);

    let grpo = preset("published_grpo.toml").stages.remove(0);
    assert_eq!(grpo.sampling.top_k, 50);
    assert_eq!(
        grpo.reward_settings.normalizer,
        crate::reward::Normalizer::Published
    );

    let dapo = preset("published_dapo.toml");
    assert_eq!(dapo.model.adapter.kind, crate::model::AdapterKind::None);
    let dapo = &dapo.stages[0];
    assert_eq!(
        (dapo.learning_rate.peak, dapo.learning_rate.warmup_steps),
        (1e-6, 10)
    );
    assert!((dapo.optimizer.weight_decay - 0.1).abs() < f64::EPSILON);

    let objective = |name: &str| match preset(name).stages.remove(0).algorithm {
        Algorithm::Grpo(grpo) => (grpo.aggregation, grpo.advantage_scale, grpo.beta > 0.0),
        other => panic!("{other:?}"),
    };
    let (bnpo, dr_grpo) = (objective("bnpo.toml"), objective("dr_grpo.toml"));
    assert_eq!(bnpo, (Aggregation::Token, AdvantageScale::Group, true));
    assert_eq!(
        dr_grpo,
        (Aggregation::Constant, AdvantageScale::None, false)
    );
}
