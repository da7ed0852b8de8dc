//! Grouped-query attention (arXiv 2305.13245) with rotary positions.

use std::cell::OnceCell;

use burn::tensor::Tensor;

use super::{
    adapter::Dropout,
    config::DecoderConfig,
    kv_cache::KvCache,
    norm::RmsNorm,
    ops::{self, Starts},
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

/// What all blocks need to know about the tokens of a pass.
#[derive(Debug)]
pub(super) struct Columns<'t> {
    tokens: &'t TokenBatch,
    /// Columns of the cache, before those of this pass.
    past: usize,
    rotation: Rotation,
    starts: Starts<'t>,
    /// See [`TokenBatch::visibility`](super::TokenBatch); made when a block first needs it.
    visibility: OnceCell<Option<Tensor<4>>>,
}

impl<'t> Columns<'t> {
    pub(super) fn new(tokens: &'t TokenBatch, past: usize, rotation: Rotation) -> Self {
        Self {
            tokens,
            past,
            rotation,
            starts: Starts::new(tokens.left_padding()),
            visibility: OnceCell::new(),
        }
    }

    /// The mask of scores like `queries`, if any query does not see all columns.
    fn visibility(&self, queries: &Tensor<4>) -> Option<Tensor<4>> {
        let made = self.visibility.get_or_init(|| {
            let device = queries.device().inner();
            self.tokens.visibility(self.past, &device, queries.dtype())
        });
        made.clone()
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

/// What the decoder passes to every block.
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
        self.attend(q, [k, v], layer, pass)
    }

    /// As [`Self::forward`], for the last token of each row alone. Of the others only keys and
    /// values are computed.
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
        self.attend(q, keys, layer, pass)
    }

    /// Attention of the last tokens of each row, as many as there are queries.
    ///
    /// # Shapes
    ///
    /// - `q`: `[batch · last, heads · head_dim]`
    /// - `k`, `v`: `[batch · time, kv_heads · head_dim]`
    /// - output: `[batch · last, d]`
    fn attend(
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
        let [k, v] = [k, v].map(|x| x.reshape([b, time, kv, d]));
        let [k, v] = match pass.cache.as_deref_mut() {
            Some(cache) => cache.extend(layer, [k, v], columns.rotation.angles(time)),
            None => [columns.rotation.apply(k), v].map(|x| x.swap_dims(1, 2)),
        };
        let attended = ops::attention([q, k, v], &columns.starts, |q| columns.visibility(q));
        self.o_proj.forward(attended, pass.dropout.as_deref_mut())
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
