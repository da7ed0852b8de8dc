//! Settings that exclude each other, each fine by itself.

use super::report::PointReport;
use crate::{
    spec::{code::Code, problem::Problem, read::layered::Setting, settings::Settings},
    train::{FinalCheckpoint, TrainSettings},
};

/// Checks the trainings and the shape of a point.
pub(super) fn check(report: &mut PointReport<'_>, settings: &Settings) {
    for stage in &settings.stages {
        training(report, stage);
        best(report, stage);
        custom(report, stage);
    }
    if settings.model.base == "scratch" {
        scratch(report, settings);
    }
    nodes(report, settings);
}

/// Each node has as many ranks, and they reach each other.
fn nodes(report: &mut PointReport<'_>, settings: &Settings) {
    let run = &settings.run;
    let (ranks, nodes) = (run.ranks, run.nodes);
    if nodes == 0 || ranks % nodes != 0 {
        let least = ranks.next_multiple_of(nodes.max(1));
        report.contradict(
            format!("{ranks} processes cannot be spread evenly over {nodes} nodes"),
            (report.layered.get("run.nodes"), "must divide `run.ranks`"),
            (report.layered.get("run.ranks"), "the processes"),
            &format!("set `run.ranks` to {least}, or change `run.nodes`"),
        );
    }
    let is_address = run
        .network_address()
        .is_some_and(|address| !address.is_unspecified());
    if let Some(network) = run.network.as_ref().filter(|_| !is_address) {
        let title = format!("`{network}` is no address in a network");
        let label = "an address of four numbers, or of IPv6";
        report.contradiction("run.network", title, label);
    }
}

fn training(report: &mut PointReport<'_>, train: &TrainSettings) {
    let name = train.algorithm.name();
    if let Some(mini) = train.algorithm.mini_batch_size(train.batch_size) {
        let (batch, mini) = (train.batch_size, mini.max(1));
        if batch % mini != 0 {
            let key = format!("train.{name}.mini_batch_size");
            report.contradict(
                format!("a batch of {batch} prompts cannot be cut into {mini}s"),
                (report.layered.get(&key), "must divide the batch"),
                (report.trained(name, "batch_size"), "the batch"),
                "change one of the two",
            );
        }
    }
    let (warmup, steps) = (train.learning_rate.warmup_steps, train.max_steps);
    if warmup > steps {
        // 3 % is the paper's share.
        let less = steps.saturating_mul(3).div_ceil(100);
        report.contradict(
            format!("a warm-up of {warmup} is longer than the {steps} steps of {name}"),
            (report.trained(name, "lr.warmup_steps"), "the warm-up"),
            (report.trained(name, "max_steps"), "the steps"),
            &format!(
                "set `train.{name}.lr.warmup_steps` to {less} (3 %, as in the paper), or raise the steps"
            ),
        );
    }
}

/// The best of no evaluations cannot be chosen.
fn best(report: &mut PointReport<'_>, train: &TrainSettings) {
    if train.checkpoint != FinalCheckpoint::Best || !train.eval.is_off() {
        return;
    }
    let name = train.algorithm.name();
    report.contradict(
        format!("the best checkpoint of {name} is not known without evaluations"),
        (report.trained(name, "checkpoint"), "needs evaluations"),
        (report.trained(name, "eval.every"), "there are none"),
        &format!("set `train.{name}.eval.every`, or `train.{name}.checkpoint` to `last`"),
    );
}

/// A reward of one's own needs a command.
fn custom(report: &mut PointReport<'_>, train: &TrainSettings) {
    let custom = train.reward_settings.custom.as_ref();
    if !train.algorithm.has_reward() || custom.is_none_or(|custom| !custom.command.is_empty()) {
        return;
    }
    let name = train.algorithm.name();
    let setting = report.trained(name, "reward");
    let place = setting.map_or(report.top, Setting::place);
    let title = "the reward `custom` has no command".to_owned();
    let problem = Problem::new(Code::E112, place, title, "needs a process");
    report.add(problem.help("write [reward.custom] command = [\"python3\", \"my_reward.py\"]"));
}

fn scratch(report: &mut PointReport<'_>, settings: &Settings) {
    let shape = &settings.model.scratch;
    let (width, heads) = (shape.hidden_size, shape.num_attention_heads);
    if heads == 0 || width % heads != 0 || (width / heads) % 2 != 0 {
        let title = format!("a width of {width} cannot be split into {heads} heads of even width");
        report.contradiction(
            "model.scratch.num_attention_heads",
            title,
            "must divide the width",
        );
    }
    let groups = shape.num_key_value_heads;
    if groups == 0 || heads % groups != 0 {
        let title = format!("{heads} query heads cannot share {groups} key and value heads");
        let label = "must divide the number of query heads";
        report.contradiction("model.scratch.num_key_value_heads", title, label);
    }
    let longest = shape.max_position_embeddings;
    let mut lengths = Vec::new();
    for stage in &settings.stages {
        if !stage.algorithm.has_reward() {
            continue;
        }
        let name = stage.algorithm.name();
        let length = (
            stage.max_prompt_tokens,
            stage.sampling.max_completion_tokens,
        );
        let setting = report.trained(name, "sampling.max_completion_tokens");
        lengths.push((setting, length, "training"));
    }
    for eval in settings.evals.iter().take(1) {
        let length = (eval.max_prompt_tokens, eval.sampling.max_completion_tokens);
        let setting = report.layered.get("eval.sampling.max_completion_tokens");
        lengths.push((setting, length, "evaluation"));
    }
    for (setting, (prompt, completion), what) in lengths {
        if prompt.saturating_add(completion) > longest {
            report.contradict(
                format!("prompts of {prompt} and completions of {completion} tokens in {what} are longer than the model's {longest}"),
                (setting, "the completions"),
                (report.layered.get("model.scratch.max_position_embeddings"), "the model's longest sequence"),
                "lower `max_prompt_tokens` or `max_completion_tokens`, or raise `model.scratch.max_position_embeddings`",
            );
        }
    }
}
