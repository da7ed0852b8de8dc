//! Grouped-query attention (arXiv 2305.13245) with rotary positions.

use std::cell::OnceCell;

use burn::tensor::{DType, Tensor, activation::softmax};

use super::{
    adapter::Dropout,
    config::DecoderConfig,
    kernel,
    kv_cache::KvCache,
    norm::RmsNorm,
    parameter::{HEAD_NORMS, ParameterValues, Visit},
    projection::Projection,
    rope::Rotation,
    token_batch::TokenBatch,
};

/// Attention with its four projections.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub(super) q_proj: Projection,
    pub(super) k_proj: Projection,
    pub(super) v_proj: Projection,
    pub(super) o_proj: Projection,
    /// The norms of each head of queries and of keys, if the family has them.
    head_norms: [Option<RmsNorm>; 2],
    kv_heads: usize,
    /// The number of query heads that share a key head.
    group_size: usize,
    head_dim: usize,
}

/// What every block knows of the tokens that pass through.
#[derive(Debug)]
pub(super) struct Columns<'t> {
    tokens: &'t TokenBatch,
    /// Columns before those of this pass.
    past: usize,
    rotation: Rotation,
    /// See [`TokenBatch::visibility`](super::TokenBatch); made when it is first needed.
    visibility: OnceCell<Option<Tensor<4>>>,
}

impl<'t> Columns<'t> {
    pub(super) fn new(tokens: &'t TokenBatch, past: usize, rotation: Rotation) -> Self {
        Self {
            tokens,
            past,
            rotation,
            visibility: OnceCell::new(),
        }
    }

    /// The last token of each row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch · time, d]`
    /// - output: `[batch, d]`
    pub(super) fn last(&self, x: Tensor<2>) -> Tensor<2> {
        let (batch, time, width) = (self.tokens.batch(), self.tokens.time(), x.dims()[1]);
        x.reshape([batch, time, width])
            .narrow(1, time - 1, 1)
            .reshape([batch, width])
    }
}

/// What a pass through the decoder gives to a block.
#[derive(Debug)]
pub(super) struct Pass<'a, 't> {
    pub(super) columns: &'a Columns<'t>,
    pub(super) cache: Option<&'a mut KvCache>,
    pub(super) dropout: Option<&'a mut Dropout>,
}

impl Attention {
    /// Builds the attention `name` of the checkpoint.
    pub(super) fn build(config: &DecoderConfig, name: &str, values: &mut ParameterValues) -> Self {
        let layer = |short: &str| format!("{name}.{short}");
        let head_norms =
            HEAD_NORMS.map(|short| RmsNorm::build_if_listed(config, &layer(short), values));
        let mut projection = |short: &str| Projection::build(&layer(short), values);
        Self {
            q_proj: projection("q_proj"),
            k_proj: projection("k_proj"),
            v_proj: projection("v_proj"),
            o_proj: projection("o_proj"),
            head_norms,
            kv_heads: config.num_key_value_heads,
            group_size: config.group_size(),
            head_dim: config.head_dim,
        }
    }

    /// # Shapes
    ///
    /// - `x`, output: `[batch · time, d]`
    pub(super) fn forward(
        &self,
        x: &Tensor<2>,
        layer: usize,
        pass: &mut Pass<'_, '_>,
    ) -> Tensor<2> {
        let projections = [&self.q_proj, &self.k_proj, &self.v_proj];
        let [q, k, v] = Projection::forward_each(projections, x, pass.dropout.as_deref_mut());
        self.mixed(q, [k, v], layer, pass)
    }

    /// As [`Self::forward`], of the last token of each row alone; others leave keys and values behind.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch · time, d]`
    /// - output: `[batch, d]`
    pub(super) fn last(&self, x: &Tensor<2>, layer: usize, pass: &mut Pass<'_, '_>) -> Tensor<2> {
        let projections = [&self.k_proj, &self.v_proj];
        let keys = Projection::forward_each(projections, x, pass.dropout.as_deref_mut());
        let last = pass.columns.last(x.clone());
        let q = self.q_proj.forward(last, pass.dropout.as_deref_mut());
        self.mixed(q, keys, layer, pass)
    }

    /// What the last tokens of each row, as many as there are queries, see.
    ///
    /// # Shapes
    ///
    /// - `q`: `[batch · last, heads · head_dim]`
    /// - `k`, `v`: `[batch · time, kv_heads · head_dim]`
    /// - output: `[batch · last, d]`
    fn mixed(
        &self,
        q: Tensor<2>,
        [k, v]: [Tensor<2>; 2],
        layer: usize,
        pass: &mut Pass<'_, '_>,
    ) -> Tensor<2> {
        let columns = pass.columns;
        let [q_norm, k_norm] = self.head_norms.each_ref().map(Option::as_ref);
        let (q, k) = (norm_heads(q_norm, q), norm_heads(k_norm, k));
        let (b, time, d) = (columns.tokens.batch(), columns.tokens.time(), self.head_dim);
        let (kv, g, t) = (self.kv_heads, self.group_size, q.dims()[0] / b);
        let q = columns.rotation.apply(q.reshape([b, t, kv * g, d]));
        let k = columns.rotation.apply(k.reshape([b, time, kv, d]));
        let (k, v) = (
            k.swap_dims(1, 2),
            v.reshape([b, time, kv, d]).swap_dims(1, 2),
        );
        let (k, v) = match pass.cache.as_deref_mut() {
            Some(cache) => cache.extend(layer, k, v),
            None => (k, v),
        };

        if let Some(mixed) = kernel::attention(&q, &k, &v, columns.tokens.left_padding()) {
            return self.o_proj.forward(mixed, pass.dropout.as_deref_mut());
        }
        // The heads of a group lie one below the other, so that none of its keys is repeated.
        let scale = (d as f64).powf(-0.5);
        let q = q
            .mul_scalar(scale)
            .swap_dims(1, 2)
            .reshape([b, kv, g * t, d]);
        let scores = q.matmul(k.swap_dims(2, 3));
        let mixed = self.weights(scores, columns).matmul(v);
        let mixed = mixed
            .reshape([b, kv * g, t, d])
            .swap_dims(1, 2)
            .reshape([b * t, kv * g * d]);
        self.o_proj.forward(mixed, pass.dropout.as_deref_mut())
    }

    /// # Shapes
    ///
    /// - `scores`, output: `[batch, kv_heads, group · last, past + time]`
    fn weights(&self, scores: Tensor<4>, columns: &Columns<'_>) -> Tensor<4> {
        let [b, kv, rows, total] = scores.dims();
        let dtype = scores.dtype();
        let (tokens, device) = (columns.tokens, scores.device().inner());
        let visibility = || tokens.visibility(columns.past, &device, dtype);
        let scores = match columns.visibility.get_or_init(visibility) {
            Some(visibility) => {
                let time = rows / self.group_size;
                let scores = scores.reshape([b, kv * self.group_size, time, total]);
                let visibility = visibility.clone().narrow(2, tokens.time() - time, time);
                (scores + visibility).reshape([b, kv, rows, total])
            }
            None => scores,
        };
        kernel::softmax(&scores).unwrap_or_else(|| softmax(scores.cast(DType::F32), 3).cast(dtype))
    }

    pub(super) fn projections(&mut self) -> [(&'static str, &mut Projection); 4] {
        [
            ("q_proj", &mut self.q_proj),
            ("k_proj", &mut self.k_proj),
            ("v_proj", &mut self.v_proj),
            ("o_proj", &mut self.o_proj),
        ]
    }

    pub(super) fn each_parameter(&mut self, name: &str, visit: &mut Visit<'_>) {
        for (short, projection) in self.projections() {
            projection.each_parameter(&format!("{name}.{short}"), visit);
        }
        for (short, norm) in HEAD_NORMS.into_iter().zip(&mut self.head_norms) {
            if let Some(norm) = norm {
                norm.each_parameter(&format!("{name}.{short}"), visit);
            }
        }
    }
}

fn norm_heads(norm: Option<&RmsNorm>, x: Tensor<2>) -> Tensor<2> {
    match norm {
        Some(norm) => norm.forward_heads(x),
        None => x,
    }
}
