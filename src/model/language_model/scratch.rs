//! Models with random initial weights.

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::Map;

use crate::{
    model::{
        chat::Chat,
        config::DecoderConfig,
        decoder::Decoder,
        error::ModelError,
        parameter::{ParameterShape, Role},
        settings::{Dtype, ModelSettings, ScratchSettings},
        tokenizer::Tokenizer,
    },
    seed::stream,
};

use super::{LanguageModel, check_dtype};

/// Names of tokens that end a text, the one that ends a turn first.
const STOP_NAMES: [&str; 4] = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>"];

impl LanguageModel {
    /// Makes a model with random weights, frozen.
    pub fn scratch(
        settings: &ScratchSettings,
        dtype: Dtype,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let device = device.clone().inner();
        check_dtype(dtype, &device)?;
        let tokenizer = Tokenizer::from_file(&settings.tokenizer)?;
        let mut config = DecoderConfig::scratch(settings, tokenizer.vocab_size())?;
        let stop_tokens: Vec<u32> = STOP_NAMES
            .into_iter()
            .filter_map(|name| tokenizer.token(name))
            .collect();
        config.eos_token_ids.clone_from(&stop_tokens);
        let decoder = random_decoder(&config, settings.init_seed, dtype, &device);
        Ok(Self {
            config,
            decoder,
            tokenizer,
            stop_tokens,
            kv_cache: ModelSettings::kv_cache(),
            chat: Chat::default(),
            dtype,
            adapter: None,
            generation: Map::new(),
            companions: Vec::new(),
        })
    }
}

/// A decoder with normally distributed weights. Those that add to the residual stream are scaled by
/// depth, so that the stream does not grow with it.
fn random_decoder(config: &DecoderConfig, seed: u64, dtype: Dtype, device: &Device) -> Decoder {
    const DEVIATION: f64 = 0.02;
    let depth = (2.0 * config.num_hidden_layers as f64).sqrt();
    let source = |ParameterShape { name, role, dims }: &ParameterShape| {
        let (center, deviation) = match role {
            Role::Table => (0.0, (config.hidden_size as f64).powf(-0.5)),
            Role::Input => (0.0, DEVIATION),
            Role::Output => (0.0, DEVIATION / depth),
            Role::Norm => (1.0, 0.0),
            Role::Bias => (0.0, 0.0),
        };
        let mut stream = stream(seed, &format!("weight {name}"), 0, 0);
        let values: Vec<f64> = (0..dims[0] * dims[1])
            .map(|_| {
                if deviation > 0.0 {
                    center + deviation * stream.normal()
                } else {
                    center
                }
            })
            .collect();
        let data = TensorData::new(values, *dims).convert_dtype(DType::F32);
        let data = data.convert_dtype(dtype.of_tensors());
        Ok::<_, std::convert::Infallible>(Tensor::from_data(data, (device, dtype.of_tensors())))
    };
    match Decoder::build(config, device, source) {
        Ok(decoder) => decoder,
        Err(never) => match never {},
    }
}
