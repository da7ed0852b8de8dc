//! Judging one solution by one test.

use std::{
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{JudgeError, UnitTests};
use crate::{
    sandbox::{AnswersEnd, Call, Calls, Harness, Modules, Pool, PythonError, Settings, Verdict},
    syntax::{Grammar, check_syntax},
};

/// Values cross the border as in evaluation.
const HARNESS: &str = concat!(
    include_str!("../../eval/benchmark/plain.py"),
    "
",
    include_str!("harness.py")
);
/// The most bytes of a result, such as all answers of a solution.
const ANSWERS_BYTES: usize = 1 << 24;

/// The time limit of references and their tests, which take milliseconds.
const REFERENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many times a solution is run again because the test has made other calls.
const ROUNDS: usize = 30;
/// The time limit of all rounds together, as a multiple of the limit of one.
const LIMITS: u32 = 10;
/// How often a program is tried if the judge fails.
const ATTEMPTS: u32 = 3;
/// The pause before the second attempt; the next one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// Judges solutions by unit tests.
#[derive(Debug)]
pub struct TestJudge {
    pub(super) pool: Pool,
    timeout: Duration,
}

/// The tests of a row, and what they ask of a solution.
#[derive(Clone, Debug)]
pub struct Recorded {
    setup: String,
    reference: String,
    tests: Vec<RecordedTest>,
}

#[derive(Clone, Debug)]
struct RecordedTest {
    text: String,
    requests: Requests,
}

/// What a test asks of a solution.
#[derive(Clone, Debug, Deserialize)]
struct Requests {
    functions: Vec<String>,
    variables: Vec<String>,
    calls: Value,
}

#[derive(Deserialize)]
struct Answers {
    values: Value,
    answers: Value,
}

/// What the recording of a test found.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Recording {
    Recorded(Requests),
    Unusable(String),
    Fails([String; 2]),
}

/// How a test ended.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Passed(()),
    Assertion([String; 2]),
    Error([String; 2]),
    /// The calls up to and including one that the solution has not answered yet.
    Lacking(Value),
}

impl Recorded {
    /// How many tests there are.
    pub fn count(&self) -> usize {
        self.tests.len()
    }
}

/// Whether a program parses without what follows it in another program.
pub(super) fn is_program(code: &str) -> bool {
    check_syntax(code, Grammar::Python313).is_ok()
}

impl TestJudge {
    /// A judge that gives each test so much time.
    pub fn new(pool: Pool, timeout: Duration) -> Self {
        Self { pool, timeout }
    }

    /// A judge with a pool of its own.
    pub fn start(settings: &Settings, timeout: Duration) -> Result<Self, PythonError> {
        Ok(Self::new(Pool::start(settings)?, timeout))
    }

    /// A judge with so many workers.
    #[cfg(test)]
    pub(crate) fn with_workers(workers: usize, timeout: Duration) -> Self {
        let settings = Settings {
            workers,
            ..Settings::default()
        };
        Self::new(Pool::start(&settings).unwrap(), timeout)
    }

    /// The pool that runs the tests.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Runs tests on the reference, which must pass all of them, and records what they ask of it.
    pub fn record(&self, tests: &UnitTests, reference: &str) -> Result<Recorded, JudgeError> {
        let record = |(index, text): (usize, &String)| {
            let test = index + 1;
            let argument = json!({
                "work": "record",
                "setup": tests.setup,
                "reference": reference,
                "test": text,
            });
            let modules = Modules::of_program(&format!("{}\n{reference}\n{text}", tests.setup));
            let answer = match self.work(modules, &argument, REFERENCE_TIMEOUT)? {
                Ok(answer) => answer,
                Err(verdict) => {
                    let reason = verdict.to_string();
                    return Err(JudgeError::Reference { test, reason });
                }
            };
            match read(&answer)? {
                Recording::Recorded(requests) => Ok(RecordedTest {
                    text: text.clone(),
                    requests,
                }),
                Recording::Unusable(reason) => Err(JudgeError::Unusable { test, reason }),
                Recording::Fails([exception, message]) => {
                    let reason = format!("{exception}: {message}");
                    Err(JudgeError::Reference { test, reason })
                }
            }
        };
        Ok(Recorded {
            setup: tests.setup.clone(),
            reference: reference.to_owned(),
            tests: tests
                .tests
                .iter()
                .enumerate()
                .map(record)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The verdict of one test on a solution.
    pub(super) fn run_test(
        &self,
        recorded: &Recorded,
        test: usize,
        solution: &str,
    ) -> Result<Verdict, JudgeError> {
        let RecordedTest { text, requests } = &recorded.tests[test];
        let deadline = Instant::now() + self.timeout * LIMITS;
        let mut calls = requests.calls.clone();
        for _ in 0..ROUNDS {
            let argument = json!({
                "work": "answer",
                "setup": recorded.setup,
                "solution": solution,
                "variables": requests.variables,
                "calls": calls,
            });
            let modules = Modules::of_program(&format!("{}\n{solution}", recorded.setup));
            let body = match self.work(modules, &argument, self.timeout)? {
                Ok(body) => body,
                Err(verdict) => return Ok(verdict),
            };
            // The solution's process may have sent anything.
            let Ok(Answers { values, answers }) = serde_json::from_slice(&body) else {
                return Ok(Verdict::Forged);
            };
            let argument = json!({
                "work": "check",
                "setup": recorded.setup,
                "reference": recorded.reference,
                "test": text,
                "functions": requests.functions,
                "variables": requests.variables,
                "calls": calls,
                "values": values,
                "answers": answers,
            });
            let modules = Modules::of_program(&format!(
                "{}\n{}\n{text}",
                recorded.setup, recorded.reference
            ));
            let answer = match self.work(modules, &argument, self.timeout)? {
                Ok(answer) => answer,
                Err(verdict) => return Ok(verdict),
            };
            calls = match read(&answer)? {
                End::Passed(()) => return Ok(Verdict::Pass),
                End::Assertion([exception, message]) => {
                    return Ok(Verdict::Assertion { exception, message });
                }
                End::Error([exception, message]) => {
                    return Ok(Verdict::Error { exception, message });
                }
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

    /// Lets the harness do something in a process of its own, with which all ends that the row's setup changes. The
    /// inner error is the verdict on a program that does not come to its end.
    fn work(
        &self,
        modules: Modules,
        argument: &Value,
        timeout: Duration,
    ) -> Result<Result<Vec<u8>, Verdict>, PythonError> {
        let harness = Harness {
            key: "reward_unit_tests".to_owned(),
            code: HARNESS,
            data: String::new(),
        };
        let argument = argument.to_string();
        let calls = Calls {
            call: Call {
                harness: &harness,
                modules,
                argument: &argument,
                timeout,
                seed: 0,
            },
            // One message has the whole result.
            limits: &[timeout],
        };
        patiently(|| {
            let mut body = OneMessage::default();
            let answered = self.pool.answer(&calls, &mut body)?;
            Ok(match answered.end {
                AnswersEnd::Complete => Ok(body.0),
                AnswersEnd::Raised { verdict, .. } | AnswersEnd::Ended(verdict) => Err(verdict),
                AnswersEnd::Late => Err(Verdict::Timeout),
                AnswersEnd::TooLong | AnswersEnd::Stopped => Err(Verdict::Error {
                    exception: "ValueError".to_owned(),
                    message: "the answers are too long".to_owned(),
                }),
            })
        })
    }
}

/// The body of a message.
#[derive(Default)]
struct OneMessage(Vec<u8>);

impl crate::sandbox::Answers for OneMessage {
    fn restart(&mut self) {
        self.0.clear();
    }

    fn most_bytes(&self, _: usize) -> usize {
        ANSWERS_BYTES
    }

    fn take(&mut self, _: usize, message: &[u8]) -> ControlFlow<()> {
        // A letter and the length come first.
        self.0 = message.get(5..).unwrap_or_default().to_vec();
        ControlFlow::Continue(())
    }
}

/// Asks the judge; if it fails, once more after a pause.
fn patiently<T>(ask: impl Fn() -> Result<T, PythonError>) -> Result<T, PythonError> {
    let mut attempt = 1;
    loop {
        match ask() {
            Err(error) if attempt < ATTEMPTS => {
                tracing::warn!(attempt, %error, "a test could not be run; it is tried again");
                thread::sleep(PAUSE * attempt);
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// Reads an answer of the checker, which runs our own code and the row's.
fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, PythonError> {
    serde_json::from_slice(answer).map_err(|error| PythonError::Server {
        reason: format!("unexpected answer of the harness: {error}"),
    })
}
