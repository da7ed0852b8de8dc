//! Data sets: where from, which bytes, typed rows, prompts.

mod migration;
mod settings;

pub use migration::Migration;
pub use settings::{DataSettings, PromptSettings};
