//! Repairs of a benchmark's data: small edits of named tasks, kept in separate files without copies of
//! the data.

use serde::{Deserialize, Serialize};

use crate::{data::ArenaTask, digest::Digest};

const PAPER: &str = include_str!("../../../datasets/overlays/code_update_arena_paper.jsonl");
/// A function of our own that edits may call.
const EQUAL: &str = include_str!("../../../datasets/overlays/equal_dictionaries.py");
const EQUAL_NAME: &str = "equal_dictionaries(";

/// Which repairs are made to the data of `CodeUpdateArena`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repairs {
    /// None: the data as published.
    #[default]
    None,
    /// The repairs that the paper describes, where its text identifies the rows.
    Paper,
}

/// A replacement of one text, which occurs once in a task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    task: String,
    /// The number of the unit test; the reference solution if there is none.
    test: Option<usize>,
    find: String,
    replace: String,
}

impl Repairs {
    /// All of them.
    pub const ALL: &[Self] = &[Self::None, Self::Paper];

    /// Its name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Paper => "paper",
        }
    }

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// A digest of the edits for the identity of a job; none if there are no edits.
    pub fn digest(self) -> Option<Digest> {
        match self {
            Self::None => None,
            Self::Paper => Some(Digest::of_json(&(PAPER, EQUAL))),
        }
    }

    /// Repairs tasks, and returns the edits that do not match.
    pub(super) fn apply(self, tasks: &mut [ArenaTask]) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Paper => apply(PAPER, tasks),
        }
    }
}

/// Applies the edits in a text with a JSON object on each line.
fn apply(edits: &str, tasks: &mut [ArenaTask]) -> Vec<String> {
    let mut reasons = Vec::new();
    for (line, text) in (1..).zip(edits.lines()) {
        let done = serde_json::from_str::<Edit>(text)
            .map_err(|error| error.to_string())
            .and_then(|edit| edit.apply(tasks));
        if let Err(reason) = done {
            reasons.push(format!("{reason} (repair {line})"));
        }
    }
    reasons
}

impl Edit {
    fn apply(&self, tasks: &mut [ArenaTask]) -> Result<(), String> {
        let id = &self.task;
        let task = tasks
            .iter_mut()
            .find(|task| task.task_id == *id)
            .ok_or_else(|| format!("no task `{id}` to repair"))?;
        let text = match self.test {
            Some(test) => task
                .unit_tests
                .get_mut(test)
                .ok_or_else(|| format!("no unit test {test} to repair in `{id}`"))?,
            None => &mut task.reference_solution,
        };
        let places = text.matches(&self.find).count();
        if places != 1 {
            let find = &self.find;
            return Err(format!(
                "`{find}` occurs {places} times in `{id}`, expected once"
            ));
        }
        *text = text.replace(&self.find, &self.replace);
        if self.replace.contains(EQUAL_NAME) && !task.imports.contains(EQUAL_NAME) {
            task.imports = format!("{}\n{EQUAL}", task.imports);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ArenaUpdate;

    fn task() -> ArenaTask {
        ArenaTask {
            task_id: "t".into(),
            update: serde_json::from_str::<ArenaUpdate>(
                r#"{"update_id": "u", "update_type": "add-argument", "function_path": "math.sin",
                "package": "math", "description": "", "docstring": "", "signature": "",
                "imports": "import math", "implementation": "def sin(x): return x"}"#,
            )
            .unwrap(),
            further_updates: Vec::new(),
            scenario: String::new(),
            problem: String::new(),
            solution_signature: String::new(),
            imports: "import math".into(),
            reference_solution: "def f(): return 'degree'".into(),
            unit_tests: vec!["def test(): assert f() == {'x': 1}".into()],
        }
    }

    #[test]
    fn an_edit_changes_its_one_place() {
        let mut tasks = [task()];
        let edits = "{\"task\": \"t\", \"find\": \"degree\", \"replace\": \"degrees\"}\n\
            {\"task\": \"t\", \"test\": 0, \"find\": \"f() == {'x': 1}\", \
            \"replace\": \"equal_dictionaries(f(), {'x': 1})\"}";

        assert_eq!(apply(edits, &mut tasks), Vec::<String>::new());

        assert_eq!(tasks[0].reference_solution, "def f(): return 'degrees'");
        assert_eq!(
            tasks[0].unit_tests,
            ["def test(): assert equal_dictionaries(f(), {'x': 1})"]
        );
        assert!(tasks[0].imports.contains("def equal_dictionaries("));
    }

    #[test]
    fn an_edit_that_does_not_match_is_reported_with_its_task_and_its_number() {
        let cases = [
            (
                r#"{"task": "u", "find": "a", "replace": "b"}"#,
                "no task `u` to repair (repair 1)",
            ),
            (
                r#"{"task": "t", "test": 3, "find": "a", "replace": "b"}"#,
                "no unit test 3 to repair in `t` (repair 1)",
            ),
            (
                r#"{"task": "t", "find": "e", "replace": "b"}"#,
                "`e` occurs 5 times in `t`, expected once (repair 1)",
            ),
            (
                r#"{"task": "t", "find": "radian", "replace": "b"}"#,
                "`radian` occurs 0 times in `t`, expected once (repair 1)",
            ),
        ];
        for (edit, reason) in cases {
            assert_eq!(apply(edit, &mut [task()]), [reason]);
        }
    }
}
