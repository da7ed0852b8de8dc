//! Settings that exclude each other, each fine by itself.

use std::path::{Path, PathBuf};

use crate::{
    data::Kind as DataKind,
    train::{Algorithm, TrainSettings},
};

use super::{
    code::Code,
    experiment::Settings,
    layered::{Layered, Setting},
    problem::Problem,
    source::{Place, Sources},
    suggest::{nearest, one_of},
    surroundings::Surroundings,
};

/// Checks the settings of one point, and completes the paths in them.
pub(super) struct PointCheck<'a> {
    pub(super) layered: &'a Layered,
    pub(super) sources: &'a Sources,
    pub(super) around: &'a Surroundings,
    /// Where to point if a setting has no place.
    pub(super) top: Place,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl PointCheck<'_> {
    /// Checks the settings of the point.
    pub(super) fn check(&mut self, settings: &mut Settings) {
        for stage in &settings.stages {
            self.training(stage);
        }
        if settings.model.base == "scratch" {
            self.scratch(settings);
        }
        self.files(settings);
    }

    fn training(&mut self, train: &TrainSettings) {
        let (name, updates) = match &train.algorithm {
            Algorithm::Sft(_) => ("sft", train.max_steps),
            Algorithm::Grpo(_) => ("grpo", train.max_steps),
            Algorithm::Dapo(dapo) => {
                let (batch, mini) = (train.batch_size, dapo.mini_batch_size.max(1));
                if batch % mini != 0 {
                    let title = format!("a batch of {batch} prompts cannot be cut into {mini}s");
                    let label = "must divide the batch size";
                    let place = self.place("train.dapo.mini_batch_size");
                    let problem = Problem::new(Code::E112, place, title, label);
                    let batch = self.trained("dapo", "batch_size");
                    self.add(problem.also(batch, "the batch size is set here"));
                }
                ("dapo", train.max_steps.saturating_mul(batch / mini))
            }
        };
        let warmup = train.learning_rate.warmup_steps;
        if warmup > updates {
            let title =
                format!("a warm-up of {warmup} is longer than the {updates} updates of {name}");
            let place = self.trained(name, "lr.warmup_steps");
            let label = "the peak is never reached";
            let problem = Problem::new(Code::E112, place, title, label);
            let steps = self.trained(name, "max_steps");
            let problem = problem.also(steps, "the steps are set here");
            // 3 % is the paper's share.
            let less = (updates * 3).div_ceil(100);
            self.add(problem.help(format!(
                "set `train.{name}.lr.warmup_steps` to {less} (3 %, as in the paper), or raise the steps"
            )));
        }
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
            let name = match &stage.algorithm {
                Algorithm::Sft(_) => continue,
                Algorithm::Grpo(_) => "grpo",
                Algorithm::Dapo(_) => "dapo",
            };
            let length = (
                stage.max_prompt_tokens,
                stage.sampling.max_completion_tokens,
            );
            lengths.push((self.trained(name, "sampling.max_completion_tokens"), length));
        }
        for eval in settings.evals.iter().take(1) {
            let length = (eval.max_prompt_tokens, eval.sampling.max_completion_tokens);
            lengths.push((self.place("eval.sampling.max_completion_tokens"), length));
        }
        for (place, (prompt, completion)) in lengths {
            if prompt.saturating_add(completion) > longest {
                let title = format!(
                    "prompts of {prompt} and completions of {completion} tokens are longer than the model's {longest}"
                );
                let problem = Problem::new(Code::E112, place, title, "too long together");
                let limit = self.place("model.scratch.max_position_embeddings");
                self.add(problem.also(limit, "the model's longest sequence").help(
                    "lower `max_prompt_tokens` or `max_completion_tokens`, or raise `model.scratch.max_position_embeddings`",
                ));
            }
        }
    }

    fn files(&mut self, settings: &mut Settings) {
        let is_trained = !settings.stages.is_empty();
        if settings.model.base == "scratch" {
            let tokenizer = &mut settings.model.scratch.tokenizer;
            *tokenizer = self.file("model.scratch.tokenizer", "tokenizer", tokenizer);
        } else {
            settings.model.base = self.model(&settings.model.base);
        }
        if is_trained {
            settings.data.train = self.data_set(&settings.data.train);
            let prompt = &mut settings.data.prompts.migration;
            *prompt = self.file("data.prompts.migration", "prompt template", prompt);
        }
        let is_human_eval = |name: &str| name.starts_with("humaneval");
        let benchmarks = || settings.evals.iter().map(|eval| eval.benchmark.as_str());
        let uses_human_eval = benchmarks().any(is_human_eval);
        let uses_arena = !benchmarks().all(is_human_eval);
        let prompts = &mut settings.data.prompts;
        if uses_arena {
            let path = &mut prompts.code_update_arena;
            *path = self.file("data.prompts.code_update_arena", "prompt template", path);
        }
        if uses_human_eval {
            let path = &mut prompts.human_eval;
            *path = self.file("data.prompts.human_eval", "prompt template", path);
        }
        for (name, path) in &mut settings.data.benchmarks {
            *path = self.file(&format!("data.benchmarks.{name}"), "benchmark file", path);
        }
    }

    fn file(&mut self, key: &str, noun: &str, path: &Path) -> PathBuf {
        let text = path.to_string_lossy().into_owned();
        let place = self.place(key);
        let whole = self.complete(&text, place);
        if !whole.is_file() {
            let title = format!("the {noun} `{text}` is not there");
            let label = format!("no file {}", whole.display());
            let problem = Problem::new(Code::E106, place, title, label);
            let problem = match similar_file(&whole) {
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
            self.add(problem);
        }
        whole
    }

    fn model(&mut self, base: &str) -> String {
        let place = self.place("model.base");
        let names = self.around.names(DataKind::Model);
        if names.as_ref().is_none_or(|names| names.contains(&base)) {
            return base.to_owned();
        }
        let whole = self.complete(base, place);
        if whole.is_dir() {
            return whole.to_string_lossy().into_owned();
        }
        let names = names.unwrap_or_default();
        let title = format!("unknown model `{base}`");
        let label = "neither a name of datasets/manifest.toml nor a folder";
        let problem = Problem::new(Code::E107, place, title, label);
        self.add(
            match nearest(base, names.iter().copied().chain(["scratch"])) {
                Some(name) => problem.replace(
                    place,
                    format!("\"{name}\""),
                    format!("did you mean `{name}`?"),
                ),
                None => problem.help(format!(
                    "write {}, the path of a folder in the Hugging Face layout, or `scratch`",
                    one_of(&names)
                )),
            },
        );
        base.to_owned()
    }

    fn data_set(&mut self, train: &str) -> String {
        let place = self.place("data.train");
        let names = self.around.names(DataKind::Migrations);
        if names.as_ref().is_none_or(|names| names.contains(&train)) {
            return train.to_owned();
        }
        let whole = self.complete(train, place);
        if whole.is_file() {
            return whole.to_string_lossy().into_owned();
        }
        let names = names.unwrap_or_default();
        let title = format!("unknown data set `{train}`");
        let label = "neither a name of datasets/manifest.toml nor a file";
        let problem = Problem::new(Code::E108, place, title, label);
        self.add(match nearest(train, names.iter().copied()) {
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

    /// A path of a spec, seen from the file that sets it.
    fn complete(&self, text: &str, place: Place) -> PathBuf {
        let source = self.sources.get(place.source);
        let beside = if source.is_file() {
            Path::new(&source.name).parent()
        } else {
            None
        };
        self.around.path(text, beside)
    }

    fn contradiction(&mut self, path: &str, title: String, label: &str) {
        let place = self.place(path);
        self.add(Problem::new(Code::E112, place, title, label));
    }

    /// Where the setting of a training comes from: its own table or `[train]`.
    fn trained(&self, algorithm: &str, path: &str) -> Place {
        let own = self.layered.get(&format!("train.{algorithm}.{path}"));
        let shared = self.layered.get(&format!("train.{path}"));
        let latest = own
            .into_iter()
            .chain(shared)
            .max_by_key(|setting| setting.layer);
        latest.map_or(self.top, Setting::place)
    }

    fn place(&self, path: &str) -> Place {
        self.layered.get(path).map_or(self.top, Setting::place)
    }

    /// Adds a problem once: many points share their settings.
    fn add(&mut self, problem: Problem) {
        let is_known =
            |known: &Problem| known.place == problem.place && known.title == problem.title;
        if !self.problems.iter().any(is_known) {
            self.problems.push(problem);
        }
    }
}

const PATHS: &str = "paths start in the folder that has `datasets/` in it; those that begin with `./` or `../`, in the folder of the spec";

/// A file in the same folder whose name is nearly that of `path`.
fn similar_file(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let names: Vec<String> = std::fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}
