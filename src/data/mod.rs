//! Data sets: where from, which bytes, typed rows, prompts.

mod cache;
mod code_update_arena;
mod download_lock;
mod drafts;
mod error;
mod fetch;
mod human_eval;
mod jsonl;
mod manifest;
mod migration;
mod migration_check;
mod notes;
mod odd_json;
mod pattern;
mod prompt;
mod python_literal;
mod settings;
#[cfg(test)]
mod tests;
mod training;

pub use cache::{Cache, Resolved};
pub use code_update_arena::{ArenaTask, ArenaUpdate, read_code_update_arena};
pub use drafts::{
    Draft, DraftState, Library, Passage, Queue, append_json_line, as_form, from_form, passages,
};
pub use error::{BadLine, BadLines, DataError};
pub use fetch::{Endpoints, FetchError, Fetcher, Progress};
pub use human_eval::{HumanEvalTask, PlusInputs, read_human_eval};
pub use jsonl::{
    good_and_bad_lines, read_json_lines, read_json_lines_with, read_json_value, read_unpacked,
    unpacked,
};
pub use manifest::{Entry, Kind, Manifest};
pub use migration::{Migration, read_migrations};
pub use migration_check::{CheckSyntax, FileReport, MigrationChecker, Problem, Severity};
pub use notes::{NoteKind, NoteMix, stale as stale_note, words};
pub use odd_json::from_python_json;
pub use prompt::{Message, Prompt, PromptTemplate, Role, target_text};
pub use settings::{DataSettings, PromptSettings, TaskFormat};
pub use training::{Text, TrainingRow, read_training_rows};
