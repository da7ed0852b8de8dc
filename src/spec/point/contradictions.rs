//! Settings that exclude each other, each fine by itself.

use crate::{
    spec::{
        code::Code,
        experiment::Settings,
        problem::Problem,
        read::{
            layered::{Layered, Setting},
            source::{Place, Sources},
            surroundings::Surroundings,
        },
    },
    train::{FinalCheckpoint, TrainSettings},
};

/// Checks the settings of one point, and completes the paths in them.
pub(in crate::spec) struct PointCheck<'a> {
    pub(in crate::spec) layered: &'a Layered,
    pub(in crate::spec) sources: &'a Sources,
    pub(in crate::spec) around: &'a Surroundings,
    /// Where to point if a setting has no place.
    pub(in crate::spec) top: Place,
    pub(in crate::spec) problems: &'a mut Vec<Problem>,
}

impl<'a> PointCheck<'a> {
    /// Checks the settings of the point.
    pub(in crate::spec) fn check(&mut self, settings: &mut Settings) {
        for stage in &settings.stages {
            self.training(stage);
            self.best(stage);
        }
        if settings.model.base == "scratch" {
            self.scratch(settings);
        }
        if let Some(remote) = &settings.model.remote {
            self.remote(remote, settings);
        }
        self.files(settings);
    }

    fn training(&mut self, train: &TrainSettings) {
        let name = train.algorithm.name();
        let mut updates = train.max_steps;
        if let Some(mini) = train.algorithm.mini_batch_size(train.batch_size) {
            let (batch, mini) = (train.batch_size, mini.max(1));
            if batch % mini != 0 {
                let key = format!("train.{name}.mini_batch_size");
                self.contradict(
                    format!("a batch of {batch} prompts cannot be cut into {mini}s"),
                    (self.layered.get(&key), "must divide the batch"),
                    (self.trained(name, "batch_size"), "the batch"),
                    "change one of the two",
                );
            }
            updates = updates.saturating_mul(batch / mini);
        }
        let warmup = train.learning_rate.warmup_steps;
        if warmup > updates {
            // 3 % is the paper's share.
            let less = (updates * 3).div_ceil(100);
            self.contradict(
                format!("a warm-up of {warmup} is longer than the {updates} updates of {name}"),
                (self.trained(name, "lr.warmup_steps"), "the warm-up"),
                (self.trained(name, "max_steps"), "the steps"),
                &format!(
                    "set `train.{name}.lr.warmup_steps` to {less} (3 %, as in the paper), or raise the steps"
                ),
            );
        }
    }

    /// The best of no evaluations cannot be chosen.
    fn best(&mut self, train: &TrainSettings) {
        if train.checkpoint != FinalCheckpoint::Best || !train.eval.is_off() {
            return;
        }
        let name = train.algorithm.name();
        self.contradict(
            format!("the best checkpoint of {name} is not known without evaluations"),
            (self.trained(name, "checkpoint"), "needs evaluations"),
            (self.trained(name, "eval.every"), "there are none"),
            &format!("set `train.{name}.eval.every`, or `train.{name}.checkpoint` to `last`"),
        );
    }

    fn scratch(&mut self, settings: &Settings) {
        let shape = &settings.model.scratch;
        let (width, heads) = (shape.hidden_size, shape.num_attention_heads);
        if heads == 0 || width % heads != 0 || (width / heads) % 2 != 0 {
            let title =
                format!("a width of {width} cannot be split into {heads} heads of even width");
            self.contradiction(
                "model.scratch.num_attention_heads",
                title,
                "must divide the width",
            );
        }
        let groups = shape.num_key_value_heads;
        if groups == 0 || heads % groups != 0 {
            let title = format!("{heads} query heads cannot share {groups} key and value heads");
            let label = "must divide the number of query heads";
            self.contradiction("model.scratch.num_key_value_heads", title, label);
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
            let setting = self.trained(name, "sampling.max_completion_tokens");
            lengths.push((setting, length, "training"));
        }
        for eval in settings.evals.iter().take(1) {
            let length = (eval.max_prompt_tokens, eval.sampling.max_completion_tokens);
            let setting = self.layered.get("eval.sampling.max_completion_tokens");
            lengths.push((setting, length, "evaluation"));
        }
        for (setting, (prompt, completion), what) in lengths {
            if prompt.saturating_add(completion) > longest {
                self.contradict(
                    format!("prompts of {prompt} and completions of {completion} tokens in {what} are longer than the model's {longest}"),
                    (setting, "the completions"),
                    (self.layered.get("model.scratch.max_position_embeddings"), "the model's longest sequence"),
                    "lower `max_prompt_tokens` or `max_completion_tokens`, or raise `model.scratch.max_position_embeddings`",
                );
            }
        }
    }

    fn contradiction(&mut self, path: &str, title: String, label: &str) {
        let place = self.place(path);
        self.add(Problem::new(Code::E112, place, title, label));
    }

    /// Adds a contradiction of two settings. The caret is at the one of the later layer: that is
    /// the one that somebody has in hand.
    pub(in crate::spec) fn contradict(
        &mut self,
        title: String,
        one: (Option<Setting<'_>>, &str),
        other: (Option<Setting<'_>>, &str),
        help: &str,
    ) {
        let layer = |side: (Option<Setting<'_>>, &str)| side.0.map(|setting| setting.layer);
        let place = |side: (Option<Setting<'_>>, &str)| side.0.map_or(self.top, Setting::place);
        let (first, second) = if layer(other) > layer(one) {
            (other, one)
        } else {
            (one, other)
        };
        let problem = Problem::new(Code::E112, place(first), title, first.1);
        let problem = problem.also(place(second), second.1).help(help);
        self.add(problem);
    }

    /// The setting of a training: of its own table or of `[train]`.
    fn trained(&self, algorithm: &str, path: &str) -> Option<Setting<'a>> {
        let layered: &'a Layered = self.layered;
        let own = layered.get(&format!("train.{algorithm}.{path}"));
        let shared = layered.get(&format!("train.{path}"));
        shared
            .into_iter()
            .chain(own)
            .max_by_key(|setting| setting.layer)
    }

    /// Where a setting stands.
    pub(in crate::spec) fn place(&self, path: &str) -> Place {
        self.layered.get(path).map_or(self.top, Setting::place)
    }

    /// Adds a problem once: many points share their settings.
    pub(in crate::spec) fn add(&mut self, problem: Problem) {
        let is_known =
            |known: &Problem| known.place == problem.place && known.title == problem.title;
        if !self.problems.iter().any(is_known) {
            self.problems.push(problem);
        }
    }
}
