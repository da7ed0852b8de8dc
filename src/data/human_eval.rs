//! `HumanEval`, and `HumanEval+` with its many more inputs.

use std::path::Path;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json, value::RawValue};

use super::{
    error::DataError,
    jsonl::{self, row_reason},
    odd_json::without_non_finite,
};

/// A function to complete.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct HumanEvalTask {
    /// `HumanEval/0`.
    pub task_id: String,
    /// Imports, the `def` line and the docstring.
    pub prompt: String,
    /// The name of the function.
    pub entry_point: String,
    /// A body that passes; it follows the prompt directly.
    pub canonical_solution: String,
    /// Python that defines `check(candidate)`.
    pub test: String,
    /// What `HumanEval+` adds; nothing for a row of `HumanEval`.
    #[serde(skip)]
    pub plus: Option<PlusInputs>,
}

/// The inputs on which a candidate must agree with the canonical solution.
#[derive(Clone, Debug, PartialEq)]
pub struct PlusInputs {
    /// Assertions about valid inputs, as lines of a function's body.
    pub contract: String,
    /// The inputs of the original tests: each the JSON text of a list of arguments.
    ///
    /// Text, because some integers have more than 64 bits.
    pub base_inputs: Vec<String>,
    /// The added inputs, in the same form.
    pub plus_inputs: Vec<String>,
    /// The absolute tolerance; 0 compares exactly.
    pub absolute_tolerance: f64,
}

impl HumanEvalTask {
    /// What a prompt template may show: neither the tests nor the solution.
    pub fn prompt_fields(&self) -> Value {
        json!({ "prompt": self.prompt.trim_end(), "entry_point": self.entry_point })
    }
}

/// Reads a file of `HumanEval` or `HumanEval+`.
pub fn read_human_eval(path: &Path) -> Result<Vec<HumanEvalTask>, DataError> {
    let tasks = jsonl::read_json_lines_with(path, parse_line)?;
    jsonl::refuse_duplicates(path, tasks.iter().map(|task| task.task_id.as_str()))?;
    Ok(tasks)
}

/// The fields that HumanEval+ adds. The inputs stay text: they hold integers of more than 64 bits,
/// which a JSON value would round to floats.
#[derive(Deserialize)]
struct PlusFields<'a> {
    #[serde(default)]
    contract: String,
    #[serde(borrow)]
    base_input: Option<&'a RawValue>,
    #[serde(borrow)]
    plus_input: Option<&'a RawValue>,
    #[serde(default)]
    atol: f64,
}

fn parse_line(line: &str) -> Result<Vec<HumanEvalTask>, String> {
    parse_json(line).or_else(|reason| {
        // Python writes NaN, which is harmless in a field that nothing reads. An input that becomes null
        // would be another input.
        let has_inputs = ["\"base_input\"", "\"plus_input\""]
            .iter()
            .any(|name| line.contains(name));
        match without_non_finite(line).filter(|_| !has_inputs) {
            Some(line) => parse_json(&line),
            None => Err(reason),
        }
    })
}

fn parse_json(line: &str) -> Result<Vec<HumanEvalTask>, String> {
    let mut task: HumanEvalTask =
        serde_json::from_str(line).map_err(|error| row_reason(line, &error))?;
    let fields: PlusFields<'_> =
        serde_json::from_str(line).map_err(|error| row_reason(line, &error))?;
    task.plus = match (fields.base_input, fields.plus_input) {
        (None, None) => None,
        (Some(base), Some(plus)) => Some(PlusInputs {
            contract: fields.contract,
            base_inputs: inputs(base, "base_input")?,
            plus_inputs: inputs(plus, "plus_input")?,
            absolute_tolerance: fields.atol,
        }),
        _ => {
            return Err("`base_input` and `plus_input` belong together, one is missing".to_owned());
        }
    };
    Ok(vec![task])
}

/// The texts of the inputs in a member of the row, which may itself be a string of JSON.
fn inputs(member: &RawValue, name: &str) -> Result<Vec<String>, String> {
    let written: Result<String, _> = serde_json::from_str(member.get());
    let text = written.as_deref().unwrap_or(member.get());
    let _: IgnoredAny =
        serde_json::from_str(text).map_err(|error| format!("in `{name}`: {error}"))?;
    let is_list = |item: &&RawValue| item.get().starts_with('[');
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(items) if items.iter().all(is_list) => {
            Ok(items.iter().map(|item| item.get().to_owned()).collect())
        }
        _ => Err(format!("`{name}` is not a list of lists of arguments")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const ROW: &str = r#"{"task_id": "HumanEval/0", "prompt": "p", "entry_point": "f", "canonical_solution": "c", "test": "t""#;

    #[test]
    fn a_plain_row_has_no_plus_inputs() {
        let tasks = parse_line(&format!("{ROW}}}")).unwrap();

        assert_eq!(tasks[0].entry_point, "f");
        assert_eq!(tasks[0].plus, None);
    }

    #[test]
    fn a_number_that_is_not_finite_is_harmless_where_nothing_reads_it() {
        assert!(parse_line(&format!(r#"{ROW}, "score": NaN}}"#)).is_ok());
        for line in [
            format!(r#"{ROW}, "base_input": [[NaN]], "plus_input": []}}"#),
            ROW.replace(r#""t""#, "NaN") + "}",
        ] {
            assert!(parse_line(&line).is_err(), "{line}");
        }
    }

    #[test]
    fn inputs_keep_their_digits_whether_written_as_lists_or_as_text() {
        let lists = r#"[[1, 99999999999999999999999], [[2.50], "a,]"]]"#;
        let text = Value::from(lists).to_string();
        for written in [lists, &text] {
            let row = format!(
                r#"{ROW}, "contract": "k", "base_input": {written}, "plus_input": [], "atol": 0}}"#
            );

            let plus = parse_line(&row).unwrap().remove(0).plus.unwrap();

            assert_eq!(
                plus.base_inputs,
                ["[1, 99999999999999999999999]", r#"[[2.50], "a,]"]"#]
            );
            assert_eq!(plus.plus_inputs, Vec::<String>::new());
            assert_eq!(plus.contract, "k");
        }
    }

    #[test]
    fn inputs_that_are_no_lists_of_arguments_are_refused() {
        for (extra, reason) in [
            (
                r#""base_input": [1], "plus_input": []"#,
                "`base_input` is not a list of lists",
            ),
            (
                r#""base_input": [], "plus_input": "{""#,
                "in `plus_input`: ",
            ),
            (
                r#""base_input": []"#,
                "`base_input` and `plus_input` belong together",
            ),
        ] {
            let error = parse_line(&format!("{ROW}, {extra}}}")).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }

    #[test]
    #[ignore = "needs the conformance data: just conformance"]
    fn the_published_files_have_the_published_counts() {
        let folder = shared().join("data/humaneval");

        let plain = read_human_eval(&folder.join("HumanEval.jsonl.gz")).unwrap();
        let plus = read_human_eval(&folder.join("HumanEvalPlus.jsonl.gz")).unwrap();

        // Oracle: the counts of release v0.1.10: 1,570 base and 122,683 plus inputs.
        let inputs: Vec<&PlusInputs> = plus.iter().filter_map(|task| task.plus.as_ref()).collect();
        assert_eq!((plain.len(), plus.len(), inputs.len()), (164, 164, 164));
        assert_eq!(
            inputs
                .iter()
                .map(|plus| plus.base_inputs.len())
                .sum::<usize>(),
            1_570
        );
        assert_eq!(
            inputs
                .iter()
                .map(|plus| plus.plus_inputs.len())
                .sum::<usize>(),
            122_683
        );
        let tolerant = inputs
            .iter()
            .filter(|plus| plus.absolute_tolerance > 0.0)
            .count();
        assert_eq!(tolerant, 3);
        let large = "99999999999999999999999";
        assert!(
            inputs[22]
                .plus_inputs
                .iter()
                .any(|input| input.contains(large))
        );
    }

    fn shared() -> PathBuf {
        let sibling = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
        std::env::var_os("RECODE_SHARED").map_or(sibling, PathBuf::from)
    }
}
