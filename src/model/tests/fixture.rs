//! Small models for tests, and a reference decoder in plain loops.

use std::{collections::BTreeMap, path::Path};

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::json;

use crate::{
    device::Backend,
    model::{
        AdapterKind, AdapterSettings, Decoder, DecoderConfig, Dtype, LanguageModel,
        ScratchSettings, Targets,
        family::FAMILIES,
        parameter::{ParameterShape, Role},
        rounding::to_f32,
    },
    seed::stream,
};

/// The number of tokens of the [tokenizer](write_tokenizer).
pub(crate) const VOCABULARY: usize = 23;

/// The families that tests run with: all of them.
pub(crate) fn families() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|family| family.model_type)
}

/// Writes a `tokenizer.json` with the words `w3`, `w4` and so on.
pub(crate) fn write_tokenizer(path: &Path) {
    let special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
    let words = (special.len()..VOCABULARY).map(|id| format!("w{id}"));
    let names = special.iter().map(ToString::to_string).chain(words);
    let vocabulary: BTreeMap<String, usize> = names.zip(0..).collect();
    let added: Vec<_> = special
        .iter()
        .enumerate()
        .map(|(id, content)| {
            json!({"id": id, "content": content, "single_word": false, "lstrip": false,
                   "rstrip": false, "normalized": false, "special": true})
        })
        .collect();
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w3"},
    });
    std::fs::write(path, json.to_string()).unwrap();
}

/// A shape with two layers and two query heads to each key head.
pub(crate) fn settings(tokenizer: &Path) -> ScratchSettings {
    ScratchSettings {
        tokenizer: tokenizer.to_owned(),
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        rope_theta: 10_000.0,
        max_position_embeddings: 64,
        init_seed: 3,
    }
}

/// A model of a family with random weights of order one, including biases and norms.
pub(crate) fn model(family: &str) -> LanguageModel {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    write_tokenizer(&path);
    let device = Device::flex();
    let mut model = LanguageModel::scratch(&settings(&path), Dtype::F32, &device).unwrap();
    if family != "qwen2" {
        let mut json = model.config.to_json(Dtype::F32);
        json.insert("model_type".to_owned(), family.into());
        json.insert("tie_word_embeddings".to_owned(), false.into());
        json.insert("attention_bias".to_owned(), (family == "llama").into());
        if family == "qwen3" {
            // Twice the hidden size over the number of heads.
            json.insert("head_dim".to_owned(), 8.into());
        }
        model.config = DecoderConfig::from_json(json).unwrap();
    }
    model.decoder = decoder(&model.config);
    model
}

/// A model with a width of 128 and four layers, so that several threads share its products.
pub(crate) fn wide_model(vocabulary: usize) -> LanguageModel {
    let mut model = model("qwen2");
    let json = json!({
        "model_type": "qwen2", "hidden_size": 128, "intermediate_size": 352,
        "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
        "vocab_size": vocabulary, "max_position_embeddings": 512, "tie_word_embeddings": true,
    });
    model.config = DecoderConfig::from_json(json.as_object().unwrap().clone()).unwrap();
    model.decoder = decoder(&model.config);
    model.stop_tokens = Vec::new();
    model
}

/// A decoder with random values for all parameters, so that a test notices one that is not used.
pub(crate) fn decoder(config: &DecoderConfig) -> Decoder {
    let device = Device::flex();
    let result = Decoder::build::<()>(config, &device, |ParameterShape { name, role, dims }| {
        let mut stream = stream(5, name, 0, 0);
        let values: Vec<f32> = (0..dims[0] * dims[1])
            .map(|_| to_f32(0.4 * stream.normal()))
            .collect();
        let shift = if *role == Role::Norm { 1.0 } else { 0.0 };
        let tensor = Tensor::<2>::from_data(TensorData::new(values, *dims), (&device, DType::F32));
        Ok(tensor + shift)
    });
    result.unwrap()
}

/// An adapter of two projections.
pub(crate) fn adapter(kind: AdapterKind) -> AdapterSettings {
    let targets = Targets(vec!["q_proj".to_owned(), "down_proj".to_owned()]);
    AdapterSettings {
        kind,
        r: 3,
        alpha: 6.0,
        dropout: 0.0,
        targets,
    }
}

/// The model with an adapter, all of whose parameters differ from their initial values.
pub(crate) fn adapted(family: &str, kind: AdapterKind) -> LanguageModel {
    let mut model = model(family);
    model.attach_adapter(&adapter(kind), 1).unwrap();
    model.decoder = model.decoder.clone().map_trainable(|name, value| {
        let mut stream = stream(9, name, 0, 0);
        let dims = value.dims();
        let step: Vec<f32> = (0..dims[0] * dims[1])
            .map(|_| to_f32(0.1 * stream.normal()))
            .collect();
        value + Tensor::from_data(TensorData::new(step, dims), &Device::flex())
    });
    model
}

/// Some tokens, none of them special.
pub(crate) fn tokens(seed: u64, count: usize) -> Vec<u32> {
    let mut stream = stream(seed, "tokens", 0, 0);
    (0..count)
        .map(|_| u32::try_from(3 + stream.below(VOCABULARY - 3)).unwrap())
        .collect()
}

/// The logits at each of `tokens`, by the formulas of the papers in 64 bits and plain loops.
pub(crate) fn reference_logits(
    config: &DecoderConfig,
    decoder: &Decoder,
    tokens: &[u32],
) -> Vec<Vec<f64>> {
    let weights = Weights::of(decoder);
    let mut stream: Vec<Vec<f64>> = tokens
        .iter()
        .map(|token| weights.row("model.embed_tokens.weight", *token as usize))
        .collect();
    for layer in 0..config.num_hidden_layers {
        let name = format!("model.layers.{layer}");
        let normed = weights.norm(
            &format!("{name}.input_layernorm"),
            &stream,
            config.rms_norm_eps,
        );
        add(&mut stream, &attention(config, &weights, &name, &normed));
        let normed = weights.norm(
            &format!("{name}.post_attention_layernorm"),
            &stream,
            config.rms_norm_eps,
        );
        for (x, row) in stream.iter_mut().zip(&normed) {
            let gate = weights.linear(&format!("{name}.mlp.gate_proj"), row);
            let up = weights.linear(&format!("{name}.mlp.up_proj"), row);
            let inner: Vec<f64> = gate
                .iter()
                .zip(&up)
                .map(|(g, u)| g / (1.0 + (-g).exp()) * u)
                .collect();
            let down = weights.linear(&format!("{name}.mlp.down_proj"), &inner);
            x.iter_mut().zip(down).for_each(|(x, y)| *x += y);
        }
    }
    let normed = weights.norm("model.norm", &stream, config.rms_norm_eps);
    let head = if config.tie_word_embeddings {
        "model.embed_tokens.weight"
    } else {
        "lm_head.weight"
    };
    let score = |row: &Vec<f64>, token| dot(row, &weights.row(head, token));
    normed
        .iter()
        .map(|row| {
            (0..config.vocab_size)
                .map(|token| score(row, token))
                .collect()
        })
        .collect()
}

fn attention(
    config: &DecoderConfig,
    weights: &Weights,
    name: &str,
    rows: &[Vec<f64>],
) -> Vec<Vec<f64>> {
    let d = config.head_dim;
    let project = |short: &str| -> Vec<Vec<f64>> {
        rows.iter()
            .map(|row| weights.linear(&format!("{name}.self_attn.{short}"), row))
            .collect()
    };
    let (mut q, mut k, v) = (project("q_proj"), project("k_proj"), project("v_proj"));
    if config.features.qk_norm {
        for (short, rows) in [("q_norm", &mut q), ("k_norm", &mut k)] {
            for row in rows {
                let heads: Vec<Vec<f64>> = row.chunks(d).map(<[f64]>::to_vec).collect();
                let name = format!("{name}.self_attn.{short}");
                *row = weights.norm(&name, &heads, config.rms_norm_eps).concat();
            }
        }
    }
    for rotated in [&mut q, &mut k] {
        for (position, row) in rotated.iter_mut().enumerate() {
            row.chunks_mut(d)
                .for_each(|head| rotate(head, position, config.rope.theta));
        }
    }
    let group = config.num_attention_heads / config.num_key_value_heads;
    let mixed = (0..rows.len()).map(|t| {
        let heads = (0..config.num_attention_heads).flat_map(|head| {
            let shared = (head / group) * d;
            let query = &q[t][head * d..(head + 1) * d];
            let scores: Vec<f64> = (0..=t)
                .map(|s| (dot(query, &k[s][shared..shared + d]) / (d as f64).sqrt()).exp())
                .collect();
            let sum: f64 = scores.iter().sum();
            (0..d)
                .map(|i| {
                    (0..=t)
                        .map(|s| scores[s] / sum * v[s][shared + i])
                        .sum::<f64>()
                })
                .collect::<Vec<_>>()
        });
        weights.linear(
            &format!("{name}.self_attn.o_proj"),
            &heads.collect::<Vec<_>>(),
        )
    });
    mixed.collect()
}

fn rotate(head: &mut [f64], position: usize, theta: f64) {
    let half = head.len() / 2;
    for pair in 0..half {
        let angle = position as f64 * theta.powf(-2.0 * pair as f64 / head.len() as f64);
        let (a, b) = (head[pair], head[pair + half]);
        head[pair] = a * angle.cos() - b * angle.sin();
        head[pair + half] = b * angle.cos() + a * angle.sin();
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(stream: &mut [Vec<f64>], change: &[Vec<f64>]) {
    for (row, change) in stream.iter_mut().zip(change) {
        row.iter_mut().zip(change).for_each(|(x, y)| *x += y);
    }
}

/// Parameters by name, with their shapes in memory.
struct Weights(BTreeMap<String, ([usize; 2], Vec<f64>)>);

impl Weights {
    fn of(decoder: &Decoder) -> Self {
        let mut map = BTreeMap::new();
        decoder.frozen().each_parameter(&mut |parameter| {
            let values = values(parameter.tensor.clone());
            let wide = values.into_iter().map(f64::from).collect();
            map.insert(parameter.name, (parameter.tensor.dims(), wide));
        });
        Self(map)
    }

    fn row(&self, name: &str, row: usize) -> Vec<f64> {
        let (dims, values) = &self.0[name];
        values[row * dims[1]..(row + 1) * dims[1]].to_vec()
    }

    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (dims, weight) = &self.0[&format!("{name}.weight")];
        let bias = self.0.get(&format!("{name}.bias")).map(|(_, bias)| bias);
        let column =
            |to: usize| (0..dims[0]).map(move |from| x[from] * weight[from * dims[1] + to]);
        (0..dims[1])
            .map(|to| column(to).sum::<f64>() + bias.map_or(0.0, |bias| bias[to]))
            .collect()
    }

    fn norm(&self, name: &str, rows: &[Vec<f64>], epsilon: f64) -> Vec<Vec<f64>> {
        let weight = self.row(&format!("{name}.weight"), 0);
        let one = |row: &Vec<f64>| {
            let scale = (dot(row, row) / row.len() as f64 + epsilon).sqrt();
            row.iter()
                .zip(&weight)
                .map(|(x, w)| x / scale * w)
                .collect()
        };
        rows.iter().map(one).collect()
    }
}

/// The first GPU of this machine, or a driver that computes in software instead.
pub(crate) fn gpu() -> Device {
    let backends = [Backend::Wgpu, Backend::Cuda].into_iter();
    let mut devices = backends.filter_map(|backend| backend.open().ok());
    devices
        .next()
        .expect("this test needs a GPU, or Vulkan in software, and a binary for it")
}

/// The same model on another device, read from files.
pub(crate) fn moved(model: &LanguageModel, device: &Device) -> LanguageModel {
    let folder = tempfile::tempdir().unwrap();
    model.save(folder.path()).unwrap();
    let mut moved = LanguageModel::load(folder.path(), Dtype::F32, device).unwrap();
    moved.stop_tokens.clone_from(&model.stop_tokens);
    moved
}

/// The elements of a tensor.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as().unwrap()
}

/// The largest difference between two lists of numbers.
pub(crate) fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst: f32, one| {
            if one.is_nan() {
                f32::INFINITY
            } else {
                worst.max(one)
            }
        })
}
