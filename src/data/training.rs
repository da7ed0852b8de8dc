//! What a model is trained on: migrations, or bare texts.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    error::DataError,
    jsonl::row_reason,
    migration::{Migration, read_files},
    notes::{NoteKind, NoteMix},
    odd_json::from_extreme_json,
};

/// A row to train on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingRow {
    /// Old code, a note, new code: a template makes the prompt.
    Migration(Migration),
    /// A prompt and its completion, used as they are; there is nothing to reward.
    Text(Text),
}

/// A prompt and its completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// What the model is shown.
    pub prompt: String,
    /// What it learns to write.
    pub completion: String,
}

/// Reads a file of rows to train on, or a folder of such files: a line with `prompt` and
/// `completion` is a text, any other a migration.
pub fn read_training_rows(path: &Path) -> Result<Vec<TrainingRow>, DataError> {
    read_files(path, |line| Ok(vec![row(line)?]))
}

fn row(line: &str) -> Result<TrainingRow, String> {
    let value: Value = from_extreme_json(line).map_err(|error| row_reason(line, &error))?;
    if value.get("prompt").is_some() && value.get("completion").is_some() {
        let text: Text = serde_json::from_value(value).map_err(|error| error.to_string())?;
        if text.prompt.is_empty() || text.completion.is_empty() {
            return Err("`prompt` or `completion` is empty".to_owned());
        }
        return Ok(TrainingRow::Text(text));
    }
    // Parsed from the text, so that an error names its column.
    Migration::parse(line).map(TrainingRow::Migration)
}

impl NoteMix {
    /// [`NoteMix::mix`] of the migrations among some rows; texts stay as they are.
    pub fn mix_training(&self, rows: Vec<TrainingRow>, seed: u64) -> Vec<(TrainingRow, NoteKind)> {
        let migrations = rows.iter().filter_map(|row| match row {
            TrainingRow::Migration(row) => Some(row.clone()),
            TrainingRow::Text(_) => None,
        });
        let mut mixed = self.mix(migrations.collect(), seed).into_iter();
        let row = |row| match row {
            TrainingRow::Text(_) => Some((row, NoteKind::Right)),
            TrainingRow::Migration(_) => {
                let (row, kind) = mixed.next()?;
                Some((TrainingRow::Migration(row), kind))
            }
        };
        rows.into_iter().filter_map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_text_or_a_migration() {
        assert_eq!(
            row(r#"{"prompt": "a", "completion": "b"}"#).unwrap(),
            TrainingRow::Text(Text {
                prompt: "a".to_owned(),
                completion: "b".to_owned(),
            })
        );
        let migration = r#"{"dependency": "d", "new_version": "==1", "update_info": "n",
                            "old_code": "o", "new_code": "c"}"#;
        assert!(matches!(row(migration), Ok(TrainingRow::Migration(_))));
        for extra in ["1e400".to_owned(), "[".repeat(200) + &"]".repeat(200)] {
            let unread = migration.replacen('{', &format!("{{\"more\": {extra}, "), 1);
            assert!(matches!(row(&unread), Ok(TrainingRow::Migration(_))));
            let read = migration.replace("\"n\"", &extra);
            assert!(row(&read).is_err(), "{read}");
        }
        assert!(
            row(r#"{"prompt": "a"}"#)
                .unwrap_err()
                .contains("dependency")
        );
        assert!(
            row(r#"{"prompt": "", "completion": "b"}"#)
                .unwrap_err()
                .contains("empty")
        );
    }
}
