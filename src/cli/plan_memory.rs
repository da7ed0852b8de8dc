//! The memory of the trainings of an experiment, as `recode plan` shows it.

use std::path::Path;

use super::output::size;
use crate::{
    data::Manifest,
    model::{DecoderConfig, Dtype, Tokenizer, config_of_model, is_model},
    plan::{JobId, Memory, Plan, Work},
    train::TrainSettings,
};

/// A training, and the memory that it needs by arithmetic.
pub(super) struct Estimate<'a> {
    pub(super) job: &'a JobId,
    pub(super) work: &'a Work,
    train: &'a TrainSettings,
    config: DecoderConfig,
    processors: usize,
    /// Bytes of the model that is imitated.
    teacher: usize,
    pub(super) memory: Memory,
}

impl Estimate<'_> {
    /// The memory of one of `ranks` processes that share the processors.
    pub(super) fn of_a_rank(&self, ranks: usize) -> usize {
        let processors = (self.processors / ranks).max(1);
        Memory::of(self.work, self.train, &self.config, processors).peak()
    }

    /// The memory of a variant of the training.
    fn with(&self, work: &Work, train: &TrainSettings) -> Memory {
        Memory {
            teacher: self.teacher,
            ..Memory::of(work, train, &self.config, self.processors)
        }
    }
}

/// The estimates for this machine of those trainings of a plan that are asked for, one for all that are equal.
///
/// A training is left out if the shape of its model is not known here.
pub(super) fn estimates<'a>(
    plan: &'a Plan,
    manifest: Option<&Manifest>,
    is_asked: impl Fn(&JobId) -> bool,
) -> Vec<Estimate<'a>> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut estimates: Vec<Estimate<'a>> = Vec::new();
    // Reading a tokenizer takes longer than planning a job.
    let mut shapes: Vec<(&Work, Option<DecoderConfig>)> = Vec::new();
    for job in plan.jobs.iter().filter(|job| is_asked(&job.id)) {
        let work = &job.work;
        let Some(train) = work.as_train() else {
            continue;
        };
        let is_of = |known: &&(&Work, _)| {
            known.0.model_path == work.model_path && known.0.model == work.model
        };
        let known = shapes.iter().find(is_of).map(|(_, shape)| shape.clone());
        let config = known.unwrap_or_else(|| {
            let shape = shape(work, manifest);
            shapes.push((work, shape.clone()));
            shape
        });
        let Some(config) = config else {
            continue;
        };
        let teacher = teacher(work, train, manifest);
        let memory = Memory {
            teacher,
            ..Memory::of(work, train, &config, processors)
        };
        if estimates.iter().all(|one| one.memory != memory) {
            estimates.push(Estimate {
                job: &job.id,
                work,
                train,
                config,
                processors,
                teacher,
                memory,
            });
        }
    }
    estimates
}

/// The shape of the model of a training: from its folder, from the spec, or from the manifest.
fn shape(work: &Work, manifest: Option<&Manifest>) -> Option<DecoderConfig> {
    let Some(folder) = &work.model_path else {
        let settings = &work.model.scratch;
        let tokenizer = Tokenizer::from_file(&settings.tokenizer).ok()?;
        return DecoderConfig::scratch(settings, tokenizer.vocab_size()).ok();
    };
    shape_of(folder, &work.model.base, manifest)
}

/// The shape of a model by its folder or file or, if that is not here, by its name. The weights of a GGUF file
/// count as they are in memory, dequantised.
fn shape_of(path: &Path, name: &str, manifest: Option<&Manifest>) -> Option<DecoderConfig> {
    if is_model(path) {
        return config_of_model(path).ok();
    }
    let shape = manifest?.get(name)?.shape()?;
    DecoderConfig::from_json(shape.clone()).ok()
}

/// The bytes of the weights that a training imitates; 0 if there are none or their shape is not known.
fn teacher(work: &Work, train: &TrainSettings, manifest: Option<&Manifest>) -> usize {
    let find = || {
        let (folder, name) = (work.teacher_path.as_ref()?, train.algorithm.teacher()?);
        shape_of(folder, &name, manifest)
    };
    let width = if work.model.dtype == Dtype::F32 { 4 } else { 2 };
    find().map_or(0, |config| config.parameter_count() * width)
}

/// The table for people; `asked` is the number of bytes that the spec asks for, or 0.
pub(super) fn lines(estimates: &[Estimate<'_>], asked: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for one in estimates {
        let memory = &one.memory;
        lines.push(format!(
            "memory of {}, by arithmetic: {} at most",
            one.job,
            size(memory.peak() as u64)
        ));
        let mut row = |name: &str, bytes: usize, note: &str| {
            if bytes > 0 {
                lines.push(format!("  {name:<34}{:>10}{note}", size(bytes as u64)));
            }
        };
        row("weights", memory.weights, "");
        row("adapter", memory.adapter, "");
        row("gradients", memory.gradients, "");
        row("optimiser", memory.optimizer, "");
        row("reference", memory.reference, "");
        row("teacher", memory.teacher, "");
        row("sampling: weights with adapters", memory.merged, "");
        row("sampling: keys and values", memory.kv_cache, "");
        let graph = if one.train.gradient_checkpointing {
            "  (one block's graph at a time)"
        } else {
            ""
        };
        row("updating: activations", memory.activations, graph);
        row("updating: logits", memory.head, "");
        row("updating: new values", memory.step, "");
        lines.extend(fit(one, asked));
    }
    lines
}

/// Whether a training fits what the spec asks for; if not, which settings would fit.
fn fit(one: &Estimate<'_>, asked: u64) -> Option<String> {
    let asked = usize::try_from(asked).ok().filter(|asked| *asked > 0)?;
    let room = size(asked as u64);
    if one.memory.peak() <= asked {
        return Some(format!("  fits the {room} that the spec asks for"));
    }
    let (mut work, mut train) = (one.work.clone(), one.train.clone());
    let less_cache = less_cache(&mut work, one, asked);
    let mut ways = Vec::new();
    for checkpointing in [false, true] {
        train.gradient_checkpointing = checkpointing;
        if checkpointing && one.train.gradient_checkpointing {
            break;
        }
        train.micro_batch_tokens = one.train.micro_batch_tokens;
        let peak = |train: &TrainSettings| one.with(&work, train).peak();
        while train.micro_batch_tokens > 0 && peak(&train) > asked {
            train.micro_batch_tokens /= 2;
        }
        if train.micro_batch_tokens > 0 {
            let tokens = train.micro_batch_tokens;
            let mut way = format!("`train.micro_batch_tokens = {tokens}`");
            if checkpointing {
                way.push_str(" with `train.gradient_checkpointing = true`");
            }
            way.push_str(&less_cache);
            ways.push(way);
        }
    }
    let ways = if ways.is_empty() {
        "no micro-batch would".to_owned()
    } else {
        format!("what would: {}", ways.join(", or "))
    };
    Some(format!(
        "  does not fit the {room} that the spec asks for; {ways}"
    ))
}

/// Lowers the limit of keys and values until sampling fits, and returns the new limit in words; empty
/// if sampling fits already.
fn less_cache(work: &mut Work, one: &Estimate<'_>, asked: usize) -> String {
    let bound = work.model.kv_cache;
    while one.with(work, one.train).sampling() > asked {
        let Some(half) = work.model.kv_cache.half() else {
            break;
        };
        work.model.kv_cache = half;
    }
    if work.model.kv_cache == bound {
        return String::new();
    }
    let bound = String::from(work.model.kv_cache);
    format!(" with `model.kv_cache = \"{bound}\"`")
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::tests::fixture::plan_of;

    /// The first training of a plan, with a model of 7B.
    pub(in crate::cli) fn estimate(plan: &Plan, processors: usize) -> Estimate<'_> {
        let json = json!({
            "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944,
            "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
            "vocab_size": 152_064, "max_position_embeddings": 32768, "tie_word_embeddings": false,
        });
        let config = DecoderConfig::from_json(json.as_object().unwrap().clone()).unwrap();
        let work = &plan.jobs[0].work;
        let train = work.as_train().unwrap();
        let memory = Memory::of(work, train, &config, processors);
        Estimate {
            job: &plan.jobs[0].id,
            work,
            train,
            config,
            processors,
            teacher: 0,
            memory,
        }
    }

    #[test]
    fn what_would_fit_names_a_smaller_cache_where_sampling_is_too_large() {
        let text = "name = \"t\"\nmodel.kv_cache = \"64GiB\"\n[train]\nmicro_batch_tokens = 1024\n\
                    batch_size = 64\nmax_prompt_tokens = 288\ngradient_checkpointing = true\n\
                    [train.grpo]\nbatch_size = 64\n[train.sampling]\nmax_completion_tokens = 512\n";
        let plan = plan_of(text);
        let one = estimate(&plan, 1);

        // 512 completions of 972 tokens, 57,344 bytes each: 28.5 GB beside 18 GB.
        assert!(memory_is_about(&one, 28.5e9), "{:?}", one.memory);
        insta::assert_snapshot!(fit(&one, 40_000_000_000).unwrap(), @r#"  does not fit the 40.0 GB that the spec asks for; what would: `train.micro_batch_tokens = 1024` with `model.kv_cache = "16GiB"`"#);
        insta::assert_snapshot!(fit(&one, 60_000_000_000).unwrap(), @"  fits the 60.0 GB that the spec asks for");
        insta::assert_snapshot!(fit(&one, 1_000_000_000).unwrap(), @"  does not fit the 1.0 GB that the spec asks for; no micro-batch would");
    }

    fn memory_is_about(one: &Estimate<'_>, kv_cache: f64) -> bool {
        (one.memory.kv_cache as f64 / kv_cache - 1.0).abs() < 0.01
    }
}
