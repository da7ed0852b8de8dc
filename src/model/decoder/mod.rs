//! The decoder: embedding, blocks, final norm, output head.

mod block;
mod by_block;
pub(in crate::model) mod log_probs;
mod trainable;

use burn::tensor::{Device, Tensor};

use super::{
    adapter::Dropout,
    attention::{Columns, Pass},
    config::DecoderConfig,
    engine::Engine,
    kv_cache::KvCache,
    norm::RmsNorm,
    ops,
    parameter::{self, EMBEDDING, FINAL_NORM, HEAD, ParameterShape, ParameterValues},
    rope::Rope,
    token_batch::TokenBatch,
};

use block::Block;

/// A decoder of any of the families in `model::family`.
#[derive(Clone, Debug)]
pub struct Decoder {
    embed_tokens: Tensor<2>,
    layers: Vec<Block>,
    norm: RmsNorm,
    /// `[vocabulary, d]`; none if the embedding is also the head.
    lm_head: Option<Tensor<2>>,
    rope: Rope,
}

impl Decoder {
    /// Builds a decoder from the values that `source` has for [its parameters](DecoderConfig::parameters).
    pub(super) fn build<E>(
        config: &DecoderConfig,
        device: &Device,
        source: impl FnMut(&ParameterShape) -> Result<Tensor<2>, E>,
    ) -> Result<Self, E> {
        let mut values = ParameterValues::read(config.parameters(), source)?;
        Ok(Self {
            embed_tokens: values.take(&parameter::weight(EMBEDDING)),
            layers: (0..config.num_hidden_layers)
                .map(|index| Block::build(config, &parameter::block(index), &mut values))
                .collect(),
            norm: RmsNorm::build(config, FINAL_NORM, &mut values),
            lm_head: values.take_if_listed(&parameter::weight(HEAD)),
            rope: Rope::new(config, device),
        })
    }

    /// Runs the decoder up to its final norm.
    ///
    /// With a cache, the tokens follow those that it holds and are added to it. With dropout,
    /// elements of the adapters' inputs are dropped, as in training.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, time, d]`
    pub fn hidden(
        &self,
        tokens: &TokenBatch,
        cache: Option<&mut KvCache>,
        dropout: Option<&mut Dropout>,
    ) -> Tensor<3> {
        let past = cache.as_ref().map_or(0, |cache| cache.length());
        let (batch, time) = (tokens.batch(), tokens.time());
        let columns = self.columns(tokens, past);
        let mut pass = Pass {
            columns: &columns,
            cache,
            dropout,
        };
        let mut x = self.embed(tokens);
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, index, &mut pass);
        }
        if let Some(cache) = pass.cache {
            cache.advance(time);
        }
        let width = x.dims()[1];
        self.norm.forward(x).reshape([batch, time, width])
    }

    /// As [`Self::hidden`], but only for the last token of each row, which predicts the next one.
    ///
    /// Of the other tokens, the last block computes only keys and values.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, d]`
    pub fn last_hidden(&self, tokens: &TokenBatch, cache: &mut KvCache) -> Tensor<2> {
        let columns = self.columns(tokens, cache.length());
        let mut pass = Pass {
            columns: &columns,
            cache: Some(&mut *cache),
            dropout: None,
        };
        let mut x = self.embed(tokens);
        // The digits of Burn's products, and of products with adapters, depend on the other rows.
        let is_short = tokens.time() > 1
            && self.engine().rows_are_independent()
            && !self.layers.last().is_some_and(Block::is_adapted);
        for (index, layer) in self.layers.iter().enumerate() {
            x = if is_short && index + 1 == self.layers.len() {
                layer.last(x, index, &mut pass)
            } else {
                layer.forward(x, index, &mut pass)
            };
        }
        cache.advance(tokens.time());
        if x.dims()[0] > tokens.batch() {
            x = columns.last(x);
        }
        self.norm.forward(x)
    }

    /// What all blocks need to know of the tokens, which follow `past` others.
    fn columns<'t>(&self, tokens: &'t TokenBatch, past: usize) -> Columns<'t> {
        let positions = tokens.positions(past, &self.device());
        let size = [tokens.batch(), tokens.time()];
        let rotation = self.rope.rotation(
            &positions,
            past + tokens.time(),
            size,
            self.embed_tokens.dtype(),
        );
        Columns::new(tokens, past, rotation)
    }

    /// # Shapes
    ///
    /// - output: `[batch · time, d]`
    fn embed(&self, tokens: &TokenBatch) -> Tensor<2> {
        let ids = tokens.ids(&self.device());
        self.embed_tokens.clone().select(0, ids)
    }

    /// Scores every token of the vocabulary.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[rows, d]`
    /// - output: `[rows, vocabulary]`, in 32 bits
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        let head = self.lm_head.as_ref().unwrap_or(&self.embed_tokens);
        ops::logits(hidden, head.clone().transpose())
    }

    /// The device of the weights, without autodiff.
    pub fn device(&self) -> Device {
        self.embed_tokens.device().inner()
    }

    /// The engine that computes with the weights.
    pub fn engine(&self) -> Engine {
        Engine::of_tensor(&self.embed_tokens)
    }

    /// The size of the vocabulary that the head scores.
    pub(super) fn vocab_size(&self) -> usize {
        self.embed_tokens.dims()[0]
    }

    /// The bytes of one element of the weights and of the cache.
    pub(super) fn number_bytes(&self) -> usize {
        self.embed_tokens.dtype().size()
    }

    /// The number of blocks.
    pub fn num_layers(&self) -> usize {
        self.layers.len()
    }
}
