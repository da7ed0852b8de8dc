//! Adapters of a language model: attaching, writing and reading them.

use std::{fs, path::Path};

use burn::tensor::DType;

use crate::model::{
    adapter::{Adapter, peft},
    error::ModelError,
    files::write_json,
    settings::{AdapterKind, AdapterSettings},
    weights::{self, Archive},
};

use super::LanguageModel;

impl LanguageModel {
    /// Makes the model trainable: a new adapter if the settings ask for one, else all weights.
    ///
    /// The adapter's initial values come from `seed`; they do not change what the model computes.
    pub fn attach_adapter(
        &mut self,
        settings: &AdapterSettings,
        seed: u64,
    ) -> Result<(), ModelError> {
        self.decoder = self.decoder.without_adapter();
        self.adapter = None;
        if settings.kind == AdapterKind::None {
            self.decoder.train(|_| true);
            return Ok(());
        }
        if settings.r == 0 {
            return Err(ModelError::Adapter(
                "`r` is `0`, expected `1` or more".to_owned(),
            ));
        }
        let targets = settings
            .targets
            .projections()
            .map_err(ModelError::Adapter)?;
        self.decoder.each_projection(&mut |name, projection| {
            if targets
                .iter()
                .any(|target| name.ends_with(&format!(".{target}")))
            {
                projection.set_adapter(Adapter::new(settings, name, projection.weight(), seed));
            }
        });
        self.decoder.train(|parameter| parameter.is_adapter);
        self.adapter = Some(settings.clone());
        Ok(())
    }

    /// Writes the adapter as PEFT does: `adapter_model.safetensors` and `adapter_config.json`.
    ///
    /// `base` names the model that the adapter belongs to: a folder, or a repository of the hub.
    pub fn save_adapter(&self, folder: &Path, base: &str) -> Result<(), ModelError> {
        let Some(settings) = &self.adapter else {
            return Err(ModelError::Adapter("the model has none to save".to_owned()));
        };
        fs::create_dir_all(folder).map_err(|source| ModelError::Write {
            path: folder.to_owned(),
            source,
        })?;
        let mut tensors = Vec::new();
        self.decoder.clone().each_parameter(&mut |parameter| {
            if parameter.is_adapter {
                let name = peft::name(&parameter.name);
                tensors.push((name, parameter.layout, parameter.tensor.clone()));
            }
        });
        weights::write(&folder.join(peft::WEIGHTS), tensors)?;
        let config = peft::config(settings, base).map_err(ModelError::Adapter)?;
        write_json(&folder.join(peft::CONFIG), &config)
    }

    /// Reads an adapter in the format of PEFT, which replaces the present one.
    pub fn load_adapter(&mut self, folder: &Path) -> Result<(), ModelError> {
        let settings = peft::read_config(&folder.join(peft::CONFIG))?;
        let path = folder.join(peft::WEIGHTS);
        let pickled = folder.join(peft::PICKLED);
        if pickled.is_file() && !path.exists() {
            return Err(ModelError::Weights {
                problem: format!(
                    "there are only pickled weights, `{}`; convert them to `{}`, for example with \
                     `save_pretrained` of PEFT",
                    peft::PICKLED,
                    peft::WEIGHTS
                ),
                path: folder.to_owned(),
            });
        }
        let archive = Archive::open_file(&path)?;
        check_rank(&archive, settings.r)?;
        // All initial values are replaced.
        self.attach_adapter(&settings, 0)?;
        let device = self.decoder.device();
        let mut unread = archive.names();
        let mut failure = None;
        self.decoder.each_parameter(&mut |parameter| {
            if !parameter.is_adapter || failure.is_some() {
                return;
            }
            let twice = peft::name_if_wrapped_twice(&parameter.name);
            let name = if archive.find(&twice).is_some() {
                twice
            } else {
                peft::name(&parameter.name)
            };
            let (layout, dims) = (parameter.layout, parameter.tensor.dims());
            match archive.read(&name, layout, dims, DType::F32, &device) {
                Ok(value) => *parameter.tensor = value,
                Err(error) => failure = Some(error),
            }
            unread.retain(|other| *other != name);
        });
        if let Some(error) = failure {
            return Err(error);
        }
        if let Some(name) = unread.first() {
            let path = path.display();
            return Err(ModelError::Adapter(format!(
                "`{path}` has a tensor `{name}` that belongs to no target"
            )));
        }
        self.decoder.train(|parameter| parameter.is_adapter);
        Ok(())
    }
}

/// Refuses a rank that the file does not have, before there is memory of that size.
fn check_rank(archive: &Archive, r: usize) -> Result<(), ModelError> {
    for name in archive.names() {
        if !name.ends_with(peft::A) {
            continue;
        }
        let rows = archive
            .find(&name)
            .and_then(|(_, view)| view.shape().first().copied());
        if rows != Some(r) {
            return Err(ModelError::Adapter(format!(
                "`r` is `{r}`, but `{name}` has another rank, `{}`",
                rows.unwrap_or_default()
            )));
        }
        return Ok(());
    }
    Err(ModelError::Adapter(format!(
        "`{}` has no tensor that ends in `{}`",
        archive.path().display(),
        peft::A
    )))
}
