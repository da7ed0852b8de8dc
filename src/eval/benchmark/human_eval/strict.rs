//! Strict mode: the tests run in another process than the solution.
//!
//! Within one interpreter a solution can return an object that equals everything, or change what its
//! tests see. In strict mode it answers calls with plain values, and `check` runs in another process
//! with a stand-in for the solution.
//!
//! # Differences from the original harness, by design
//!
//! - A solution that returns a value that is not plain (an iterator, an instance of a class that it
//!   defines) ends with an error.
//! - The tests do not see changes that a solution makes to its arguments.
//! - If a solution redefines a helper of the prompt that the tests use, the tests use the benchmark's.
//!
//! Tests that pass a value that is not plain cannot be run in this mode: that is an error, not a
//! verdict. None of the 164 tasks has such tests.

use std::time::{Duration, Instant};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    data::HumanEvalTask,
    sandbox::{Call, Harness, Modules, Pool, PythonError, Role, Verdict},
};

pub(super) const HARNESS: &str =
    concat!(include_str!("../plain.py"), "\n", include_str!("strict.py"));

/// The largest size of all answers of a solution.
const ANSWER_BYTES: usize = 1 << 24;
/// The time limit of canonical solutions and their tests, which take milliseconds.
const REFERENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many times a solution is run again because the tests have made other calls.
const ROUNDS: usize = 100;
/// The time limit of all rounds together, as a multiple of the limit of one.
const LIMITS: u32 = 10;

/// The calls that the tests of a task make of its canonical solution.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Calls {
    calls: Value,
}

#[derive(Deserialize)]
struct Answers {
    answers: Value,
}

/// How the tests ended.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Passed(()),
    Assertion([String; 2]),
    Error([String; 2]),
    /// The calls up to and including one that the solution has not answered yet.
    Lacking(Value),
}

/// Runs a task's tests on its canonical solution, and records their calls.
pub(super) fn record_calls(task: &HumanEvalTask, pool: &Pool) -> Result<Calls, PythonError> {
    let argument = with_tests(task, "record");
    let (verdict, answer) = checker(task, &argument, REFERENCE_TIMEOUT, pool)?;
    if !verdict.is_pass() {
        let reason = format!("the canonical solution cannot be judged strictly: {verdict}");
        return Err(PythonError::Server { reason });
    }
    read(&answer)
}

/// Runs the tests of a task on the answers of a solution, until the solution has answered all calls.
pub(super) fn run_tests(
    task: &HumanEvalTask,
    solution: &str,
    calls: &Calls,
    timeout: Duration,
    pool: &Pool,
) -> Result<Verdict, PythonError> {
    let deadline = Instant::now() + timeout * LIMITS;
    let mut calls = calls.calls.clone();
    for _ in 0..ROUNDS {
        let (verdict, answer) = candidate(task, solution, &calls, timeout, pool)?;
        if !verdict.is_pass() {
            return Ok(verdict);
        }
        // The solution's process may have sent anything.
        let Ok(Answers { answers }) = serde_json::from_str(&answer) else {
            return Ok(Verdict::Forged);
        };
        let mut argument = with_tests(task, "check");
        argument["calls"] = calls;
        argument["answers"] = answers;
        let (verdict, answer) = checker(task, &argument, timeout, pool)?;
        if !verdict.is_pass() {
            return Ok(verdict);
        }
        calls = match read(&answer)? {
            End::Passed(()) => return Ok(Verdict::Pass),
            End::Assertion([exception, message]) => {
                return Ok(Verdict::Assertion { exception, message });
            }
            End::Error([exception, message]) => return Ok(Verdict::Error { exception, message }),
            End::Lacking(calls) => calls,
        };
        if Instant::now() >= deadline {
            return Ok(Verdict::Timeout);
        }
    }
    Ok(Verdict::Error {
        exception: "Unrepeatable".to_owned(),
        message: "the solution answers otherwise each time".to_owned(),
    })
}

/// Asks a solution to answer calls.
fn candidate(
    task: &HumanEvalTask,
    solution: &str,
    calls: &Value,
    timeout: Duration,
    pool: &Pool,
) -> Result<(Verdict, String), PythonError> {
    let argument = json!({
        "work": "answer",
        "solution": solution,
        "entry_point": task.entry_point,
        "calls": calls,
    });
    let modules = Modules::of_program(solution);
    call(Role::Candidate, modules, &argument, timeout, pool)
}

/// Runs the tests of a task.
fn checker(
    task: &HumanEvalTask,
    argument: &Value,
    timeout: Duration,
    pool: &Pool,
) -> Result<(Verdict, String), PythonError> {
    let modules = Modules::of_program(&task.test);
    call(Role::Checker, modules, argument, timeout, pool)
}

fn call(
    role: Role,
    modules: Modules,
    argument: &Value,
    timeout: Duration,
    pool: &Pool,
) -> Result<(Verdict, String), PythonError> {
    let harness = Harness {
        key: "human_eval_strict".to_owned(),
        code: HARNESS,
        data: String::new(),
    };
    pool.call(&Call {
        harness: &harness,
        role,
        modules,
        argument: &argument.to_string(),
        timeout,
        answer_bytes: ANSWER_BYTES,
    })
}

/// The argument of a call that runs the tests.
fn with_tests(task: &HumanEvalTask, work: &str) -> Value {
    json!({
        "work": work,
        "reference": format!("{}{}", task.prompt, task.canonical_solution),
        "test": task.test,
        "entry_point": task.entry_point,
    })
}

/// Reads an answer of the checker, which runs our own code only.
fn read<T: DeserializeOwned>(answer: &str) -> Result<T, PythonError> {
    serde_json::from_str(answer).map_err(|error| PythonError::Server {
        reason: format!("unexpected answer of the harness: {error}"),
    })
}
