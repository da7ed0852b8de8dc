//! Decoder, tokenizer, weights, adapters, generation.

mod settings;

pub use settings::{
    AdapterKind, AdapterSettings, Dtype, ModelSettings, SamplingSettings, ScratchSettings, Targets,
};
