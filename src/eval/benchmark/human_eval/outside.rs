//! The tests run in another process than the solution.
//!
//! Within one interpreter a solution can return an object that equals everything, or change what its tests see. So it
//! answers calls with plain values, and `check` runs in another process with a stand-in for the solution. Answers with
//! the same bytes as those of the canonical solution need no check: the tests have passed on them.
//!
//! # Differences from the original harness, by design
//!
//! - An instance of a subclass of a plain type counts as its plain value. Any other object that is no plain value (an
//!   iterator, an instance of a class that the solution defines) equals nothing. The tests can iterate it once, before
//!   their next call; its items are asked for as soon as the solution returns it.
//! - The tests do not see changes that a solution makes to its arguments.
//! - If a solution redefines a helper of the prompt that the tests use, the tests use the benchmark's.
//! - The solution and its tests have the time limit each.
//!
//! If the tests of a task pass values that are not plain, or need more of a call than its answer, they run in the
//! solution's process. None of the 164 tasks has such tests.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::cache;
use crate::{
    data::HumanEvalTask,
    digest::Digest,
    eval::benchmark::{
        messages::{Messages, most_bytes, to_base64},
        seed_of,
    },
    sandbox::{
        Answered, Answers, AnswersEnd, Call, Calls, Harness, Modules, Pool, PythonError, Reply,
        Verdict,
    },
};

pub(super) const HARNESS: &str = concat!(
    include_str!("../plain.py"),
    "\n",
    include_str!("outside.py")
);

/// The most bytes of all answers of a solution; those of the canonical solutions are thousands of times shorter.
const ANSWERS_BYTES: usize = 1 << 22;
/// The time limit of canonical solutions and their tests, which take milliseconds.
const REFERENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many times a solution is run again because the tests have made other calls.
const ROUNDS: usize = 100;
/// The time limit of all rounds together, as a multiple of the limit of one.
const LIMITS: u32 = 10;

/// The calls that the tests of a task make of its canonical solution, and its answers.
#[derive(Debug)]
pub(super) struct Recording {
    calls: Messages,
    answers: Messages,
}

/// How the tests ended.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Passed(()),
    Assertion([String; 2]),
    Error([String; 2]),
    /// The calls up to and including one that the solution has not answered yet.
    Lacking(String),
}

/// What the checker has recorded.
#[derive(Deserialize)]
struct Recorded {
    calls: String,
    answers: String,
}

/// Why it could not.
#[derive(Deserialize)]
struct Failed {
    error: [String; 2],
}

/// The answers of a solution.
struct Kept<'a> {
    messages: Messages,
    /// Those of the canonical solution to the same calls.
    expected: &'a Messages,
}

impl Answers for Kept<'_> {
    fn restart(&mut self) {
        self.messages.clear();
    }

    fn most_bytes(&self, number: usize) -> usize {
        most_bytes(self.expected.get(number).len())
    }

    fn take(&mut self, _: usize, message: &[u8]) -> ControlFlow<()> {
        self.messages.push(message);
        if self.messages.bytes().len() > ANSWERS_BYTES {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// The calls that a task's tests make of its canonical solution, from the cache if they are there; none if the tests need
/// more than answers.
pub(super) fn record(
    task: &HumanEvalTask,
    pool: &Pool,
) -> Result<Option<Arc<Recording>>, PythonError> {
    let argument = with_tests(task, "record");
    let key = Digest::of_json(&(HARNESS, &argument, &pool.interpreter().version));
    let known = cache::read(&key).and_then(|text| Recording::read(&text));
    if let Some(recording) = known {
        return Ok(Some(Arc::new(recording)));
    }
    let reason = match checker(task, &argument, REFERENCE_TIMEOUT, pool)? {
        Reply::Text(text) => {
            if let Some(recording) = Recording::read(&text) {
                cache::write(&key, &text);
                return Ok(Some(Arc::new(recording)));
            }
            read::<Failed>(&text)?.error.join(": ")
        }
        Reply::Late => "the tests of the canonical solution do not end".to_owned(),
        Reply::Killed => "the tests of the canonical solution are killed".to_owned(),
    };
    let id = &task.task_id;
    tracing::warn!(task = %id, %reason, "the tests of this task run in the solution's process");
    Ok(None)
}

impl Recording {
    /// Reads what the checker has recorded.
    fn read(text: &str) -> Option<Self> {
        let Recorded { calls, answers } = serde_json::from_str(text).ok()?;
        Some(Self {
            calls: Messages::of_base64(&calls)?,
            answers: Messages::of_base64(&answers)?,
        })
    }
}

/// Runs the tests of a task on the answers of a solution, until the solution has answered all calls.
pub(super) fn run_tests(
    task: &HumanEvalTask,
    solution: &str,
    recording: &Recording,
    timeout: Duration,
    pool: &Pool,
) -> Result<Verdict, PythonError> {
    let deadline = Instant::now() + timeout * LIMITS;
    let mut calls = recording.calls.clone();
    // The tests go on after an exception, so the solution must too.
    let mut goes_on = recording.answers.has_exception();
    for round in 0..ROUNDS {
        let mut kept = Kept {
            messages: Messages::default(),
            expected: &recording.answers,
        };
        let limits = vec![timeout; calls.len()];
        let argument = candidate(task, solution, &calls, goes_on);
        let calls_of_solution = Calls {
            call: call(&argument, Modules::of_program(solution), timeout, task),
            limits: &limits,
        };
        let answered = pool.answer(&calls_of_solution, &mut kept)?;
        let answers = kept.messages;
        if round == 0 && answered.end == AnswersEnd::Complete && answers == recording.answers {
            return Ok(Verdict::Pass);
        }
        let (answers, failure) = match with_failure(answers, answered) {
            Ok(known) => known,
            Err(verdict) => return Ok(verdict),
        };
        let mut argument = with_tests(task, "check");
        argument["calls"] = json!(to_base64(calls.bytes()));
        argument["answers"] = json!(to_base64(answers.bytes()));
        let text = match checker(task, &argument, timeout, pool)? {
            Reply::Text(text) => text,
            Reply::Late => return Ok(Verdict::Timeout),
            Reply::Killed => return Ok(Verdict::KILLED),
        };
        let lacking = match read(&text)? {
            End::Passed(()) => return Ok(Verdict::Pass),
            End::Assertion([exception, message]) => {
                return Ok(Verdict::Assertion { exception, message });
            }
            End::Error([exception, message]) => return Ok(Verdict::Error { exception, message }),
            End::Lacking(lacking) => messages(&lacking)?,
        };
        match failure {
            Some(verdict) => return Ok(verdict),
            None if Instant::now() >= deadline => return Ok(Verdict::Timeout),
            None => {}
        }
        goes_on |= answers.has_exception();
        calls = lacking;
    }
    Ok(Verdict::Error {
        exception: "Unrepeatable".to_owned(),
        message: "the solution answers otherwise each time".to_owned(),
    })
}

/// The answers with the exception that ended the solution, and the verdict if the tests need an answer that it cannot
/// give. An error is the verdict on a solution on which no test can be run.
fn with_failure(
    mut answers: Messages,
    answered: Answered,
) -> Result<(Messages, Option<Verdict>), Verdict> {
    let too_long = || Verdict::Error {
        exception: "ValueError".to_owned(),
        message: "the answer is far longer than the expected one".to_owned(),
    };
    match answered.end {
        AnswersEnd::Complete => Ok((answers, None)),
        AnswersEnd::Raised { verdict, .. } if !answered.is_loaded => Err(verdict),
        AnswersEnd::Raised { message, .. } => {
            answers.push(&message);
            Ok((answers, None))
        }
        AnswersEnd::Late if !answered.is_loaded => Err(Verdict::Timeout),
        AnswersEnd::Late => Ok((answers, Some(Verdict::Timeout))),
        AnswersEnd::Ended(verdict) if !answered.is_loaded => Err(verdict),
        AnswersEnd::Ended(verdict) => Ok((answers, Some(verdict))),
        AnswersEnd::TooLong | AnswersEnd::Stopped => Ok((answers, Some(too_long()))),
    }
}

/// The argument of a solution that answers calls.
fn candidate(task: &HumanEvalTask, solution: &str, calls: &Messages, goes_on: bool) -> String {
    json!({
        "solution": solution,
        "entry_point": task.entry_point,
        "calls": to_base64(calls.bytes()),
        "goes_on": goes_on,
    })
    .to_string()
}

/// Runs the tests of a task.
fn checker(
    task: &HumanEvalTask,
    argument: &Value,
    timeout: Duration,
    pool: &Pool,
) -> Result<Reply, PythonError> {
    let modules = Modules::of_program(&task.test);
    pool.check(&call(&argument.to_string(), modules, timeout, task))
}

fn call<'a>(
    argument: &'a str,
    modules: Modules,
    timeout: Duration,
    task: &HumanEvalTask,
) -> Call<'a> {
    Call {
        harness: &OUTSIDE,
        modules,
        argument,
        timeout,
        seed: seed_of(&task.task_id),
    }
}

static OUTSIDE: Harness = Harness {
    key: String::new(),
    code: HARNESS,
    data: String::new(),
};

/// The argument of a checker that runs the tests.
fn with_tests(task: &HumanEvalTask, work: &str) -> Value {
    json!({
        "work": work,
        "reference": format!("{}{}", task.prompt, task.canonical_solution),
        "test": task.test,
        "entry_point": task.entry_point,
        "seed": seed_of(&task.task_id),
    })
}

/// Reads what the checker replies, which runs our own code and the benchmark's only.
fn read<'a, T: Deserialize<'a>>(answer: &'a str) -> Result<T, PythonError> {
    serde_json::from_str(answer).map_err(|error| unexpected(&error.to_string()))
}

fn messages(text: &str) -> Result<Messages, PythonError> {
    Messages::of_base64(text).ok_or_else(|| unexpected("no messages"))
}

fn unexpected(reason: &str) -> PythonError {
    PythonError::Server {
        reason: format!("unexpected answer of the harness: {reason}"),
    }
}
