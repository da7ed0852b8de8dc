//! Printed figures to compare with: `datasets/reference/*.toml`.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::{ReportError, statistics::share_half_width};

/// A table of a paper.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reference {
    pub(super) title: String,
    /// Its place in the paper, such as `Table 1`.
    pub(super) source: String,
    /// The number of problems of each benchmark, from which the error of a printed share follows.
    tasks: BTreeMap<String, usize>,
    #[serde(rename = "row")]
    rows: Vec<ReferenceRow>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceRow {
    /// For people who read the file.
    #[serde(rename = "label")]
    _label: String,
    #[serde(rename = "match")]
    subject: Match,
    /// In percent, by column.
    #[serde(default)]
    value: BTreeMap<String, f64>,
    /// In points, by column.
    #[serde(default)]
    delta: BTreeMap<String, f64>,
    /// Remarks, by column.
    #[serde(default)]
    note: BTreeMap<String, String>,
}

/// What must be equal for a printed row to be compared with one of ours.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Match {
    model: String,
    method: Option<String>,
    reward: Option<String>,
}

/// What a row of ours is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    /// The base model.
    pub(super) model: String,
    /// `untrained`, or the algorithm.
    pub(super) method: String,
    /// The reward variant, where there is one.
    pub(super) reward: Option<String>,
}

/// A printed figure, as shares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Figure {
    /// The value; derived from the change where only that is printed.
    pub(super) value: f64,
    /// The change against the untrained model, as printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<f64>,
    /// Half of the 95 % interval of a share of so many problems; the paper prints none.
    pub(super) half_width: f64,
    /// The same for the change, as if both shares had different problems: an upper bound.
    pub(super) change_half_width: f64,
}

impl Reference {
    /// Reads the table that a spec calls `file.table` from that file.
    pub(super) fn read(path: &Path, name: &str) -> Result<Self, ReportError> {
        let (_, table) = name.split_once('.').unwrap_or((name, ""));
        let text = fs::read_to_string(path).map_err(|source| ReportError::ReadReference {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, table)
            .map_err(|source| ReportError::ParseReference {
                path: path.to_owned(),
                source,
            })?
            .ok_or_else(|| ReportError::UnknownReference {
                name: name.to_owned(),
                path: path.to_owned(),
            })
    }

    fn parse(text: &str, table: &str) -> Result<Option<Self>, toml::de::Error> {
        let mut tables: BTreeMap<String, Self> = toml::from_str(text)?;
        Ok(tables.remove(table))
    }

    /// The printed figure of a subject in a column.
    pub(super) fn figure(
        &self,
        subject: &Subject,
        benchmark: &str,
        metric: &str,
    ) -> Option<Figure> {
        let column = format!("{benchmark}.{metric}");
        let row = self.rows.iter().find(|row| row.subject.is(subject))?;
        let change = row.delta.get(&column).map(|points| points / 100.0);
        let start = self.untrained(subject, &column);
        let value = row.value.get(&column).map(|percent| percent / 100.0);
        let value = value.or_else(|| Some(start? + change?))?;
        let tasks = self.tasks.get(benchmark).copied().unwrap_or(1);
        let half_width = share_half_width(value, tasks);
        let start_half_width = share_half_width(start.unwrap_or(value), tasks);
        let change_half_width = half_width.hypot(start_half_width);
        Some(Figure {
            value,
            change,
            half_width,
            change_half_width,
        })
    }

    /// The remark on that figure.
    pub(super) fn note(&self, subject: &Subject, benchmark: &str, metric: &str) -> Option<&str> {
        let row = self.rows.iter().find(|row| row.subject.is(subject))?;
        row.note
            .get(&format!("{benchmark}.{metric}"))
            .map(String::as_str)
    }

    fn untrained(&self, subject: &Subject, column: &str) -> Option<f64> {
        let method = "untrained".to_owned();
        let subject = Subject {
            model: subject.model.clone(),
            method,
            reward: None,
        };
        let row = self.rows.iter().find(|row| row.subject.is(&subject))?;
        row.value.get(column).map(|percent| percent / 100.0)
    }
}

impl Match {
    fn is(&self, subject: &Subject) -> bool {
        let method = self
            .method
            .as_ref()
            .is_none_or(|method| *method == subject.method);
        let reward = self.reward.is_none() || self.reward == subject.reward;
        self.model == subject.model && method && reward
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const QWEN: &str = "qwen2.5-coder-7b-instruct";

    fn file() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/reference/recode.toml")
    }

    fn table(name: &str) -> Reference {
        Reference::read(&file(), &format!("recode.{name}")).unwrap()
    }

    fn subject(method: &str, reward: Option<&str>) -> Subject {
        let reward = reward.map(str::to_owned);
        Subject {
            model: QWEN.into(),
            method: method.into(),
            reward,
        }
    }

    fn figure(name: &str, subject: &Subject, metric: &str) -> Figure {
        table(name)
            .figure(subject, "code_update_arena", metric)
            .unwrap()
    }

    /// Oracle: Table 1, Qwen2.5-Coder-7B with GRPO: 74.6 (+7.4).
    #[test]
    fn a_row_is_found_by_model_method_and_reward() {
        let grpo = figure("table1", &subject("grpo", Some("es_star")), "pass@1");
        assert!((grpo.value - 0.746).abs() < 1e-12);
        assert!((grpo.change.unwrap() - 0.074).abs() < 1e-12);
        let other_reward = subject("grpo", Some("em"));
        assert_eq!(
            table("table1").figure(&other_reward, "code_update_arena", "pass@1"),
            None
        );
    }

    /// Oracle: Table 2 prints +5.4 for ES; the untrained model has 67.3 in Table 1.
    #[test]
    fn a_value_follows_from_a_printed_change() {
        let es = figure("table2", &subject("grpo", Some("es")), "pass@1");
        assert!((es.value - 0.727).abs() < 1e-12);
    }

    /// The paper's own figures: every printed change is the difference of the printed values, up to
    /// rounding (0.15 points), but for the one that has a note.
    #[test]
    fn printed_changes_are_the_differences_of_printed_values() {
        let mut wrong = Vec::new();
        for name in ["table1", "table2", "table3"] {
            let table = table(name);
            for row in &table.rows {
                let method = row.subject.method.clone().unwrap_or_default();
                let subject = Subject {
                    model: row.subject.model.clone(),
                    method,
                    reward: None,
                };
                for (column, delta) in &row.delta {
                    let Some(value) = row.value.get(column) else {
                        continue;
                    };
                    let start = table.untrained(&subject, column).unwrap() * 100.0;
                    if (value - start - delta).abs() > 0.15 {
                        wrong.push((column.clone(), *delta, row.note.contains_key(column)));
                    }
                }
            }
        }
        assert_eq!(wrong, [("humaneval_plus.pass@1".to_owned(), -11.7, true)]);
    }

    #[test]
    fn an_unknown_table_is_named() {
        let error = Reference::read(&file(), "recode.table9");
        let text = error.unwrap_err().to_string();
        assert!(text.contains("unknown reference `recode.table9`"), "{text}");
    }
}
