//! CodeUpdateArena: fictitious updates of functions, and tasks that need them.

mod rows;

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{error::DataError, jsonl};

/// A fictitious change of a function.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ArenaUpdate {
    /// `[math.sin]:[add-argument]:[update-0]`.
    pub update_id: String,
    /// The kind of change, such as `modify-function-name`.
    pub update_type: String,
    /// The full path of the function before the change.
    pub function_path: String,
    /// The package that it belongs to.
    pub package: String,
    /// The change in one sentence.
    pub description: String,
    /// Why the change might be useful; never shown to a model.
    #[serde(default)]
    pub rationale: String,
    /// The documentation of the change.
    pub docstring: String,
    /// The call after the change, with the full path.
    pub signature: String,
    /// Python that imports the package and keeps the old function as `old_f`.
    #[serde(deserialize_with = "rows::joined_lines")]
    pub imports: String,
    /// Python that defines the new function.
    pub implementation: String,
}

impl ArenaUpdate {
    fn prompt_fields(&self) -> Value {
        json!({
            "function_path": self.function_path,
            "package": self.package,
            "update_type": self.update_type,
            "description": self.description,
            "signature": self.signature,
            "docstring": self.docstring,
        })
    }
}

/// A function to write, which is easy with an updated function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArenaTask {
    /// The identifier of the update, and `[prog_syn-0]`.
    pub task_id: String,
    /// The change that the task is about; the first one, where it is about several.
    pub update: ArenaUpdate,
    /// The changes after the first, in the order in which they are applied.
    pub further_updates: Vec<ArenaUpdate>,
    /// A situation.
    pub scenario: String,
    /// What the function shall do.
    pub problem: String,
    /// The `def` line of the function.
    pub solution_signature: String,
    /// Python that precedes everything else in the program.
    pub imports: String,
    /// A solution that passes with the update.
    pub reference_solution: String,
    /// Python texts, each with one test function without parameters.
    pub unit_tests: Vec<String>,
}

impl ArenaTask {
    /// All changes that the task is about, in the order in which they are applied.
    pub fn updates(&self) -> impl Iterator<Item = &ArenaUpdate> {
        std::iter::once(&self.update).chain(&self.further_updates)
    }

    /// What a prompt template may show: neither the tests nor the reference solution.
    ///
    /// `updates` has each change on its own. The fields of one change hold those of all, a line or a
    /// paragraph each, so that a template for one change shows the notes of several.
    pub fn prompt_fields(&self) -> Value {
        let joined = |field: fn(&ArenaUpdate) -> &String, separator: &str| {
            let parts: Vec<&str> = self
                .updates()
                .map(|update| field(update).as_str())
                .collect();
            parts.join(separator)
        };
        let updates: Vec<Value> = self.updates().map(ArenaUpdate::prompt_fields).collect();
        json!({
            "updates": updates,
            "function_path": joined(|update| &update.function_path, ", "),
            "package": joined(|update| &update.package, ", "),
            "update_type": joined(|update| &update.update_type, ", "),
            "description": joined(|update| &update.description, "\n"),
            "signature": joined(|update| &update.signature, "\n"),
            "docstring": joined(|update| &update.docstring, "\n\n"),
            "scenario": self.scenario,
            "problem": self.problem,
            "solution_signature": self.solution_signature,
        })
    }
}

/// Reads a file of CodeUpdateArena in any of its shapes.
pub fn read_code_update_arena(path: &Path) -> Result<Vec<ArenaTask>, DataError> {
    let tasks = jsonl::read_json_lines_with(path, rows::parse_line)?;
    jsonl::refuse_duplicates(path, tasks.iter().map(|task| task.task_id.as_str()))?;
    Ok(tasks)
}
