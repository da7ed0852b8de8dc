//! The model that a job starts with.

use std::path::Path;

use burn::tensor::Device;

use super::WorkerError;
use crate::{
    model::{Dtype, LanguageModel, ModelSettings},
    plan::{JobId, JobKind, Start},
    results::JobDir,
};

/// The model of a job, frozen and without an adapter: the base model, or the model that another job has
/// trained.
///
/// `dir` is the folder of this job; the folder of the other job is next to it.
pub(super) fn load(
    settings: &ModelSettings,
    path: Option<&Path>,
    start: &Start,
    dir: &JobDir,
    device: &Device,
) -> Result<LanguageModel, WorkerError> {
    let mut model = match start {
        Start::Base => match path {
            Some(path) => LanguageModel::load(path, settings.dtype, device)?,
            None => LanguageModel::scratch(&settings.scratch, settings.dtype, device)?,
        },
        Start::Job(id) => {
            let mut model = trained(&dir.sibling(id), None, device)?;
            model.decoder = model.decoder.merged();
            model
        }
    };
    model.chat.format = settings.chat;
    model.kv_cache = settings.kv_cache;
    Ok(model)
}

/// The model that a finished training has made: a whole model, or the model that it started with and an
/// adapter.
///
/// Without a `dtype` the weights have the type that they had in training.
pub fn trained(
    dir: &JobDir,
    dtype: Option<Dtype>,
    device: &Device,
) -> Result<LanguageModel, WorkerError> {
    let id: JobId = dir.id();
    let outcome = dir.outcome();
    let work = dir.job()?.map(|job| job.work);
    let Some(work) = work.filter(|work| work.kind() == JobKind::Train) else {
        return Err(WorkerError::NoModel(id));
    };
    let outcome = outcome
        .as_ref()
        .and_then(|outcome| outcome.as_train())
        .ok_or(WorkerError::UpstreamNotFinished { upstream: id })?;
    let mut settings = work.model;
    settings.dtype = dtype.unwrap_or(settings.dtype);
    if !outcome.adapter {
        let mut model = LanguageModel::load(&dir.model(), settings.dtype, device)?;
        model.chat.format = settings.chat;
        return Ok(model);
    }
    let path = work.model_path.as_deref();
    let mut model = load(&settings, path, &work.start, dir, device)?;
    model.load_adapter(&dir.model())?;
    Ok(model)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{device::Backend, model::MemorySize, plan::tests::fixture::job, results::Store};

    #[test]
    fn a_model_has_the_key_value_cache_size_of_its_job() {
        let mut settings = job("eval-1", &[]).work.model;
        settings.scratch.tokenizer = PathBuf::from("datasets/from_scratch/tokenizer.json");
        settings.kv_cache = MemorySize::parse("3MiB").unwrap();
        let dir = Store::new(Path::new("results")).job_dir(&JobId("eval-1".into()));
        let device = Backend::Cpu.open().unwrap();

        let model = load(&settings, None, &Start::Base, &dir, &device).unwrap();

        assert_eq!(model.kv_cache.bytes(), 3 << 20);
    }
}
