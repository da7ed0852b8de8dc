//! What a setting is: its key in a spec, the values that it takes, its default, and the source of
//! that default.
//!
//! A setting is declared once, as a field in `settings!`, next to the code that reads it. From
//! that declaration come the struct, the checks of a spec, suggestions for typos, `defaults.toml`,
//! `recode explain` and the JSON Schema. This module knows neither TOML files nor specs.

mod declare;
mod key;
mod kind;
mod memory_size;
mod time_length;
mod variants;

pub use key::{Field, Key, Preset, Settings, Table};
pub use kind::{
    COUNT, COUNT_OR_ZERO, Kind, Range, SEED, WEIGHT, above_to, choice, from_below, from_to, one_of,
    spelled, whole,
};
pub use memory_size::MemorySize;
pub use time_length::TimeLength;
pub use variants::variants;

pub(crate) use declare::{keys, presets, settings};
