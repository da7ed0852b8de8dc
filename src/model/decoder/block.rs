//! One block of a decoder.

use burn::tensor::Tensor;

use crate::model::{
    attention::{Attention, Pass},
    config::DecoderConfig,
    mlp::Mlp,
    norm::RmsNorm,
    parameter::{ATTENTION, INPUT_NORM, MLP, MLP_NORM, ParameterValues, Visit},
    projection::Projection,
};

/// A block: attention, then a feed-forward layer, each after a norm and added to the residual stream.
#[derive(Clone, Debug)]
pub(super) struct Block {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
}

impl Block {
    /// Builds the block `name` of the checkpoint.
    pub(super) fn build(config: &DecoderConfig, name: &str, values: &mut ParameterValues) -> Self {
        let layer = |short: &str| format!("{name}.{short}");
        Self {
            input_layernorm: RmsNorm::build(config, &layer(INPUT_NORM), values),
            self_attn: Attention::build(config, &layer(ATTENTION), values),
            post_attention_layernorm: RmsNorm::build(config, &layer(MLP_NORM), values),
            mlp: Mlp::build(&layer(MLP), values),
        }
    }

    /// # Shapes
    ///
    /// - `x`, output: `[batch · time, d]`
    pub(super) fn forward(&self, x: Tensor<2>, index: usize, pass: &mut Pass<'_, '_>) -> Tensor<2> {
        let normed = self.input_layernorm.forward(x.clone());
        let change = self.self_attn.forward(&normed, index, pass);
        let [x, normed] = self.post_attention_layernorm.forward_sum(x, change);
        x + self.mlp.forward(&normed, pass.dropout.as_deref_mut())
    }

    /// As [`Self::forward`], but only for the last token of each row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch · time, d]`
    /// - output: `[batch, d]`
    pub(super) fn last(&self, x: Tensor<2>, index: usize, pass: &mut Pass<'_, '_>) -> Tensor<2> {
        let normed = self.input_layernorm.forward(x.clone());
        let change = self.self_attn.last(&normed, index, pass);
        let [x, normed] = self
            .post_attention_layernorm
            .forward_sum(pass.columns.last(x), change);
        x + self.mlp.forward(&normed, pass.dropout.as_deref_mut())
    }

    /// Whether any projection has an adapter.
    pub(super) fn is_adapted(&self) -> bool {
        let (attention, mlp) = (&self.self_attn, &self.mlp);
        [
            &attention.q_proj,
            &attention.k_proj,
            &attention.v_proj,
            &attention.o_proj,
        ]
        .into_iter()
        .chain([&mlp.gate_proj, &mlp.up_proj, &mlp.down_proj])
        .any(Projection::is_adapted)
    }

    /// Passes every parameter to `visit`.
    pub(super) fn each_parameter(&mut self, name: &str, visit: &mut Visit<'_>) {
        let layer = |short: &str| format!("{name}.{short}");
        self.input_layernorm
            .each_parameter(&layer(INPUT_NORM), visit);
        self.self_attn.each_parameter(&layer(ATTENTION), visit);
        self.post_attention_layernorm
            .each_parameter(&layer(MLP_NORM), visit);
        self.mlp.each_parameter(&layer(MLP), visit);
    }

    /// Passes every projection and its name to `visit`.
    pub(super) fn each_projection(
        &mut self,
        name: &str,
        visit: &mut dyn FnMut(&str, &mut Projection),
    ) {
        for (short, projection) in self.self_attn.projections() {
            visit(&format!("{name}.{ATTENTION}.{short}"), projection);
        }
        for (short, projection) in self.mlp.projections() {
            visit(&format!("{name}.{MLP}.{short}"), projection);
        }
    }
}
