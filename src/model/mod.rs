//! Decoder, tokenizer, weights, adapters, generation.
//!
//! A [`Decoder`] is a plain value made of tensors: clones share them, and no tensor is changed in
//! place. So a frozen reference is a clone ([`Decoder::frozen`]), the base of an adapted model is a
//! clone ([`Decoder::without_adapter`]), and an update makes a new decoder
//! ([`Decoder::map_trainable`]). Parameters have the names of the checkpoint. In memory, matrices are
//! `[in, out]` and vectors `[1, n]`, so that every parameter is a `Tensor<2>`.
//!
//! The modules are listed from the bottom up; each imports only from its own group and those above it
//! in this list.

// Settings and errors.
mod error;
mod rounding;
mod settings;

// Text.
mod chat;
mod files;
mod token_batch;
mod tokenizer;
mod tokenizer_config;

// The shape of a decoder, and the files of its weights.
mod config;
mod family;
mod gguf;
mod parameter;
mod stored;
mod weights;

// Operations, and what is asked about their engine.
mod engine;
mod ops;

// Layers.
mod adapter;
mod attention;
mod kv_cache;
mod mlp;
mod norm;
mod projection;
mod rope;

// The decoder, and what is done with it.
mod decoder;
mod generate;
mod language_model;
mod log_prob;

#[cfg(test)]
mod tests;

pub use crate::settings::MemorySize;
pub use adapter::Dropout;
pub use chat::{Chat, Message};
pub use config::DecoderConfig;
pub use decoder::{Decoder, log_probs::Wanted};
pub use engine::Engine;
pub use error::ModelError;
pub use family::{AttentionBias, Features};
pub use generate::{
    Completion, Finish, Room, TextStream, fit_prompt, generate, generate_watched, stream,
};
pub use gguf::is_gguf;
pub use kv_cache::KvCache;
pub use language_model::LanguageModel;
pub use log_prob::LogProbs;
pub use ops::{
    AdamStep, Declined, Fallback, GpuFacts, Implementation, Operation, adam_step, fallbacks,
    gated_mlp, gpu_facts, gpu_libraries, gpu_product_by_choice, logits, product, products, survey,
};
pub use parameter::{ParameterShape, Role};
pub use rounding::to_f32;
pub use settings::{
    AdapterKind, AdapterSettings, ChatFormat, Dtype, ModelSettings, SamplingSettings,
    ScratchSettings, Targets,
};
pub use stored::{config_of_model, is_model, is_stored_as_gguf};
#[cfg(test)]
pub(crate) use tests::fixture;
pub use token_batch::TokenBatch;
pub use tokenizer::Tokenizer;
pub use weights::{read_tensors, write_tensors};
