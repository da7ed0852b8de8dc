//! Runs the unit tests of migrations: the new code must pass them, and the old code must not.

use std::time::Duration;

use rayon::prelude::*;
use serde_json::Value;

use crate::{
    cli::exit::{Exit, Failure},
    data::{Cache, FileReport, Migration},
    reward::{JudgeError, TestJudge, UnitTests},
    sandbox::{PythonError, Settings, Verdict, choose_interpreter},
};

/// The time limit of a test: the default of `reward.tests.timeout_seconds`.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is wrong with a row: its line, the field, and the problem.
type Problem = (usize, &'static str, String);

/// A judge that starts when the first row with tests is found.
#[derive(Debug, Default)]
pub(super) struct Runner {
    judge: Option<TestJudge>,
}

impl Runner {
    /// Runs the tests of all rows of a file that have some, and adds what is wrong to its report.
    ///
    /// Rows with other errors, and rows that say why they are `not_run`, are left out.
    pub(super) fn check(&mut self, content: &[u8], report: &mut FileReport) -> Result<(), Failure> {
        let rows = rows_with_tests(content, report);
        if rows.is_empty() {
            return Ok(());
        }
        let judge = match &mut self.judge {
            Some(judge) => &*judge,
            none => &*none.insert(start().map_err(|error| no_python(&error))?),
        };
        let problems = rows
            .par_iter()
            .map(|(line, row)| problem(judge, *line, row))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| no_python(&error))?;
        for (line, field, problem) in problems.into_iter().flatten() {
            report.add_error(line, field, problem);
        }
        Ok(())
    }
}

fn start() -> Result<TestJudge, PythonError> {
    let cache = Cache::from_environment();
    let interpreter = choose_interpreter(None, true, cache.folder());
    let settings = Settings {
        interpreter,
        ..Settings::default()
    };
    TestJudge::start(&settings, TIMEOUT)
}

fn no_python(error: &PythonError) -> Failure {
    Failure::new(Exit::Missing, error)
        .hint("`recode doctor` says what is missing; `--no-run` runs no tests")
}

/// The rows that have tests and no error so far, with their lines.
fn rows_with_tests(content: &[u8], report: &FileReport) -> Vec<(usize, Migration)> {
    let lines = content.split(|byte| *byte == b'\n').enumerate();
    lines
        .filter_map(|(index, bytes)| {
            let line = index + 1;
            let value: Value = serde_json::from_slice(bytes).ok()?;
            if value.get("not_run").is_some() || report.has_error(line) {
                return None;
            }
            let row: Migration = serde_json::from_value(value).ok()?;
            (!row.tests.is_empty()).then_some((line, row))
        })
        .collect()
}

/// What is wrong with the tests of a row; an error if they cannot be run at all.
fn problem(
    judge: &TestJudge,
    line: usize,
    row: &Migration,
) -> Result<Option<Problem>, PythonError> {
    let tests = UnitTests {
        setup: row.setup.clone(),
        tests: row.tests.clone(),
    };
    let recorded = match judge.record(&tests, &row.new_code) {
        Ok(recorded) => recorded,
        Err(JudgeError::Python(error)) => return Err(error),
        Err(JudgeError::Reference { test, reason }) => {
            let problem = format!("does not pass test {test}: {reason}");
            return Ok(Some((line, "new_code", problem)));
        }
        Err(error @ JudgeError::Unusable { .. }) => {
            return Ok(Some((line, "tests", error.to_string())));
        }
    };
    let cases = [
        (&recorded, Some(row.new_code.as_str())),
        (&recorded, Some(row.old_code.as_str())),
    ];
    let verdicts = match judge.judge(&cases) {
        Err(JudgeError::Python(error)) => return Err(error),
        Err(error) => return Ok(Some((line, "tests", error.to_string()))),
        Ok(verdicts) => verdicts,
    };
    let [new, old] = [&verdicts[0], &verdicts[1]];
    let failed = new.iter().position(|verdict| !verdict.is_pass());
    if let Some(index) = failed {
        // Its answers may depend on the clock, or on the memory address of an object.
        let problem = format!(
            "passes test {} once and not again: {}",
            index + 1,
            new[index]
        );
        return Ok(Some((line, "new_code", problem)));
    }
    let passes_all = old.iter().all(Verdict::is_pass);
    Ok(passes_all.then(|| {
        let problem = "passes all tests under the update, so they do not test it";
        (line, "old_code", problem.to_owned())
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SETUP: &str = "import math\n_old = math.sqrt\ndef root(x): return _old(x)\ndel math.sqrt\nmath.root = root";
    const NEW: &str = "import math\ndef f(x):\n    return math.root(x)";
    const OLD: &str = "import math\ndef f(x):\n    return math.sqrt(x)";

    fn row(old: &str, new: &str, test: &str) -> String {
        json!({
            "dependency": "math", "new_version": "==9", "description": "d", "update_info": "n",
            "old_code": old, "new_code": new, "setup": SETUP, "tests": [test],
        })
        .to_string()
    }

    /// By hand: line 1 is fine, each other line has the error of its name.
    #[test]
    fn rows_whose_tests_do_not_fit_are_named() {
        let test = "assert f(9) == 3.0";
        let not_run = row(OLD, OLD, test).replace("\"tests\"", "\"not_run\":\"why\",\"tests\"");
        let content = [
            row(OLD, NEW, test),
            row(OLD, OLD, test),
            row("def f(x):\n    return x ** 0.5", NEW, test),
            row(OLD, NEW, "assert 3 == 3"),
            not_run,
        ];
        let mut report = FileReport::default();

        Runner::default()
            .check(content.join("\n").as_bytes(), &mut report)
            .unwrap();

        let found: Vec<String> = report
            .problems
            .iter()
            .map(|one| {
                format!(
                    "{} {}: {}",
                    one.line,
                    one.field.as_deref().unwrap(),
                    one.problem
                )
            })
            .collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[0].starts_with("2 new_code: does not pass test 1: AttributeError"),
            "{found:?}"
        );
        assert!(
            found[1].starts_with("3 old_code: passes all tests"),
            "{found:?}"
        );
        assert!(
            found[2].starts_with("4 tests: test 1 cannot be run"),
            "{found:?}"
        );
    }
}
