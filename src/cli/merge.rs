//! `recode merge`: folds an adapter into its base model.

use std::path::{Path, PathBuf};

use clap::{Args, builder::PossibleValuesParser};

use super::{
    exit::{Exit, Failure},
    model_arguments::{DTYPES, Place, dtype, named, open_backend, unreadable},
    output,
};
use crate::model::{config_of_model, is_model, is_stored_as_gguf};

/// Arguments of `recode merge`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A folder with a PEFT adapter, or a finished training, such as `train-7c1e9a02`
    adapter: String,
    /// The folder to write, in the Hugging Face layout; it must be empty or not exist yet
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The base model, if the adapter does not name it: a folder, or a name of
    /// `datasets/manifest.toml`
    #[arg(long, value_name = "MODEL")]
    base: Option<String>,
    /// Write only the adapter, with the keys that PEFT expects
    #[arg(long)]
    adapter_only: bool,
    /// The type of the written weights [default: that of the files of the base model]
    #[arg(long, value_parser = PossibleValuesParser::new(DTYPES))]
    dtype: Option<String>,
}

/// Runs `recode merge`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.out == Path::new("-") {
        let text = "`--out -` names no folder";
        return Err(Failure::text(Exit::Usage, text).hint("write `./-` for a folder of this name"));
    }
    let is_taken = arguments
        .out
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_some());
    if arguments.out.exists() && !arguments.out.is_dir() {
        let text = format!("`{}` is no folder", arguments.out.display());
        return Err(Failure::text(Exit::Usage, text).hint("choose another `--out`"));
    }
    if is_taken {
        let text = format!("`{}` is not empty", arguments.out.display());
        return Err(Failure::text(Exit::Usage, text).hint("choose another `--out`"));
    }
    let place = match &arguments.base {
        Some(base) => Place::Adapter(PathBuf::from(&arguments.adapter), folder(base)?),
        None => Place::find(&arguments.adapter, "name it with `--base`")?,
    };
    if let Place::Folder(path) = &place
        && (arguments.adapter_only || !is_stored_as_gguf(path))
    {
        let text = format!("`{}` has no adapter to merge", path.display());
        return Err(Failure::text(Exit::Usage, text));
    }
    let stored = match place.base() {
        Some(base) => config_of_model(base).map_err(unreadable)?.dtype(),
        None => None,
    };
    let dtype = arguments.dtype.as_deref().and_then(dtype).or(stored);
    let model = place.open(dtype, &open_backend("cpu")?)?;
    if arguments.adapter_only {
        let base = place.base().unwrap_or(Path::new(&arguments.adapter));
        let base = base.display().to_string();
        model
            .save_adapter(&arguments.out, &base)
            .map_err(unreadable)?;
    } else {
        model.save(&arguments.out).map_err(unreadable)?;
    }
    output::result(&arguments.out.display().to_string());
    Ok(Exit::Done)
}

/// A folder or a GGUF file, or the folder of a name.
fn folder(base: &str) -> Result<PathBuf, Failure> {
    if is_model(Path::new(base)) {
        Ok(PathBuf::from(base))
    } else {
        named(base)
    }
}
