//! Drafts of migrations that a person has to judge, as the paper's authors gathered theirs.

mod form;
mod passages;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{error::DataError, jsonl::read_json_lines};
use crate::{
    digest::Digest,
    disk::{
        self,
        atomic::{self, Flush},
    },
};

pub use form::{as_form, from_form};
pub use passages::{Passage, passages};

/// A draft of a migration, and what has become of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// Follows from the passage, the library and the version.
    pub id: String,
    /// What has become of it.
    pub state: DraftState,
    /// The release notes and the line at which the passage begins.
    pub origin: String,
    /// The passage that the draft is about.
    pub passage: String,
    /// The row as it would enter the data; nothing if the passage holds no migration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Map<String, Value>>,
    /// The reviewer's remark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// What has become of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DraftState {
    /// The passage describes no change that code could be migrated for.
    NoMigration,
    /// Waits for a reviewer.
    Pending,
    /// Is part of the data.
    Accepted,
    /// A reviewer has rejected it.
    Rejected,
}

impl Draft {
    /// Makes a draft of a model's answer.
    ///
    /// The answer holds a JSON object with the fields of a row that a model can know, or with
    /// `"skip": true`; text around it is ignored.
    pub fn of_answer(
        passage: &Passage,
        library: &Library,
        origin: &str,
        answer: &str,
    ) -> Result<Self, String> {
        let object = object_in(answer)?;
        let origin = format!("{origin}:{}", passage.line);
        let mut draft = Self {
            id: library.draft_id(passage),
            state: DraftState::NoMigration,
            origin,
            passage: passage.text.clone(),
            row: None,
            remark: None,
        };
        if object.get("skip") == Some(&Value::Bool(true)) {
            return Ok(draft);
        }
        let mut row = Map::new();
        row.insert("dependency".to_owned(), json!(library.name));
        row.insert("new_version".to_owned(), json!(library.version));
        for field in ["description", "update_info", "old_code", "new_code"] {
            let text = object.get(field).and_then(Value::as_str);
            let text = text.ok_or_else(|| format!("`{field}` is missing or no text"))?;
            row.insert(field.to_owned(), json!(text.trim_matches('\n')));
        }
        row.insert("source".to_owned(), json!(library.source(passage)));
        for field in ["uses", "not_uses"] {
            if let Some(list @ Value::Array(_)) = object.get(field) {
                row.insert(field.to_owned(), list.clone());
            }
        }
        draft.state = DraftState::Pending;
        draft.row = Some(row);
        Ok(draft)
    }
}

/// The outermost JSON object of a text.
fn object_in(answer: &str) -> Result<Map<String, Value>, String> {
    let object = answer
        .find('{')
        .zip(answer.rfind('}'))
        .and_then(|(start, end)| answer.get(start..=end))
        .ok_or_else(|| "the answer has no JSON object".to_owned())?;
    serde_json::from_str(object).map_err(|error| format!("the answer is no JSON: {error}"))
}

/// The library and version that release notes are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// Such as `numpy`.
    pub name: String,
    /// With its operator, such as `==2.0.0`.
    pub version: String,
}

impl Library {
    /// The identifier of the draft for a passage.
    pub fn draft_id(&self, passage: &Passage) -> String {
        let digest = Digest::of_json(&(&self.name, &self.version, &passage.text));
        digest.to_string().chars().take(12).collect()
    }

    fn source(&self, passage: &Passage) -> String {
        let version = self
            .version
            .trim_start_matches(|c: char| !c.is_ascii_digit());
        let section = match passage.heading.as_str() {
            "" => String::new(),
            heading => format!(", {heading}"),
        };
        format!("{} {version} release notes{section}", self.name)
    }
}

/// A file of drafts, one JSON object a line.
#[derive(Debug)]
pub struct Queue {
    path: PathBuf,
    drafts: Vec<Draft>,
}

impl Queue {
    /// Reads a queue; a file that is not there is an empty one.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let is_new = fs::metadata(path).map_or(true, |file| file.len() == 0);
        let drafts = if is_new {
            Vec::new()
        } else {
            read_json_lines(path)?
        };
        Ok(Self {
            path: path.to_path_buf(),
            drafts,
        })
    }

    /// The drafts, in the order in which they came.
    pub fn drafts(&self) -> &[Draft] {
        &self.drafts
    }

    /// Adds a draft at the end, in the file too.
    pub fn push(&mut self, draft: Draft) -> Result<(), DataError> {
        append_json_line(&self.path, &draft)?;
        self.drafts.push(draft);
        Ok(())
    }

    /// Replaces the draft at a position, in the file too.
    pub fn replace(&mut self, position: usize, draft: Draft) -> Result<(), DataError> {
        if let Some(old) = self.drafts.get_mut(position) {
            *old = draft;
        }
        let lines = self.drafts.iter().map(json_line).collect::<String>();
        atomic::write(&self.path, lines.as_bytes(), Flush::Now)
            .map_err(|source| write_error(&self.path, source))
    }
}

/// Adds a value as a line at the end of a file.
pub fn append_json_line(path: &Path, value: &impl Serialize) -> Result<(), DataError> {
    Ok(disk::append_json_line(path, value)?)
}

fn json_line(draft: &Draft) -> String {
    serde_json::to_string(draft).expect("rows have text keys") + "\n"
}

fn write_error(path: &Path, source: io::Error) -> DataError {
    DataError::Write {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage() -> Passage {
        Passage {
            line: 7,
            heading: "Removals".to_owned(),
            text: "`f` is gone.".to_owned(),
        }
    }

    fn library() -> Library {
        Library {
            name: "lib".to_owned(),
            version: "==2.0".to_owned(),
        }
    }

    fn draft(answer: &str) -> Result<Draft, String> {
        Draft::of_answer(&passage(), &library(), "notes.md", answer)
    }

    const ANSWER: &str = "Here it is:\n```json\n{\"description\": \"d\", \"update_info\": \"u\", \
                          \"old_code\": \"f()\\n\", \"new_code\": \"g()\", \"uses\": [\"lib.g\"], \
                          \"dependency\": \"other\"}\n```";

    #[test]
    fn an_answer_becomes_a_row_of_the_library_that_was_asked_about() {
        let draft = draft(ANSWER).unwrap();
        let row = draft.row.unwrap();

        assert_eq!(
            (draft.state, draft.origin.as_str()),
            (DraftState::Pending, "notes.md:7")
        );
        assert_eq!(row["dependency"], "lib");
        assert_eq!(row["new_version"], "==2.0");
        assert_eq!(row["old_code"], "f()");
        assert_eq!(row["source"], "lib 2.0 release notes, Removals");
        assert_eq!(row["uses"], json!(["lib.g"]));
    }

    #[test]
    fn an_answer_may_say_that_there_is_nothing_to_migrate() {
        let draft = draft("{\"skip\": true}").unwrap();
        assert_eq!((draft.state, draft.row), (DraftState::NoMigration, None));
    }

    #[test]
    fn answers_without_a_row_are_refused_with_a_reason() {
        for (answer, reason) in [
            ("I cannot help.", "no JSON object"),
            ("{no}", "no JSON: key must be"),
            (
                "{\"description\": 3}",
                "`description` is missing or no text",
            ),
        ] {
            assert!(draft(answer).unwrap_err().contains(reason), "{answer}");
        }
    }

    #[test]
    fn a_queue_is_the_same_after_it_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.jsonl");
        let mut queue = Queue::open(&path).unwrap();
        queue.push(draft(ANSWER).unwrap()).unwrap();
        queue.push(draft("{\"skip\": true}").unwrap()).unwrap();
        let rejected = Draft {
            state: DraftState::Rejected,
            remark: Some("wrong".to_owned()),
            ..draft(ANSWER).unwrap()
        };
        queue.replace(0, rejected.clone()).unwrap();

        let again = Queue::open(&path).unwrap();

        assert_eq!(again.drafts(), queue.drafts());
        assert_eq!((again.drafts().len(), &again.drafts()[0]), (2, &rejected));
    }

    #[test]
    fn drafts_of_one_passage_have_one_identifier() {
        let other = Library {
            version: "==2.1".to_owned(),
            ..library()
        };
        assert_eq!(library().draft_id(&passage()), draft(ANSWER).unwrap().id);
        assert_ne!(library().draft_id(&passage()), other.draft_id(&passage()));
    }
}
