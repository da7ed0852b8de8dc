//! The tensors of a checkpoint by the names of a decoder's parameters, and those that no parameter uses.

use std::collections::BTreeSet;

use burn::tensor::{DType, Device, Tensor};

use crate::model::{
    config::DecoderConfig,
    error::ModelError,
    parameter::{self, EMBEDDING, HEAD, Layout, ParameterShape},
};

use super::{Archive, folder};

/// The prefix of all names but the head's, which a checkpoint of the decoder without a head omits.
const PREFIX: &str = "model.";

/// Ends of the names of quantised weights and of their scales, as GPTQ, AWQ, bitsandbytes,
/// compressed-tensors and FP8 checkpoints have them.
const QUANTISED: [&str; 8] = [
    ".qweight",
    ".weight_packed",
    ".weight_scale",
    ".weight_scale_inv",
    ".weight.absmax",
    ".weight.quant_map",
    ".SCB",
    ".input_scale",
];

/// Tensors that transformers ignores too: old checkpoints store what follows from the configuration.
const DERIVED: &str = "rotary_emb.inv_freq";

/// The tensors of a checkpoint, by the names of the parameters of a decoder.
pub(in crate::model) struct Checkpoint {
    archive: Archive,
    /// Whether the names lack [`PREFIX`].
    is_bare: bool,
    /// Whether the only table of a tied model has the name of the head.
    is_head_alone: bool,
    used: BTreeSet<String>,
}

impl Checkpoint {
    /// Finds out which names the tensors have. `config` loses its tie if the head has values that are
    /// not the embedding's, as in transformers 5.
    pub(in crate::model) fn new(
        archive: Archive,
        config: &mut DecoderConfig,
        dtype: DType,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let names = archive.names();
        let quantised = names
            .iter()
            .find(|name| QUANTISED.iter().any(|end| name.ends_with(end)));
        if let Some(name) = quantised {
            return Err(ModelError::Weights {
                path: archive.path().to_owned(),
                problem: format!("the weights are quantised (`{name}`), which is not supported"),
            });
        }
        let is_bare = !names.iter().any(|name| name.starts_with(PREFIX));
        let mut checkpoint = Self {
            archive,
            is_bare,
            is_head_alone: false,
            used: BTreeSet::new(),
        };
        if config.tie_word_embeddings {
            checkpoint.settle_head(config, dtype, device)?;
        }
        Ok(checkpoint)
    }

    /// Reads a parameter.
    pub(in crate::model) fn read(
        &mut self,
        parameter: &ParameterShape,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor<2>, ModelError> {
        let name = self.name(&parameter.name);
        let layout = parameter.role.layout();
        let value = self
            .archive
            .read(&name, layout, parameter.dims, dtype, device)?;
        self.used.insert(name);
        Ok(value)
    }

    /// Refuses a checkpoint with tensors that no parameter has used: its model is another one.
    pub(in crate::model) fn finish(self) -> Result<(), ModelError> {
        let mut unused = self.archive.names();
        unused.retain(|name| !self.used.contains(name) && !name.contains(DERIVED));
        if unused.is_empty() {
            return Ok(());
        }
        let named: Vec<String> = unused.iter().map(|name| format!("`{name}`")).collect();
        let count = match unused.len() {
            1 => "one tensor".to_owned(),
            count => format!("{count} tensors"),
        };
        Err(ModelError::Weights {
            path: self.archive.path().to_owned(),
            problem: format!(
                "{count} that the decoder of `config.json` does not use: {}; correct `config.json`, \
                 or remove what changes nothing",
                folder::list(&named)
            ),
        })
    }

    /// The name in the files of a parameter.
    fn name(&self, parameter: &str) -> String {
        if self.is_head_alone && parameter == parameter::weight(EMBEDDING) {
            return parameter::weight(HEAD);
        }
        match parameter.strip_prefix(PREFIX) {
            Some(bare) if self.is_bare => bare.to_owned(),
            _ => parameter.to_owned(),
        }
    }

    /// Compares the head of a tied model with its embedding, if the checkpoint has a head.
    fn settle_head(
        &mut self,
        config: &mut DecoderConfig,
        dtype: DType,
        device: &Device,
    ) -> Result<(), ModelError> {
        let (head, embedding) = (
            parameter::weight(HEAD),
            self.name(&parameter::weight(EMBEDDING)),
        );
        let Some((_, in_head)) = self.archive.find(&head) else {
            return Ok(());
        };
        let Some((_, in_embedding)) = self.archive.find(&embedding) else {
            self.is_head_alone = true;
            return Ok(());
        };
        let are_same_bytes =
            in_head.dtype() == in_embedding.dtype() && in_head.data() == in_embedding.data();
        let dims = [config.vocab_size, config.hidden_size];
        let values = |name: &str| {
            let tensor = self.archive.read(name, Layout::Table, dims, dtype, device);
            tensor.map(Tensor::into_data)
        };
        if are_same_bytes || values(&head)? == values(&embedding)? {
            self.used.insert(head);
            return Ok(());
        }
        tracing::warn!(
            "`{}` says `tie_word_embeddings`, but has a head whose values are not the embedding's; \
             the head is used, as in transformers 5",
            self.archive.path().display()
        );
        config.untie();
        Ok(())
    }
}
