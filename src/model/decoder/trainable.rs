//! Reading, freezing, merging and replacing a decoder's parameters.

use std::collections::BTreeMap;

use burn::tensor::{Gradients, Tensor};

use crate::model::{
    Dropout, TokenBatch,
    parameter::{self, EMBEDDING, FINAL_NORM, HEAD, Layout, Parameter, Visit},
    projection::Projection,
};

use super::Decoder;

impl Decoder {
    /// Whether an adapter drops elements of its input in training.
    pub fn drops(&self) -> bool {
        let mut drops = false;
        self.clone()
            .each_projection(&mut |_, projection| drops |= projection.drops());
        drops
    }

    /// Takes from `dropout` what a pass over `tokens` takes, without the pass: for a batch that another process
    /// computes.
    pub fn skip_dropout(&self, tokens: &TokenBatch, dropout: &mut Dropout) {
        let rows = tokens.batch() * tokens.time();
        // The projections come in the order of a pass.
        self.clone()
            .each_projection(&mut |_, projection| projection.skip_dropout(rows, dropout));
    }

    /// The same values outside any graph: for sampling, or as a reference that never changes.
    #[must_use]
    pub fn frozen(&self) -> Self {
        let mut frozen = self.clone();
        // No refresh: the values are the same, and each of DoRA's norms costs a dense matrix.
        frozen.each_parameter(&mut |parameter| parameter.tensor.inplace(Tensor::inner));
        frozen
    }

    /// The frozen base model, without adapters.
    #[must_use]
    pub fn without_adapter(&self) -> Self {
        let mut base = self.clone();
        base.each_projection(&mut |_, projection| projection.set_adapter(None));
        base.frozen()
    }

    /// The frozen model with its adapters folded into the weights: fewer products per token.
    #[must_use]
    pub fn merged(&self) -> Self {
        let mut merged = self.frozen();
        merged.each_projection(&mut |_, projection| projection.merge());
        merged
    }

    /// The parameters that are trained, by name, outside any graph.
    ///
    /// Names are those of the checkpoint; for adapters, PEFT's without the prefix
    /// `base_model.model.`.
    pub fn trainable(&self) -> BTreeMap<String, Tensor<2>> {
        let mut tensors = BTreeMap::new();
        self.clone().each_parameter(&mut |parameter| {
            if parameter.tensor.is_require_grad() {
                tensors.insert(parameter.name, parameter.tensor.clone().inner());
            }
        });
        tensors
    }

    /// Replaces every parameter that is trained by what `change` returns for it.
    ///
    /// The new values are leaves of a new graph, whatever `change` returns.
    #[must_use]
    pub fn map_trainable(mut self, mut change: impl FnMut(&str, Tensor<2>) -> Tensor<2>) -> Self {
        self.each_parameter(&mut |Parameter { name, tensor, .. }| {
            if tensor.is_require_grad() {
                tensor.inplace(|value| leaf(change(&name, value.inner())));
            }
        });
        self.refresh();
        self
    }

    /// Removes the gradient of every parameter that is trained, and returns them by name.
    ///
    /// A parameter that the loss does not depend on has none.
    pub fn gradients(&self, gradients: &mut Gradients) -> BTreeMap<String, Tensor<2>> {
        let mut named = BTreeMap::new();
        self.clone().each_parameter(&mut |parameter| {
            if let Some(gradient) = parameter.tensor.grad_remove(gradients) {
                named.insert(parameter.name, gradient);
            }
        });
        named
    }

    /// Trains what `is_trained` chooses, and freezes everything else.
    pub(in crate::model) fn train(&mut self, is_trained: impl Fn(&Parameter<'_>) -> bool) {
        self.each_parameter(&mut |parameter| {
            let trained = is_trained(&parameter);
            parameter
                .tensor
                .inplace(|value| if trained { leaf(value) } else { value.inner() });
        });
        self.refresh();
    }

    /// Passes every projection and its name to `visit`.
    pub(in crate::model) fn each_projection(
        &mut self,
        visit: &mut dyn FnMut(&str, &mut Projection),
    ) {
        for (index, block) in self.layers.iter_mut().enumerate() {
            block.each_projection(&parameter::block(index), visit);
        }
    }

    /// Passes every parameter to `visit`, which may replace it.
    ///
    /// [`Self::refresh`] must follow if a parameter of an adapter, or a weight with one, is replaced.
    pub(in crate::model) fn each_parameter(&mut self, visit: &mut Visit<'_>) {
        let table = Layout::Table;
        let name = parameter::weight(EMBEDDING);
        parameter::base(name, table, &mut self.embed_tokens, visit);
        for (index, block) in self.layers.iter_mut().enumerate() {
            block.each_parameter(&parameter::block(index), visit);
        }
        self.norm.each_parameter(FINAL_NORM, visit);
        if let Some(head) = &mut self.lm_head {
            parameter::base(parameter::weight(HEAD), table, head, visit);
        }
    }

    /// Recomputes what adapters derive from parameters.
    pub(in crate::model) fn refresh(&mut self) {
        self.each_projection(&mut |_, projection| projection.refresh());
    }
}

/// A leaf of a new graph.
pub(super) fn leaf(value: Tensor<2>) -> Tensor<2> {
    value.inner().autodiff().require_grad()
}
