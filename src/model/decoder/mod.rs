//! The decoder: embedding, blocks, final norm, output head.

mod by_block;

use std::collections::BTreeMap;

use burn::tensor::{Device, Gradients, Tensor};

use super::{
    DecoderConfig, KvCache, TokenBatch,
    adapter::Dropout,
    attention::{Attention, Columns, Pass},
    engine::Engine,
    mlp::Mlp,
    norm::RmsNorm,
    ops,
    parameter::{self, Layout, Parameter, Visit},
    projection::Projection,
    rope::Rope,
};

/// A Qwen2 or Llama decoder.
#[derive(Clone, Debug)]
pub struct Decoder {
    embed_tokens: Tensor<2>,
    layers: Vec<Block>,
    norm: RmsNorm,
    /// `[vocabulary, d]`; none if the embedding serves as the head.
    lm_head: Option<Tensor<2>>,
    rope: Rope,
}

#[derive(Clone, Debug)]
struct Block {
    input_layernorm: RmsNorm,
    self_attn: Attention,
    post_attention_layernorm: RmsNorm,
    mlp: Mlp,
}

/// Where parameters come from: by name, layout and shape in memory.
pub(super) type Source<'s, E> = dyn FnMut(&str, Layout, [usize; 2]) -> Result<Tensor<2>, E> + 's;

impl Decoder {
    /// Builds a decoder whose parameters come from `source`.
    pub(super) fn build<E>(
        config: &DecoderConfig,
        device: &Device,
        source: &mut Source<'_, E>,
    ) -> Result<Self, E> {
        let d = config.hidden_size;
        let table = [config.vocab_size, d];
        let embed_tokens = source("model.embed_tokens.weight", Layout::Table, table)?;
        let layers = (0..config.num_hidden_layers)
            .map(|index| Block::build(config, &format!("model.layers.{index}"), source))
            .collect::<Result<_, E>>()?;
        let norm = source("model.norm.weight", Layout::Vector, [1, d])?;
        let lm_head = (!config.tie_word_embeddings)
            .then(|| source("lm_head.weight", Layout::Table, table))
            .transpose()?;
        let norm = RmsNorm::new(norm, config.rms_norm_eps);
        Ok(Self {
            embed_tokens,
            layers,
            norm,
            lm_head,
            rope: Rope::new(config, device),
        })
    }

    /// Runs the decoder up to its final norm.
    ///
    /// With a cache, the tokens come behind those that it holds, and are added to it. With dropout,
    /// the adapters' inputs are dropped as in training.
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

    /// As [`Self::hidden`], of the last token of each row, which predicts the next one.
    ///
    /// Of all others the last block needs nothing but keys and values.
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
        // With fewer rows, Burn's products, and so those of adapters, would have other digits.
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

    /// What all blocks know of the tokens, which come behind `past` others.
    fn columns<'t>(&self, tokens: &'t TokenBatch, past: usize) -> Columns<'t> {
        let positions = tokens.positions(past, &self.device());
        let size = [tokens.batch(), tokens.time()];
        let rotation = self
            .rope
            .rotation(&positions, size, self.embed_tokens.dtype());
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

    /// Whether an adapter drops parts of its input in training.
    pub fn drops(&self) -> bool {
        let mut drops = false;
        self.clone()
            .each_projection(&mut |_, projection| drops |= projection.drops());
        drops
    }

    /// The number of tokens that the head scores.
    pub(super) fn vocab_size(&self) -> usize {
        self.embed_tokens.dims()[0]
    }

    /// The size of one number of the weights and of the cache.
    pub(super) fn number_bytes(&self) -> usize {
        self.embed_tokens.dtype().size()
    }

    /// The number of blocks.
    pub fn num_layers(&self) -> usize {
        self.layers.len()
    }

    /// The same values outside any graph: for sampling, or as a reference that stays as it is.
    #[must_use]
    pub fn frozen(&self) -> Self {
        let mut frozen = self.clone();
        // No refresh: the values are the same, and DoRA's norms take a dense matrix each.
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

    /// The frozen model with its adapters folded into the weights: fewer products a token.
    #[must_use]
    pub fn merged(&self) -> Self {
        let mut merged = self.frozen();
        merged.each_projection(&mut |_, projection| projection.merge());
        merged
    }

    /// The parameters that are trained, by name, outside any graph.
    ///
    /// Names are those of the checkpoint; for adapters PEFT's, without the prefix
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

    /// Replaces every parameter that is trained by what `change` makes of it.
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

    /// Takes the gradient of every parameter that is trained, by name.
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

    /// Trains what `is_trained` chooses, and freezes all else.
    pub(super) fn train(&mut self, is_trained: impl Fn(&Parameter<'_>) -> bool) {
        self.each_parameter(&mut |parameter| {
            let trained = is_trained(&parameter);
            parameter
                .tensor
                .inplace(|value| if trained { leaf(value) } else { value.inner() });
        });
        self.refresh();
    }

    /// Shows every projection and its name to `visit`.
    pub(super) fn each_projection(&mut self, visit: &mut dyn FnMut(&str, &mut Projection)) {
        for (index, block) in self.layers.iter_mut().enumerate() {
            for (short, projection) in block.self_attn.projections() {
                visit(
                    &format!("model.layers.{index}.self_attn.{short}"),
                    projection,
                );
            }
            for (short, projection) in block.mlp.projections() {
                visit(&format!("model.layers.{index}.mlp.{short}"), projection);
            }
        }
    }

    /// Shows every parameter to `visit`, which may replace it; [`Self::refresh`] must follow if it
    /// replaces any that an adapter belongs to.
    pub(super) fn each_parameter(&mut self, visit: &mut Visit<'_>) {
        let name = "model.embed_tokens.weight".to_owned();
        parameter::base(name, Layout::Table, &mut self.embed_tokens, visit);
        for (index, block) in self.layers.iter_mut().enumerate() {
            block.each_parameter(&format!("model.layers.{index}"), visit);
        }
        self.norm.each_parameter("model.norm", visit);
        if let Some(head) = &mut self.lm_head {
            parameter::base("lm_head.weight".to_owned(), Layout::Table, head, visit);
        }
    }

    pub(super) fn refresh(&mut self) {
        self.each_projection(&mut |_, projection| projection.refresh());
    }
}

/// A leaf of a new graph.
fn leaf(value: Tensor<2>) -> Tensor<2> {
    value.inner().autodiff().require_grad()
}

impl Block {
    fn build<E>(config: &DecoderConfig, name: &str, source: &mut Source<'_, E>) -> Result<Self, E> {
        let (d, wide) = (config.hidden_size, config.intermediate_size);
        let queries = config.num_attention_heads * config.head_dim;
        let keys = config.num_key_value_heads * config.head_dim;
        let bias = config.attention_bias;
        let mut norm = |short: &str| {
            let weight = source(&format!("{name}.{short}.weight"), Layout::Vector, [1, d])?;
            Ok(RmsNorm::new(weight, config.rms_norm_eps))
        };
        let input_layernorm = norm("input_layernorm")?;
        let post_attention_layernorm = norm("post_attention_layernorm")?;
        let mut projection = |short: &str, from: usize, to: usize, is_biased: bool| {
            let weight = source(
                &format!("{name}.{short}.weight"),
                Layout::Matrix,
                [from, to],
            )?;
            let bias = is_biased
                .then(|| source(&format!("{name}.{short}.bias"), Layout::Vector, [1, to]))
                .transpose()?;
            Ok(Projection::new(weight, bias))
        };
        Ok(Self {
            input_layernorm,
            self_attn: Attention {
                q_proj: projection("self_attn.q_proj", d, queries, bias.input)?,
                k_proj: projection("self_attn.k_proj", d, keys, bias.input)?,
                v_proj: projection("self_attn.v_proj", d, keys, bias.input)?,
                o_proj: projection("self_attn.o_proj", queries, d, bias.output)?,
                kv_heads: config.num_key_value_heads,
                group_size: config.group_size(),
                head_dim: config.head_dim,
            },
            post_attention_layernorm,
            mlp: Mlp {
                gate_proj: projection("mlp.gate_proj", d, wide, false)?,
                up_proj: projection("mlp.up_proj", d, wide, false)?,
                down_proj: projection("mlp.down_proj", wide, d, false)?,
            },
        })
    }

    /// # Shapes
    ///
    /// - `x`, output: `[batch · time, d]`
    fn forward(&self, x: Tensor<2>, index: usize, pass: &mut Pass<'_, '_>) -> Tensor<2> {
        let normed = self.input_layernorm.forward(x.clone());
        let x = x + self.self_attn.forward(&normed, index, pass);
        let normed = self.post_attention_layernorm.forward(x.clone());
        x + self.mlp.forward(&normed, pass.dropout.as_deref_mut())
    }

    /// As [`Self::forward`], of the last token of each row alone.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch · time, d]`
    /// - output: `[batch, d]`
    fn last(&self, x: Tensor<2>, index: usize, pass: &mut Pass<'_, '_>) -> Tensor<2> {
        let normed = self.input_layernorm.forward(x.clone());
        let x = pass.columns.last(x) + self.self_attn.last(&normed, index, pass);
        let normed = self.post_attention_layernorm.forward(x.clone());
        x + self.mlp.forward(&normed, pass.dropout.as_deref_mut())
    }

    fn is_adapted(&self) -> bool {
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

    fn each_parameter(&mut self, name: &str, visit: &mut Visit<'_>) {
        self.input_layernorm
            .each_parameter(&format!("{name}.input_layernorm"), visit);
        self.self_attn
            .each_parameter(&format!("{name}.self_attn"), visit);
        let norm = &mut self.post_attention_layernorm;
        norm.each_parameter(&format!("{name}.post_attention_layernorm"), visit);
        self.mlp.each_parameter(&format!("{name}.mlp"), visit);
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{
        AdapterKind, KvCache, LanguageModel, TokenBatch,
        fixture::{self, FAMILIES, distance, values},
        rounding::to_f32,
    };

    /// 2e-5: 32 bits, two layers, logits of order ten.
    const CLOSE: f32 = 2e-5;

    /// Logits of every token of one sequence.
    fn logits(model: &LanguageModel, tokens: &[u32]) -> Vec<f32> {
        let hidden = model
            .decoder
            .hidden(&TokenBatch::of_prompts(&[tokens.to_vec()]), None, None);
        let [batch, time, width] = hidden.dims();
        values(model.decoder.logits(hidden.reshape([batch * time, width])))
    }

    #[test]
    fn logits_are_those_of_the_formulas_in_plain_loops() {
        for family in FAMILIES {
            let model = fixture::model(family);
            let tokens = fixture::tokens(1, 9);
            let expected = fixture::reference_logits(&model.config, &model.decoder, &tokens);
            let expected: Vec<f32> = expected.into_iter().flatten().map(to_f32).collect();

            let worst = distance(&logits(&model, &tokens), &expected);

            assert!(worst < CLOSE, "{family}: {worst}");
        }
    }

    #[test]
    fn a_cache_changes_nothing() {
        let model = fixture::model("qwen2");
        let tokens = fixture::tokens(2, 11);
        let whole = logits(&model, &tokens);

        let mut cache = KvCache::new(model.decoder.num_layers());
        let mut parts = Vec::new();
        for part in [&tokens[..5], &tokens[5..6], &tokens[6..]] {
            let batch = TokenBatch::of_prompts(&[part.to_vec()]);
            let hidden = model.decoder.hidden(&batch, Some(&mut cache), None);
            let width = hidden.dims()[2];
            parts.extend(values(
                model.decoder.logits(hidden.reshape([part.len(), width])),
            ));
        }

        assert_eq!(cache.length(), 11);
        let worst = distance(&whole, &parts);
        assert!(worst < CLOSE, "{worst}");
    }

    #[test]
    fn the_last_token_alone_has_the_bits_that_it_has_among_all() {
        let prompts = [3, 60, 41].map(|count| fixture::tokens(count as u64, count));
        let batch = TokenBatch::of_prompts(&prompts);
        let padding = batch.left_padding().to_vec();
        let next = TokenBatch::of_next(vec![5, 6, 7], padding);
        for family in FAMILIES {
            for model in [
                fixture::model(family),
                fixture::adapted(family, AdapterKind::Lora),
            ] {
                let decoder = model.decoder.frozen();
                let caches = || KvCache::new(decoder.num_layers());
                let (mut whole, mut short) = (caches(), caches());
                for tokens in [&batch, &next] {
                    let hidden = decoder.hidden(tokens, Some(&mut whole), None);
                    let [rows, time, width] = hidden.dims();
                    let hidden = hidden.narrow(1, time - 1, 1).reshape([rows, width]);

                    let last = decoder.last_hidden(tokens, &mut short);

                    assert_eq!(values(last), values(hidden), "{family}");
                }
                assert_eq!(short.length(), whole.length());
            }
        }
    }

    #[test]
    fn the_last_token_alone_is_close_where_products_are_burns() {
        let mut model = fixture::model("qwen2");
        // In a graph.
        model.decoder.train(|_| true);
        let prompts = [4, 9].map(|count| fixture::tokens(count as u64, count));
        let batch = TokenBatch::of_prompts(&prompts);
        let new = || KvCache::new(model.decoder.num_layers());

        let hidden = model.decoder.hidden(&batch, Some(&mut new()), None);
        let last = model.decoder.last_hidden(&batch, &mut new());

        let [rows, time, width] = hidden.dims();
        let hidden = hidden.narrow(1, time - 1, 1).reshape([rows, width]);
        let worst = distance(&values(last.inner()), &values(hidden.inner()));
        assert!(worst < CLOSE, "{worst}");
    }

    #[test]
    fn an_adapter_that_has_learnt_nothing_changes_nothing() {
        for kind in [AdapterKind::Lora, AdapterKind::Dora] {
            let mut model = fixture::model("llama");
            let tokens = fixture::tokens(4, 7);
            let before = logits(&model, &tokens);

            model.attach_adapter(&fixture::adapter(kind), 1).unwrap();

            let worst = distance(&before, &logits(&model, &tokens));
            assert!(worst < CLOSE, "{kind:?}: {worst}");
        }
    }

    #[test]
    fn merging_and_leaving_out_an_adapter_are_what_they_say() {
        for kind in [AdapterKind::Lora, AdapterKind::Dora] {
            let base = fixture::model("qwen2");
            let adapted = fixture::adapted("qwen2", kind);
            let tokens = fixture::tokens(5, 7);
            let with = |decoder| {
                let mut model = adapted.clone();
                model.decoder = decoder;
                model
            };

            let output = logits(&adapted, &tokens);
            let merged = logits(&with(adapted.decoder.merged()), &tokens);
            let without = logits(&with(adapted.decoder.without_adapter()), &tokens);

            assert!(distance(&output, &merged) < CLOSE, "{kind:?}");
            assert!(
                distance(&output, &without) > 0.1,
                "{kind:?}: the adapter does something"
            );
            assert_eq!(without, logits(&base, &tokens));
        }
    }

    #[test]
    fn equal_key_heads_are_plain_multi_head_attention() {
        let mut model = fixture::model("qwen2");
        let tokens = fixture::tokens(6, 8);
        // Every query head gets a key head of its own, a copy of the one that it shared.
        let mut json = model.config.to_json(crate::model::Dtype::F32);
        json.insert("num_key_value_heads".to_owned(), 4.into());
        let wide_config = crate::model::DecoderConfig::from_json(json).unwrap();
        let mut narrow = std::collections::BTreeMap::new();
        model.decoder.each_parameter(&mut |one| {
            narrow.insert(one.name, one.tensor.clone());
        });
        let wide = super::Decoder::build::<()>(
            &wide_config,
            &model.decoder.device(),
            &mut |name, _, _| {
                let tensor = narrow[name].clone();
                if !(name.contains("k_proj") || name.contains("v_proj")) {
                    return Ok(tensor);
                }
                let width = model.config.head_dim;
                let heads = [0, 0, 1, 1].map(|head| tensor.clone().narrow(1, head * width, width));
                Ok(super::Tensor::cat(heads.to_vec(), 1))
            },
        );
        let before = logits(&model, &tokens);
        model.decoder = wide.unwrap();
        model.config = wide_config;

        let worst = distance(&before, &logits(&model, &tokens));

        assert!(worst < CLOSE, "{worst}");
    }

    #[test]
    fn only_what_is_trained_gets_a_gradient() {
        let cases = [
            (AdapterKind::None, 26),
            (AdapterKind::Lora, 8),
            (AdapterKind::Dora, 12),
        ];
        for (kind, count) in cases {
            let mut model = fixture::model("qwen2");
            model.attach_adapter(&fixture::adapter(kind), 1).unwrap();
            let batch = TokenBatch::new(&[vec![4, 5, 6]], &[vec![7, 8]]);

            let output = model.decoder.log_probs(&batch, 1.0, None);
            let mut gradients = output.log_probs.sum().backward();
            let named = model.decoder.gradients(&mut gradients);

            let trainable = model.decoder.trainable();
            assert_eq!(trainable.len(), count, "{kind:?}: {:?}", trainable.keys());
            assert!(trainable.keys().eq(named.keys()), "{kind:?}");
            for (name, gradient) in named {
                assert_eq!(gradient.dims(), trainable[&name].dims(), "{name}");
            }
        }
    }

    #[test]
    fn a_step_against_the_gradient_lowers_the_loss_and_leaves_the_frozen_clone() {
        let mut model = fixture::model("qwen2");
        model
            .attach_adapter(&fixture::adapter(AdapterKind::None), 1)
            .unwrap();
        let batch = TokenBatch::new(&[vec![4, 5, 6]], &[vec![7, 8]]);
        let reference = model.decoder.frozen();
        let loss = |decoder: &super::Decoder| decoder.log_probs(&batch, 1.0, None).log_probs.sum();
        let first = loss(&model.decoder);
        let mut gradients = first.backward();
        let named = model.decoder.gradients(&mut gradients);

        let step = |name: &str, value: super::Tensor<2>| value + named[name].clone() * 1e-3;
        model.decoder = model.decoder.map_trainable(step);
        let second = loss(&model.decoder);

        assert!(values(second.clone())[0] > values(first.clone())[0] + 1e-3);
        // The frozen clone runs other kernels, which round differently.
        assert!(distance(&values(loss(&reference)), &values(first)) < CLOSE);
        let mut gradients = second.backward();
        assert_eq!(model.decoder.gradients(&mut gradients).len(), named.len());
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut model = fixture::wide_model(300);
                model
                    .attach_adapter(&fixture::adapter(AdapterKind::None), 1)
                    .unwrap();
                let rows: Vec<Vec<u32>> = (0..8).map(|row| fixture::tokens(row, 64)).collect();
                let loss = model
                    .decoder
                    .log_probs(&TokenBatch::new(&rows, &rows), 0.9, None);
                let mut gradients = loss.log_probs.clone().sum().backward();
                let gradients = model.decoder.gradients(&mut gradients);
                let gradients: Vec<f32> = gradients.into_values().flat_map(values).collect();
                (values(loss.log_probs), values(loss.entropy), gradients)
            })
        };

        let one = run(1);

        assert!(one == run(2), "two threads");
        assert!(one == run(3), "three threads");
    }
}
