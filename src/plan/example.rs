//! A job for tests of whatever handles jobs without looking into them.

use std::{collections::BTreeMap, path::PathBuf};

use super::{EvalWork, Job, JobId, Start, Work};
use crate::{
    data::PromptSettings,
    device::Backend,
    eval::{
        EvalSettings,
        benchmark::{Flavour, Repairs},
    },
    model::{
        AdapterKind, AdapterSettings, ChatFormat, Dtype, ModelSettings, SamplingSettings,
        ScratchSettings, Targets,
    },
};

/// An evaluation of that name.
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
        strict: false,
        evalplus: Flavour::Tip,
        repairs: Repairs::None,
        python: "auto".into(),
    };
    let prompts = PromptSettings {
        migration: PathBuf::from("migration.txt"),
        code_update_arena: PathBuf::from("arena.txt"),
        human_eval: PathBuf::from("human_eval.txt"),
    };
    let work = EvalWork {
        model: model(),
        model_path: None,
        start: after
            .first()
            .map_or(Start::Base, |id| Start::Job(JobId((*id).into()))),
        eval,
        data: PathBuf::from("arena.jsonl"),
        prompts,
        seed: 42,
        backend: Backend::Cpu,
        digests: BTreeMap::new(),
    };
    let after = after.iter().map(|id| JobId((*id).into())).collect();
    Job {
        id: JobId(id.into()),
        work: Work::Eval(work),
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
