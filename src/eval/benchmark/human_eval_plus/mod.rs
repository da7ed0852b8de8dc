//! `HumanEval+`: the tasks of `HumanEval` with many more inputs (arXiv:2305.01210).
//!
//! A solution passes if it returns the same as the canonical solution, floats within a tolerance. Base
//! inputs are those of the original tests. A task counts as solved if all base inputs and all added
//! inputs pass.

mod cache;
mod difference;
mod outside;
mod prepare;
mod reference;

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::json;

use super::{Benchmark, Flavour, Options, Task, human_eval, row_of, seed_of};
use crate::{
    data::read_human_eval,
    eval::{EvalError, Judgement, extract},
    sandbox::{Call, Modules, Pool, PythonError, Verdict},
};
use prepare::{HARNESS, Prepared, Row};

/// The two sets of inputs.
const PARTS: [&str; 2] = ["base", "plus"];
/// The number of tasks whose expected outputs stay in memory: those of one may take 150 MB, and tasks are judged one
/// after the other.
const KEPT_TASKS: usize = 2;

#[derive(Debug)]
struct HumanEvalPlus {
    name: &'static str,
    tasks: Vec<Task>,
    rows: Vec<Row>,
    options: Options,
    /// The tasks that were judged last.
    recent: Mutex<VecDeque<Arc<Prepared>>>,
}

/// Opens a file of `HumanEval+`.
pub(super) fn open(
    name: &'static str,
    path: &Path,
    options: &Options,
) -> Result<Box<dyn Benchmark>, EvalError> {
    let read = read_human_eval(path).map_err(|source| EvalError::Data {
        benchmark: name.to_owned(),
        source,
    })?;
    let tasks = human_eval::tasks(&read);
    let without: Vec<_> = read.iter().filter(|row| row.plus.is_none()).collect();
    if !without.is_empty() {
        let reasons = without
            .iter()
            .map(|row| format!("no `plus_input` in `{}`", row.task_id));
        return Err(EvalError::Tasks {
            path: path.to_path_buf(),
            reasons: reasons.collect(),
        });
    }
    let rows = read.into_iter().filter_map(|mut task| {
        let plus = task.plus.take()?;
        Some(Row::new(task, plus))
    });
    Ok(Box::new(HumanEvalPlus {
        name,
        tasks,
        rows: rows.collect(),
        options: options.clone(),
        recent: Mutex::default(),
    }))
}

/// The verdict on a part, and the number of the input that did not pass.
type End = (Verdict, Option<usize>);

impl HumanEvalPlus {
    /// Runs a solution on a set of inputs.
    fn part(
        &self,
        row: &Row,
        part: &'static str,
        solution: &str,
        pool: &Pool,
    ) -> Result<End, PythonError> {
        let prepared = row.prepare(&self.options, pool)?;
        self.keep(&prepared);
        if self.options.is_in_process {
            return part_in_process(row, &prepared, part, solution, pool);
        }
        let (Some(reference), Some(limits), Some(timeout)) = (
            prepared.references.get(part),
            prepared.limits.get(part),
            prepared.timeouts.get(part),
        ) else {
            let reason = format!("`{part}` has no expected outputs");
            return Err(PythonError::Server { reason });
        };
        outside::Part {
            row,
            name: part,
            harness: &prepared.harness,
            reference,
            limits,
            timeout: *timeout,
            flavour: self.options.flavour,
        }
        .judge(solution, pool)
    }

    /// Keeps what is prepared for the tasks that were judged last.
    fn keep(&self, prepared: &Arc<Prepared>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if !recent.iter().any(|known| Arc::ptr_eq(known, prepared)) {
            recent.push_back(Arc::clone(prepared));
            if recent.len() > KEPT_TASKS {
                recent.pop_front();
            }
        }
    }
}

/// Runs a solution on a set of inputs, and compares its outputs in its own process.
fn part_in_process(
    row: &Row,
    prepared: &Prepared,
    part: &str,
    solution: &str,
    pool: &Pool,
) -> Result<End, PythonError> {
    let argument = json!({ "part": part, "solution": solution }).to_string();
    let call = Call {
        harness: &prepared.harness,
        modules: Modules::of_program(solution),
        argument: &argument,
        timeout: prepared.timeouts.get(part).copied().unwrap_or_default(),
        seed: seed_of(&row.task.task_id),
    };
    let (verdict, answer) = pool.call(&call)?;
    Ok(if verdict.is_pass() {
        end(&answer)
    } else {
        (verdict, None)
    })
}

/// Reads a harness's answer about a part: empty, or the input that failed and why.
fn end(answer: &str) -> End {
    if answer.is_empty() {
        return (Verdict::Pass, None);
    }
    let (input, reason) = answer.split_once(' ').unwrap_or((answer, ""));
    (failed(input, reason), input.parse().ok())
}

/// The verdict on a solution whose output for an input is not the expected one.
fn failed(input: impl std::fmt::Display, reason: &str) -> Verdict {
    Verdict::Assertion {
        exception: "AssertionError".to_owned(),
        message: format!("input {input}: {reason}"),
    }
}

impl Benchmark for HumanEvalPlus {
    fn name(&self) -> &'static str {
        self.name
    }

    fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    fn extract(&self, task: &Task, answer: &str) -> Option<String> {
        let row = row_of(&self.tasks, &self.rows, task).ok()?;
        extract::function(answer, &row.task.entry_point, &row.task.prompt)
    }

    fn complete(&self, task: &Task, completion: &str) -> String {
        let prompt = row_of(&self.tasks, &self.rows, task).map_or("", |row| &row.task.prompt);
        format!("{prompt}{completion}")
    }

    fn reference(&self, task: &Task) -> Option<String> {
        Some(row_of(&self.tasks, &self.rows, task).ok()?.canonical())
    }

    fn harness(&self) -> &'static str {
        HARNESS
    }

    fn judge(&self, task: &Task, solution: &str, pool: &Pool) -> Result<Judgement, EvalError> {
        let row = row_of(&self.tasks, &self.rows, task)?;
        let mut ends = Vec::new();
        for part in PARTS {
            let end = self
                .part(row, part, solution, pool)
                .map_err(|source| EvalError::Judge {
                    task: task.id.clone(),
                    source,
                })?;
            ends.push(end);
        }
        let verdicts: Vec<Verdict> = ends.iter().map(|(verdict, _)| verdict.clone()).collect();
        let mut judgement = Judgement::of_tests("base_and_plus", &verdicts);
        judgement.tests.clear();
        for (part, (verdict, input)) in PARTS.into_iter().zip(&ends) {
            judgement
                .tests
                .insert(part.to_owned(), verdict.letter().to_string());
            judgement
                .failed_inputs
                .extend(input.map(|input| (part.to_owned(), input)));
        }
        let is_base_passed = verdicts.first().is_some_and(Verdict::is_pass);
        judgement.measures = BTreeMap::from([("base".to_owned(), is_base_passed)]);
        Ok(judgement)
    }

    fn input(&self, task: &Task, run: &str, position: usize) -> Option<String> {
        row_of(&self.tasks, &self.rows, task)
            .ok()?
            .inputs(run)
            .get(position)
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use serde_json::json;

    use super::*;
    use crate::eval::tests::fixture::pool;

    /// A task to halve the numbers of a list, or to find a zero of `x`.
    fn benchmark(entry_point: &str, options: &Options) -> Box<dyn Benchmark> {
        let row = json!({
            "task_id": "T/0", "prompt": format!("def {entry_point}(x):\n"),
            "entry_point": entry_point, "test": "", "contract": "",
            "canonical_solution": if entry_point == "find_zero" {
                "    return -x[0] / x[1]\n"
            } else {
                "    return [number / 2 for number in x]\n"
            },
            "base_input": [[[2, 4]]],
            "plus_input": [[[1, 4]], [["LARGE", 1]]],
            "atol": if entry_point == "find_zero" { 1e-4 } else { 0.0 },
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        // 2^65: no integer of 64 bits.
        let row = row.to_string().replace("\"LARGE\"", "36893488147419103232");
        fs::write(file.path(), row).unwrap();
        open("humaneval_plus", file.path(), options).unwrap()
    }

    fn judge(benchmark: &dyn Benchmark, solution: &str) -> (Judgement, bool) {
        let pool = pool();
        let judgement = benchmark
            .judge(&benchmark.tasks()[0], solution, &pool)
            .unwrap();
        let is_base_passed = judgement.measures["base"];
        (judgement, is_base_passed)
    }

    const HALF: &str = "def half(x):\n    return [number * 0.5 for number in x]\n";
    const WHOLE: &str = "def half(x):\n    return [number // 2 * 1.0 for number in x]\n";
    const INTEGERS: &str = "def half(x):\n    return tuple(number / 2 for number in x)\n";
    const EQUAL: &str = "
class Equal:
    def __eq__(self, other): return True
def half(x):
    return Equal()
";

    #[test]
    fn a_solution_passes_by_the_values_that_it_returns() {
        let benchmark = benchmark("half", &Options::default());

        let (half, _) = judge(&*benchmark, HALF);
        let (whole, is_base_passed) = judge(&*benchmark, WHOLE);
        let (tuple, _) = judge(&*benchmark, INTEGERS);
        let (nothing, _) = judge(&*benchmark, "x = 1");

        assert!(half.passed, "{half:?}");
        assert!(!whole.passed && is_base_passed, "{whole:?}");
        assert_eq!(
            whole.failed_inputs,
            BTreeMap::from([("plus".to_owned(), 0)])
        );
        assert!(!tuple.passed, "a list is no tuple");
        assert_eq!(nothing.verdict.name(), "error");
        let input = benchmark.input(&benchmark.tasks()[0], "plus", 1).unwrap();
        assert_eq!(input, "[[36893488147419103232,1]]");
    }

    #[test]
    fn an_object_that_equals_everything_passes_in_process_only() {
        let in_process = Options {
            is_in_process: true,
            ..Options::default()
        };

        assert!(
            !judge(&*benchmark("half", &Options::default()), EQUAL)
                .0
                .passed
        );
        assert!(judge(&*benchmark("half", &in_process), EQUAL).0.passed);
        assert!(judge(&*benchmark("half", &in_process), HALF).0.passed);
    }

    #[test]
    fn an_input_has_its_limit_of_computing_and_of_sleeping() {
        let options = Options {
            timeout: Some(Duration::from_millis(300)),
            ..Options::default()
        };
        // All inputs of a part together have at least 1.3 seconds.
        let benchmark = benchmark("half", &options);
        let after = |wait: &str| {
            let body = "    return [number * 0.5 for number in x]\n";
            let solution = format!("import time\ndef half(x):\n    {wait}\n{body}");
            judge(&*benchmark, &solution).1
        };
        let computing = |seconds: f64| {
            format!(
                "end = time.process_time() + {seconds}\n    while time.process_time() < end: pass"
            )
        };

        assert!(after("time.sleep(0.1)"));
        assert!(!after("time.sleep(0.7)"));
        assert!(after(&computing(0.1)));
        assert!(!after(&computing(0.7)));
    }

    #[test]
    fn numbers_are_compared_as_numpy_broadcasts_them() {
        let benchmark = benchmark("half", &Options::default());
        // Oracle: `numpy.allclose` of numpy 1.26.4, with which these agreed over 200,000 random pairs.
        let cases = [
            // Shapes (2, 2) and (2,): each row is the expected one.
            ("[[a / 2, b / 2], [a / 2, b / 2 + 1e-9]]", true),
            ("[[a / 2], [b / 2]]", false),
            ("[[a / 2, b / 2], [a / 2]]", false),
            ("[a / 2, [b / 2]]", false),
        ];
        for (value, passes) in cases {
            let solution = format!("def half(x):\n    a, b = x\n    return {value}\n");
            assert_eq!(judge(&*benchmark, &solution).1, passes, "{value}");
        }
    }

    #[test]
    fn version_0_3_1_passes_no_solution_that_looks_for_zeros() {
        let old = Options {
            flavour: Flavour::V0_3_1,
            ..Options::default()
        };
        let zero = "def find_zero(x):\n    return -x[0] / x[1] + 1e-6\n";

        assert!(
            judge(&*benchmark("find_zero", &Options::default()), zero)
                .0
                .measures["base"]
        );
        assert!(!judge(&*benchmark("find_zero", &old), zero).0.measures["base"]);
    }
}
