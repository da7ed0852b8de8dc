//! The model that a job starts with.

use std::{fs, path::Path};

use burn::tensor::Device;

use super::WorkerError;
use crate::{
    digest::Digest,
    disk::atomic::{self, Flush},
    model::{Decoder, Dtype, LanguageModel, ModelSettings},
    plan::{JobId, JobKind, Start, Work},
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

/// The frozen model that a training imitates, if it imitates one. It must read and write the tokens of the model in training.
pub(super) fn teacher(
    work: &Work,
    model: &LanguageModel,
    device: &Device,
) -> Result<Option<Decoder>, WorkerError> {
    let Some(path) = &work.teacher_path else {
        return Ok(None);
    };
    let teacher = LanguageModel::load(path, work.model.dtype, device)?;
    let sizes = [&teacher, model].map(|model| model.config.vocab_size);
    if sizes[0] != sizes[1] || !teacher.tokenizer.has_tokens_of(&model.tokenizer) {
        return Err(WorkerError::OtherVocabulary {
            teacher: path.clone(),
            sizes,
        });
    }
    Ok(Some(teacher.decoder.frozen()))
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
    compare(dir, &outcome.model_digest)?;
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

/// Fails if a trained model has another digest than its outcome says.
///
/// The folder is read once after each change of its files: a note has the stamp that it had then.
fn compare(dir: &JobDir, expected: &Digest) -> Result<(), WorkerError> {
    let folder = dir.model();
    let hash = |source| WorkerError::Hash {
        path: dir.model(),
        source,
    };
    let stamp = Digest::stamp_of_folder(&folder).map_err(hash)?;
    let note = dir.model_stamp();
    let noted = format!("{stamp} {expected}\n");
    if fs::read_to_string(&note).is_ok_and(|text| text == noted) {
        return Ok(());
    }
    if Digest::of_folder(&folder).map_err(hash)? != *expected {
        return Err(WorkerError::ModelChanged { path: folder });
    }
    // Without the note the next job reads the folder again, which is no reason to fail.
    let _ = atomic::write(&note, noted.as_bytes(), Flush::Later);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{device::Backend, model::MemorySize, plan::tests::fixture::job, results::Store};

    #[test]
    fn a_trained_model_that_was_changed_is_found_once_and_for_each_change() {
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&JobId("train-1".into()));
        let weights = dir.model().join("model.safetensors");
        fs::create_dir_all(dir.model()).unwrap();
        fs::write(&weights, "trained").unwrap();
        let digest = Digest::of_folder(&dir.model()).unwrap();
        for _ in 0..2 {
            compare(&dir, &digest).unwrap();
        }

        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&weights, "flipped").unwrap();

        let changed = |result| matches!(result, Err(WorkerError::ModelChanged { .. }));
        assert!(changed(compare(&dir, &digest)));
        assert!(changed(compare(&dir, &digest)));
        fs::write(&weights, "trained").unwrap();
        compare(&dir, &digest).unwrap();
    }

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
