//! The arguments of every command that opens a model.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use burn::tensor::Device;
use clap::{Args, builder::PossibleValuesParser};
use serde_json::Value;

use super::{
    exit::{Exit, Failure},
    results_folder,
};
use crate::{
    data::{Cache, Resolved},
    device::Backend,
    model::{Dtype, LanguageModel, ModelError, is_gguf, is_model},
    plan::JobId,
    results::JobDir,
    spec::Surroundings,
    worker,
};

/// A model, and how to compute with it.
#[derive(Debug, Args)]
pub(super) struct ModelArguments {
    /// A folder in the Hugging Face layout, a GGUF file, a folder with a PEFT adapter, a name of
    /// `datasets/manifest.toml`, or a finished training, such as `train-7c1e9a02`
    model: String,
    /// A folder with a PEFT adapter to put on the model
    #[arg(long, value_name = "FOLDER")]
    adapter: Option<PathBuf>,
    /// The type of the weights in memory [default: the one that a training used, or f32]
    #[arg(long, value_parser = PossibleValuesParser::new(DTYPES))]
    dtype: Option<String>,
    /// The backend that computes
    #[arg(long, default_value = "cpu", value_parser = PossibleValuesParser::new(Backend::NAMES))]
    backend: String,
}

/// The names of the types, as a spec writes them.
pub(super) const DTYPES: [&str; 3] = ["f32", "f16", "bf16"];

/// The file that makes a folder a PEFT adapter.
const ADAPTER: &str = "adapter_config.json";

impl ModelArguments {
    /// What to do with an adapter that does not name its base.
    const HINT: &str = "pass the base model instead, and this folder with `--adapter`";

    /// Reads the model, with its adapter if there is one.
    pub(super) fn open(&self) -> Result<LanguageModel, Failure> {
        let device = open_backend(&self.backend)?;
        let place = Place::find(&self.model, Self::HINT)?;
        let dtype = self.dtype.as_deref().and_then(dtype);
        let mut model = place.open(dtype, &device)?;
        if let Some(adapter) = &self.adapter {
            model.load_adapter(adapter).map_err(unreadable)?;
        }
        model.chat.set_date(SystemTime::now());
        Ok(model)
    }
}

/// Where a model is.
pub(super) enum Place {
    /// In a folder of the Hugging Face layout, or in a GGUF file.
    Folder(PathBuf),
    /// In a folder with an adapter, and the folder of its base.
    Adapter(PathBuf, PathBuf),
    /// In the folder of a finished training.
    Job(JobDir),
}

impl Place {
    /// Finds a model by its folder, its name, or the training that made it.
    ///
    /// `hint` says what to do with an adapter that does not name its base.
    pub(super) fn find(model: &str, hint: &str) -> Result<Self, Failure> {
        let path = Path::new(model);
        if path.join("job.json").is_file() {
            return Ok(Self::Job(JobDir::new(path)));
        }
        if path.join(ADAPTER).is_file() && !path.join("config.json").is_file() {
            let base = base_of(path, hint)?;
            return Ok(Self::Adapter(path.to_owned(), base));
        }
        if is_model(path) {
            return Ok(Self::Folder(path.to_owned()));
        }
        let store = results_folder::of_current_folder();
        let job = store.job_dir(&JobId(model.to_owned()));
        if job.path().join("job.json").is_file() {
            return Ok(Self::Job(job));
        }
        named(model).map(Self::Folder)
    }

    /// Reads the model; without a `dtype`, the result of a training in the type that it used, and others
    /// in 32 bits.
    pub(super) fn open(
        &self,
        dtype: Option<Dtype>,
        device: &Device,
    ) -> Result<LanguageModel, Failure> {
        match self {
            Self::Folder(path) => {
                LanguageModel::load(path, dtype.unwrap_or(Dtype::F32), device).map_err(unreadable)
            }
            Self::Adapter(adapter, base) => {
                let mut model = LanguageModel::load(base, dtype.unwrap_or(Dtype::F32), device)
                    .map_err(unreadable)?;
                model.load_adapter(adapter).map_err(unreadable)?;
                Ok(model)
            }
            Self::Job(dir) => worker::trained_model(dir, dtype, device)
                .map_err(|error| Failure::new(Exit::Missing, &error)),
        }
    }

    /// The folder of the base weights, if there is one.
    pub(super) fn base(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) | Self::Adapter(_, path) => Some(path),
            Self::Job(_) => None,
        }
    }
}

/// The folder of the base model that an adapter names.
fn base_of(adapter: &Path, hint: &str) -> Result<PathBuf, Failure> {
    let path = adapter.join(ADAPTER);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let json: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some(base) = json.get("base_model_name_or_path").and_then(Value::as_str) else {
        let text = format!("`{}` does not name its base model", path.display());
        return Err(Failure::text(Exit::Missing, text).hint(hint));
    };
    let path = Path::new(base);
    if path.join("config.json").is_file() || is_gguf(path) {
        Ok(PathBuf::from(base))
    } else {
        named(base)
    }
}

/// The folder of a model, by its name in the manifest or by its repository.
pub(super) fn named(name: &str) -> Result<PathBuf, Failure> {
    let around =
        Surroundings::find(Path::new(".")).map_err(|error| Failure::new(Exit::Missing, &error))?;
    let entry = around.manifest.as_ref().and_then(|manifest| {
        let by_repository = || {
            let mut entries = manifest.entries();
            entries.find(|entry| entry.repository() == Some(name))
        };
        manifest.get(name).or_else(by_repository)
    });
    let Some(entry) = entry else {
        let text = format!("there is no model `{name}` here");
        let of_manifest = if around.manifest.is_some() {
            "a name of `datasets/manifest.toml` (`recode fetch --list`)"
        } else {
            "a name of `datasets/manifest.toml` (`recode init` makes one here)"
        };
        return Err(Failure::text(Exit::Missing, text).hint(format!(
            "expected a folder in the Hugging Face layout, a GGUF file, {of_manifest}, or a finished training, \
             such as `train-7c1e9a02`"
        )));
    };
    match Cache::from_environment().resolve(entry) {
        Resolved::Here(path) => Ok(path),
        Resolved::Missing { what, how } => Err(Failure::text(Exit::Missing, what).hint(how)),
    }
}

/// The first device of a backend.
pub(super) fn open_backend(name: &str) -> Result<Device, Failure> {
    let backend = Backend::ALL.into_iter().find(|one| one.name() == name);
    backend
        .expect("clap accepts only the names of backends")
        .open()
        .map_err(|error| Failure::new(Exit::Missing, &error))
}

/// The type with a name.
pub(super) fn dtype(name: &str) -> Option<Dtype> {
    serde_json::from_value(name.into()).ok()
}

/// A failure to read or write the files of a model.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
pub(super) fn unreadable(error: ModelError) -> Failure {
    Failure::new(Exit::Missing, &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_for_an_adapter_without_a_base_names_an_argument_of_the_command() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(ADAPTER), "{}").unwrap();
        let arguments = ModelArguments {
            model: folder.path().display().to_string(),
            adapter: None,
            dtype: None,
            backend: "cpu".to_owned(),
        };

        let hint = arguments.open().unwrap_err().into_hint().unwrap();

        assert_eq!(
            hint,
            "pass the base model instead, and this folder with `--adapter`"
        );
    }
}
