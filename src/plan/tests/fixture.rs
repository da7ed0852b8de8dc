//! Plans and jobs for tests, without weights and without data.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    data::{PromptSettings, TaskFormat},
    device::Backend,
    digest::Digest,
    eval::{
        EvalSettings,
        benchmark::{Flavour, Repairs},
    },
    model::{
        AdapterKind, AdapterSettings, ChatFormat, Dtype, ModelSettings, SamplingSettings,
        ScratchSettings, Targets,
    },
    plan::{Input, Inputs, Job, JobId, Missing, Plan, PlanError, Start, Task, Work},
    spec::{Experiment, Request, Surroundings, load},
};

/// Inputs that need no files.
struct Named;

impl Inputs for Named {
    fn model(&self, base: &str) -> Result<Input, PlanError> {
        let missing = Missing {
            name: base.to_owned(),
            what: format!("the model `{base}` is not here"),
            how: "fetch it".into(),
            gigabytes: Some(1.5),
            needed_by: Vec::new(),
        };
        Ok(Input {
            missing: Some(missing),
            ..self.data(base)?
        })
    }

    fn data(&self, name: &str) -> Result<Input, PlanError> {
        self.file(Path::new(name))
    }

    fn reference(&self, name: &str) -> Result<Input, PlanError> {
        self.file(Path::new(name))
    }

    fn file(&self, path: &Path) -> Result<Input, PlanError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Input {
            path: path.into(),
            digest: Digest::of_bytes(name.as_bytes()),
            content: None,
            missing: None,
        })
    }
}

/// The plan of a spec in a project where nothing but its name is known of any file.
pub(crate) fn plan_of(text: &str) -> Plan {
    plan_with(&experiment_of(text))
}

/// The plan of an experiment, as for [`plan_of`].
pub(super) fn plan_with(experiment: &Experiment) -> Plan {
    Plan::new(experiment, &Named).unwrap()
}

/// The experiment of a spec, as for [`plan_of`].
pub(super) fn experiment_of(text: &str) -> Experiment {
    experiment_with(text, &[])
}

/// The same, with changes as of `--set`.
pub(super) fn experiment_with(text: &str, overrides: &[&str]) -> Experiment {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let folder = tempfile::tempdir().unwrap();
    for name in ["migration", "code_update_arena", "human_eval"] {
        let path = folder.path().join(format!("datasets/prompts/{name}.jinja"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let file = folder.path().join("spec.toml");
    fs::write(&file, text).unwrap();
    let around = Surroundings::at(folder.path()).unwrap();
    let request = Request {
        file: &file,
        overrides: &overrides,
        environment: &[],
        around: &around,
    };
    load(&request).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// An evaluation of that name, for tests that do not read what is in it.
pub(crate) fn job(id: &str, after: &[&str]) -> Job {
    let sampling = SamplingSettings {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        max_completion_tokens: 64,
    };
    let eval = EvalSettings {
        benchmark: "small_arena".into(),
        samples: 2,
        sampling,
        max_prompt_tokens: 64,
        batch_size: 4,
        limit: 0,
        allow_unsandboxed: false,
        in_process: false,
        evalplus: Flavour::Tip,
        repairs: Repairs::None,
        python: "auto".into(),
    };
    let keys = TaskFormat::ALL.iter().map(|format| format.key());
    let prompts = keys.chain(["migration"]);
    let prompts: Value = prompts.map(|key| (key, format!("{key}.txt"))).collect();
    let prompts: PromptSettings = serde_json::from_value(prompts).unwrap();
    let work = Work {
        model: model(),
        model_path: None,
        teacher_path: None,
        start: after
            .first()
            .map_or(Start::Base, |id| Start::Job(JobId((*id).into()))),
        task: Task::Eval(eval),
        data: PathBuf::from("arena.jsonl"),
        prompts,
        notes: crate::data::NoteMix::default(),
        seed: 42,
        backend: Backend::Cpu,
        digests: BTreeMap::new(),
        contents: BTreeMap::new(),
    };
    let after = after.iter().map(|id| JobId((*id).into())).collect();
    Job {
        id: JobId(id.into()),
        identity: json!({"recipe": 1}),
        work,
        after,
    }
}

fn model() -> ModelSettings {
    ModelSettings {
        base: "scratch".into(),
        dtype: Dtype::F32,
        chat: ChatFormat::Chatml,
        kv_cache: ModelSettings::kv_cache(),
        adapter: AdapterSettings {
            kind: AdapterKind::None,
            r: 8,
            alpha: 8.0,
            dropout: 0.0,
            targets: Targets(Vec::new()),
        },
        scratch: ScratchSettings {
            tokenizer: PathBuf::from("tokenizer.json"),
            hidden_size: 8,
            intermediate_size: 16,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            num_key_value_heads: 1,
            rope_theta: 10_000.0,
            max_position_embeddings: 128,
            init_seed: 0,
        },
        remote: None,
    }
}
