//! Decoder, tokenizer, weights, adapters, generation.
//!
//! A [`Decoder`] is a plain value made of tensors: cloning it shares them, and no tensor is ever
//! changed in place. So a frozen reference is a clone ([`Decoder::frozen`]), the base of an adapted
//! model is a clone ([`Decoder::without_adapter`]), and an update makes a new decoder
//! ([`Decoder::map_trainable`]). Parameters carry the names of the checkpoint; matrices lie in
//! memory as `[in, out]`, vectors as `[1, n]`, so that every parameter is a `Tensor<2>`.

mod adapter;
mod attention;
mod chat;
mod config;
mod decoder;
mod engine;
mod error;
mod family;
#[cfg(test)]
pub(crate) mod fixture;
mod generate;
mod kv_cache;
mod language_model;
mod log_prob;
mod memory_size;
mod mlp;
mod norm;
mod ops;
mod parameter;
mod projection;
mod rope;
mod rounding;
mod settings;
mod token_batch;
mod tokenizer;
mod weights;

pub use adapter::Dropout;
pub use chat::{Chat, ChatFormat, Message};
pub use config::DecoderConfig;
pub use decoder::Decoder;
pub use engine::Engine;
pub use error::ModelError;
pub use generate::{Completion, Finish, TextStream, generate, stream};
pub use kv_cache::KvCache;
pub use language_model::LanguageModel;
pub use log_prob::LogProbs;
pub use memory_size::MemorySize;
pub use ops::{AdamStep, Declined, Fallback, Implementation, Operation, adam_step, fallbacks};
pub use rounding::to_f32;
pub use settings::{
    AdapterKind, AdapterSettings, Dtype, ModelSettings, SamplingSettings, ScratchSettings, Targets,
};
pub use token_batch::TokenBatch;
pub use tokenizer::Tokenizer;
pub use weights::{read_tensors, write_tensors};
