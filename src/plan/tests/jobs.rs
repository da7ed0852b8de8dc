//! Plans of specs: which cells and jobs they have, and what makes two jobs the same.

use std::{collections::BTreeMap, path::Path};

use super::fixture::plan_of;
use crate::{
    data::Cache,
    plan::{Cell, Job, JobKind, Plan, ProjectInputs, Task},
    spec::{Request, Surroundings, load},
};

fn trainings(plan: &Plan) -> usize {
    plan.jobs
        .iter()
        .filter(|job| job.id.kind() == Some(JobKind::Train))
        .count()
}

fn ids(plan: &Plan) -> Vec<String> {
    plan.jobs.iter().map(|job| job.id.0.clone()).collect()
}

const TABLE1: &str = "\
name = \"t\"
[grid]
\"model.base\" = [\"a\", \"b\"]
\"train.algorithm\" = [\"none\", \"sft\", \"grpo\", \"dapo\"]
[[grid.add]]
\"model.base\" = \"c\"
\"train.algorithm\" = \"none\"
";

#[test]
fn a_grid_is_trainings_and_their_evaluations() {
    let plan = plan_of(TABLE1);

    // Two models by three algorithms, and each of the nine points on two benchmarks.
    assert_eq!(
        (plan.cells.len(), trainings(&plan), plan.jobs.len()),
        (9, 6, 6 + 18)
    );
    let names: Vec<&str> = plan
        .missing
        .iter()
        .map(|missing| missing.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(plan.missing[2].needed_by.len(), 2);
}

#[test]
fn every_job_comes_after_those_that_it_needs() {
    let plan = plan_of(&TABLE1.replace("[grid]", "train.grpo.after = \"sft\"\n[grid]"));

    for (position, job) in plan.jobs.iter().enumerate() {
        for upstream in &job.after {
            let earlier = plan.jobs[..position]
                .iter()
                .any(|other| other.id == *upstream);
            assert!(earlier, "{} before {upstream}", job.id);
        }
    }
}

#[test]
fn a_warm_start_is_the_sft_row() {
    let text = "name = \"t\"\ntrain.grpo.after = \"sft\"\n[grid]\n\"train.algorithm\" = [\"sft\", \"grpo\"]";
    let plan = plan_of(text);

    assert_eq!(trainings(&plan), 2);
    let sft = plan.cells[0].train.clone().unwrap();
    let grpo = plan.job(plan.cells[1].train.as_ref().unwrap()).unwrap();
    assert_eq!(grpo.after, [sft]);
}

#[test]
fn what_training_alone_reads_multiplies_no_untrained_evaluation() {
    let text = "name = \"t\"\ntrain.algorithm = \"none\"\n[grid]\n\"train.reward\" = [\"em\", \"es\"]\n\
                \"model.adapter.r\" = [8, 16]\n\"train.max_steps\" = [1000, 2000]";
    let plan = plan_of(text);

    assert_eq!((plan.cells.len(), plan.jobs.len()), (8, 2));
}

#[test]
fn what_sft_does_not_read_does_not_multiply_it() {
    let text = "name = \"t\"\ntrain.algorithm = \"sft\"\n[grid]\n\"train.reward\" = [\"em\", \"es\"]\n\
                \"train.sampling.temperature\" = [0.5, 1.0]\n\"train.save_every\" = [10, 20]\n\
                \"train.curriculum.samples\" = [0, 4]";

    assert_eq!(trainings(&plan_of(text)), 1);
}

#[test]
fn what_training_reads_makes_another_training() {
    let base = "name = \"t\"\n";
    let id = |line: &str| {
        plan_of(&format!("{base}{line}\n")).cells[0]
            .train
            .clone()
            .unwrap()
    };
    let before = id("");

    for line in [
        "train.reward = \"em\"",
        "reward.normalizer = \"published\"",
        "train.lr.peak = 1e-4",
        "train.grpo.beta = 0.0",
        "train.grpo.kl_estimator = \"k2\"",
        "train.grpo.entropy_bonus = 0.1",
        "train.grpo.updates_per_rollout = 2",
        "train.curriculum.samples = 4",
        "train.target_log_prob_rows = 4",
        "data.notes.none = 0.5",
        "train.eval.every = 50",
        "train.group_size = 4",
        "model.adapter.alpha = 32",
        "model.dtype = \"f32\"",
        "model.chat = \"none\"",
        "model.chat = \"template\"",
        "model.base = \"other\"",
        "data.train = \"other\"",
        "run.backend = \"cuda\"",
        "run.seeds = [43]",
    ] {
        assert_ne!(id(line), before, "{line}");
    }
    for line in [
        "train.save_every = 7",
        "train.keep_checkpoints = 7",
        "train.samples_every = 7",
        "train.samples_every = 0",
        "train.target_log_prob_rows = 0",
        "train.eval.limit = 7",
        "run.slots = 7",
        "description = \"d\"",
        "eval.limit = 7",
        "train.dapo.clip_high = 0.5",
        "train.grpo.kl_estimator = \"k3\"",
        "train.curriculum.least = 0.5",
        "data.notes.right = 0.3",
        "model.scratch.hidden_size = 64",
    ] {
        assert_eq!(id(line), before, "{line}");
    }
}

#[test]
fn how_much_cache_there_is_makes_another_job_only_where_it_may_round_otherwise() {
    let ids_of = |lines: &str| ids(&plan_of(&format!("name = \"t\"\n{lines}\n")));
    let less = "model.kv_cache = \"1GiB\"";

    assert_eq!(ids_of("model.kv_cache = \"4096MiB\""), ids_of(""));
    for plain in ["", "model.dtype = \"f32\"\nrun.backend = \"cuda\""] {
        let (before, after) = (ids_of(plain), ids_of(&format!("{less}\n{plain}")));
        assert!(before.iter().all(|id| !after.contains(id)), "{plain}");
    }
    // The processor's own kernels give a row the same bits in any batch.
    let kernels = "model.dtype = \"f32\"";
    assert_eq!(ids_of(&format!("{less}\n{kernels}")), ids_of(kernels));
    // SFT samples nothing, though what it has made is measured.
    let sft = "train.algorithm = \"sft\"";
    let (before, after) = (ids_of(sft), ids_of(&format!("{less}\n{sft}")));
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}

#[test]
fn what_a_training_is_measured_on_is_part_of_it() {
    let job = |more: &str| {
        let text = format!("name = \"t\"\ntrain.eval.every = 50\n{more}\n");
        plan_of(&text).jobs.remove(0)
    };
    let before = job("");
    let Task::Train { evaluation, .. } = &before.work.task else {
        panic!("a training comes first")
    };

    let evaluation = evaluation.as_ref().unwrap();
    let (eval, work) = (&evaluation.eval, &before.work);
    assert_eq!((eval.limit, eval.samples), (20, 1));
    assert_eq!(evaluation.data, Path::new("code_update_arena"));
    assert!(work.digests.contains_key("train.eval.data"));
    assert!(work.digests.contains_key("train.eval.prompt"));
    for line in [
        "train.eval.limit = 7",
        "train.eval.samples = 2",
        "train.eval.benchmark = \"humaneval\"",
        "train.checkpoint = \"best\"",
        "eval.sampling.temperature = 0.5",
    ] {
        assert_ne!(job(line).id, before.id, "{line}");
    }
    for line in [
        "eval.limit = 7",
        "eval.python = \"p\"",
        "train.keep_checkpoints = 7",
    ] {
        assert_eq!(job(line).id, before.id, "{line}");
    }
}

#[test]
fn each_seed_is_a_training_with_evaluations_of_its_own() {
    let plan = plan_of("name = \"t\"\nrun.seeds = [1, 2, 3]\n");

    assert_eq!(
        (plan.cells.len(), trainings(&plan), plan.jobs.len()),
        (3, 3, 9)
    );
}

#[test]
fn an_untrained_baseline_is_added_once() {
    let text = "name = \"t\"\n[grid]\n\"train.reward\" = [\"em\", \"es\"]\n\
                [table]\nbaseline = { method = \"untrained\" }";
    let plan = plan_of(text);

    assert_eq!(
        (plan.cells.len(), trainings(&plan), plan.jobs.len()),
        (3, 2, 2 + 6)
    );
    let baseline = &plan.cells[0];
    assert!(baseline.is_baseline && baseline.point.is_empty() && baseline.method == "untrained");
    assert_eq!(plan.cells[1].baseline, baseline.evals);
    assert_eq!(plan.cells[2].baseline, baseline.evals);
}

#[test]
fn an_untrained_model_has_no_kinds_of_note() {
    let text = "name = \"t\"\n[grid]\n\"data.notes.none\" = [0.0, 0.2]\n\
                [table]\nbaseline = { method = \"untrained\" }";
    let plan = plan_of(text);

    assert_eq!((plan.cells.len(), trainings(&plan)), (3, 2));
    assert!(plan.cells[0].is_baseline && plan.cells[0].point.is_empty());
}

#[test]
fn an_untrained_row_of_the_grid_is_the_baseline() {
    let text = "name = \"t\"\n[grid]\n\"train.algorithm\" = [\"none\", \"grpo\"]\n\
                [table]\nbaseline = { method = \"untrained\" }";
    let plan = plan_of(text);

    assert_eq!(plan.cells.len(), 2);
    assert!(plan.cells[0].is_baseline);
    assert_eq!(plan.cells[1].baseline, plan.cells[0].evals);
}

#[test]
fn a_baseline_of_values_keeps_the_other_axes() {
    let text = "name = \"t\"\n[grid]\n\"model.base\" = [\"a\", \"b\"]\n\"train.reward\" = [\"format\", \"es\"]\n\
                [table]\nbaseline = { \"train.reward\" = \"format\" }";
    let plan = plan_of(text);
    let cell = |model: &str, reward: &str| {
        let is_it = |cell: &&Cell| {
            cell.point["model.base"] == model && cell.point["train.reward"] == reward
        };
        plan.cells.iter().find(is_it).unwrap()
    };

    assert_eq!(cell("b", "es").baseline, cell("b", "format").evals);
    assert!(cell("a", "format").is_baseline && cell("a", "format").baseline.is_empty());
}

#[test]
fn a_plan_survives_json_and_its_names_follow_from_its_content() {
    let plan = plan_of(TABLE1);
    let json = serde_json::to_string(&plan).unwrap();

    let mut read: Plan = serde_json::from_str(&json).unwrap();
    for (read, job) in read.jobs.iter_mut().zip(&plan.jobs) {
        // The identity has a file of its own, and follows from the rest.
        *read = Job::new(read.work.clone());
        assert_eq!(read.id, job.id);
    }
    assert_eq!(read, plan);
}

#[test]
fn identities_hold_no_path_of_this_machine() {
    let plan = plan_of(TABLE1);

    // The project of the test is in a temporary folder with another name each time.
    assert_eq!(ids(&plan), ids(&plan_of(TABLE1)));
}

#[test]
fn every_experiment_of_this_project_can_be_planned() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let around = Surroundings::at(root).unwrap();
    let nowhere = tempfile::tempdir().unwrap();
    let inputs =
        ProjectInputs::new(around.manifest.as_ref(), Cache::at(nowhere.path())).below(root);
    let mut counts = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root.join("experiments")) {
        let file = entry.unwrap().into_path();
        if file.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let request = Request {
            file: &file,
            overrides: &[],
            environment: &[],
            around: &around,
        };
        let experiment = load(&request).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let plan = Plan::new(&experiment, &inputs).unwrap();
        let warnings = experiment.warnings(plan.findings(&experiment));
        assert!(warnings.is_empty(), "{}", warnings.details(false));
        counts.insert(
            plan.experiment.clone(),
            (plan.cells.len(), trainings(&plan)),
        );
    }

    // Rows and trainings of the paper's tables, counted by hand: Table 1 has two models by three
    // methods, their untrained rows and two more; Table 2 five rewards and the baseline.
    assert_eq!(counts["paper_table1"], (10, 6));
    assert_eq!(counts["paper_table2_rewards"], (6, 5));
    // SFT is also the warm start of GRPO.
    assert_eq!(counts["from_scratch"], (3, 2));
    assert_eq!(counts["quickstart"], (3, 2));
}

/// An evaluation of a remote model, with more settings than it needs.
fn remote_plan(more: &str) -> Plan {
    plan_of(&format!(
        "name = \"t\"\ntrain.algorithm = \"none\"\neval.benchmarks = [\"humaneval\"]\n\
         model.base = \"remote\"\nmodel.remote.model = \"lab/large\"\n{more}"
    ))
}

const ENDPOINT: &str = "model.remote.base_url = \"http://localhost:8000/v1\"\n";

#[test]
fn a_remote_model_is_called_by_its_own_name_and_needs_nothing_here() {
    let plan = remote_plan(ENDPOINT);

    assert_eq!(plan.jobs[0].what(), "humaneval on large s42");
    assert_eq!(plan.cells[0].model, "lab/large");
    assert!(plan.missing.is_empty());
}

#[test]
fn the_job_of_a_remote_model_is_told_by_what_is_asked_of_whom() {
    let job = |more: &str| remote_plan(more).jobs[0].id.clone();
    let plain = job(ENDPOINT);

    for same in [
        "model.remote.base_url = \"http://localhost:8000/v1/\"\n",
        "model.remote.base_url = \"http://localhost:8000/v1\"\nmodel.remote.key_variable = \"K\"\n\
         model.remote.concurrency = 2\nmodel.remote.attempts = 9\nmodel.dtype = \"f32\"\n\
         eval.batch_size = 7\nmodel.remote.dollars_per_million_prompt_tokens = 2\n",
    ] {
        assert_eq!(job(same), plain, "{same}");
    }
    for other in [
        "model.remote.base_url = \"http://localhost:8001/v1\"\n".to_owned(),
        format!("{ENDPOINT}eval.sampling.temperature = 0.5\n"),
        format!("{ENDPOINT}eval.samples.humaneval = 3\n"),
        format!("{ENDPOINT}run.seeds = [7]\n"),
    ] {
        assert_ne!(job(&other), plain, "{other}");
    }
}

/// The first job of a spec, which trains.
fn first_training(text: &str) -> Job {
    let plan = plan_of(&format!("name = \"t\"\n{text}"));
    plan.jobs.into_iter().next().unwrap()
}

#[test]
fn a_reward_of_ones_own_is_known_by_the_bytes_of_its_files_and_not_by_their_paths() {
    let command = |path: &str| {
        format!("train.reward = \"custom\"\nreward.custom.command = [\"{path}\", \"-x\"]\n")
    };
    let identity = first_training(&command("/bin/sh")).identity;

    let custom = &identity["train"]["reward_settings"]["custom"];
    assert_eq!(custom["command"], serde_json::json!([null, "-x"]));
    assert!(identity["digests"]["reward.custom.command.0"].is_string());
    assert!(!identity.to_string().contains("/bin/sh"), "{identity}");
    // Another program, and the same one that may take longer.
    let other = first_training(&command("/bin/cat")).identity;
    assert_ne!(identity, other);
    let slow = format!(
        "{}reward.custom.timeout_seconds = 99.0\n",
        command("/bin/sh")
    );
    assert_eq!(identity, first_training(&slow).identity);
}

#[test]
fn settings_of_rewards_that_are_not_used_make_no_other_job() {
    let plain = first_training("train.reward = \"es_star\"\n").id;
    for same in [
        "train.reward = { format = 1.0, es_star = 1.0 }\n",
        "train.reward = { format = 1, es_star = 1, tests = 0 }\n",
        "reward.tests.hidden_share = 0.5\n",
        "reward.custom.command = [\"/bin/sh\"]\n",
    ] {
        assert_eq!(first_training(same).id, plain, "{same}");
    }
    for other in [
        "train.reward = { format = 2.0, es_star = 1.0 }\n",
        "train.reward = { es_star = 1.0 }\n",
        "reward.clip = 1.0\n",
        "reward.scale = \"group\"\n",
    ] {
        assert_ne!(first_training(other).id, plain, "{other}");
    }
}

#[test]
fn a_teacher_is_known_by_its_bytes_and_not_by_its_name() {
    let distilled = |teacher: &str| {
        let text =
            format!("train.algorithm = \"distill\"\ntrain.distill.teacher = \"{teacher}\"\n");
        first_training(&text)
    };
    let job = distilled("large");

    assert_eq!(
        job.identity["train"]["algorithm"],
        serde_json::json!({"distill": {}})
    );
    assert!(job.identity["digests"]["train.distill.teacher"].is_string());
    assert!(
        !job.identity.to_string().contains("large"),
        "{}",
        job.identity
    );
    assert_eq!(job.work.teacher_path.as_deref(), Some(Path::new("large")));
    assert_ne!(job.id, distilled("larger").id);
    let text = serde_json::to_string(&job.work).unwrap();
    assert_eq!(
        serde_json::from_str::<crate::plan::Work>(&text).unwrap(),
        job.work
    );
}

#[test]
fn a_remote_teacher_is_known_by_its_address_and_its_name() {
    let taught = |more: &str| {
        let text = format!(
            "train.algorithm = \"distill\"\ntrain.distill.teacher = \"remote\"\n\
             train.distill.estimator = \"sampled\"\ntrain.distill.remote.model = \"large\"\n{more}"
        );
        first_training(&text)
    };
    let address = "train.distill.remote.base_url = \"http://localhost:8000/v1\"\n";
    let job = taught(address);

    assert_eq!(
        job.identity["train"]["algorithm"],
        serde_json::json!({"distill": {
            "estimator": "sampled",
            "remote": {"base_url": "http://localhost:8000/v1", "model": "large"},
        }})
    );
    assert_eq!(job.work.teacher_path, None);
    assert_eq!(job.work.endpoints().len(), 1);
    let same = format!(
        "{address}train.distill.remote.concurrency = 2\ntrain.distill.remote.attempts = 9\n"
    );
    assert_eq!(taught(&same).id, job.id);
    let other = "train.distill.remote.base_url = \"http://localhost:8001/v1\"\n";
    assert_ne!(taught(other).id, job.id);
    let text = serde_json::to_string(&job.work).unwrap();
    assert_eq!(
        serde_json::from_str::<crate::plan::Work>(&text).unwrap(),
        job.work
    );
}
