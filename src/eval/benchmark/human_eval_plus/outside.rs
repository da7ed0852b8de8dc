//! A solution's outputs are compared outside of its process, and the time of each input is measured from outside.
//!
//! An output with the same bytes as the expected one is right. One that certainly differs is wrong, and ends the
//! solution. A process of Python that runs no solution compares the others as EvalPlus does: floats, sets, and values
//! of different types.

use std::{ops::ControlFlow, time::Duration};

use serde_json::{json, value::RawValue};

use super::{End, difference, failed, prepare::Row, reference::Reference};
use crate::{
    eval::benchmark::{
        Flavour,
        messages::{most_bytes, to_base64},
        seed_of,
    },
    sandbox::{
        Answered, Answers, AnswersEnd, Call, Calls, Harness, Modules, Pool, PythonError, Reply,
        Verdict,
    },
};

/// The most bytes of outputs that wait to be compared; then the solution is ended and later continues with the next
/// input.
const MAX_UNCLEAR_BYTES: usize = 1 << 22;
/// The function whose output is a zero of a polynomial: any zero is right.
const ANY_ZERO: &str = "find_zero";
const DIFFERENT: &str = "returned something else";

/// A set of inputs of a task, on which solutions are judged.
pub(super) struct Part<'a> {
    pub(super) row: &'a Row,
    pub(super) name: &'static str,
    pub(super) harness: &'a Harness,
    pub(super) reference: &'a Reference,
    /// The time limit of each input.
    pub(super) limits: &'a [Duration],
    /// The time limit of all inputs.
    pub(super) timeout: Duration,
    pub(super) flavour: Flavour,
}

/// The outputs of a solution, of which those are kept that must be compared by Python.
struct Outputs<'a> {
    part: &'a Part<'a>,
    /// The number of the input with which the solution began.
    first: usize,
    unclear: Vec<(usize, Vec<u8>)>,
    unclear_bytes: usize,
    /// The input with an output that certainly differs.
    different: Option<usize>,
}

impl Answers for Outputs<'_> {
    fn restart(&mut self) {
        self.unclear.clear();
        self.unclear_bytes = 0;
        self.different = None;
    }

    fn most_bytes(&self, number: usize) -> usize {
        let expected = self.part.reference.outputs.get(self.first + number);
        most_bytes(expected.len())
    }

    fn take(&mut self, number: usize, message: &[u8]) -> ControlFlow<()> {
        let input = self.first + number;
        if self.part.is_right(input, message) {
            return ControlFlow::Continue(());
        }
        if self.part.is_wrong(input, message) {
            self.different = Some(input);
            return ControlFlow::Break(());
        }
        self.unclear.push((input, message.to_vec()));
        self.unclear_bytes += message.len();
        if self.unclear_bytes > MAX_UNCLEAR_BYTES {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Part<'_> {
    /// Runs a solution on the inputs.
    pub(super) fn judge(&self, solution: &str, pool: &Pool) -> Result<End, PythonError> {
        let mut first = 0;
        loop {
            let mut outputs = Outputs {
                part: self,
                first,
                unclear: Vec::new(),
                unclear_bytes: 0,
                different: None,
            };
            let answered = self.run(solution, first, &mut outputs, pool)?;
            // The first input that fails counts, as if each were compared at once.
            if let Some(end) = self.compare(&outputs.unclear, pool)? {
                return Ok(end);
            }
            if let Some(input) = outputs.different {
                return Ok((failed(input, DIFFERENT), Some(input)));
            }
            first += answered.count;
            if answered.end == AnswersEnd::Stopped && first < self.limits.len() {
                continue;
            }
            return Ok(end(answered, first));
        }
    }

    /// Whether an output has the bytes of the expected one, and so equals it.
    fn is_right(&self, input: usize, message: &[u8]) -> bool {
        message == self.reference.outputs.get(input)
            && !self.reference.facts.unequal.contains(&input)
            && self.row.task.entry_point != ANY_ZERO
    }

    /// Whether an output is not the expected one, whatever Python would say.
    fn is_wrong(&self, input: usize, message: &[u8]) -> bool {
        let is_exact = self.row.tolerance() == 0.0 && !self.is_after_float(input);
        is_exact && difference::is_certain(message, self.reference.outputs.get(input))
    }

    /// Whether floats have a tolerance, although the task gives none.
    fn is_after_float(&self, input: usize) -> bool {
        let first = self.reference.facts.first_float;
        first.is_some_and(|first| first <= input)
    }

    fn run(
        &self,
        solution: &str,
        first: usize,
        outputs: &mut Outputs<'_>,
        pool: &Pool,
    ) -> Result<Answered, PythonError> {
        let argument = json!({
            "work": "answer", "part": self.name, "solution": solution, "from": first,
        });
        let calls = Calls {
            call: Call {
                harness: self.harness,
                modules: Modules::of_program(solution),
                argument: &argument.to_string(),
                timeout: self.timeout,
                seed: seed_of(&self.row.task.task_id),
            },
            limits: self.limits.get(first..).unwrap_or_default(),
        };
        pool.answer(&calls, outputs)
    }

    /// Compares outputs in a process of Python: how the first one fails that is not as expected.
    fn compare(
        &self,
        outputs: &[(usize, Vec<u8>)],
        pool: &Pool,
    ) -> Result<Option<End>, PythonError> {
        let Some((first, _)) = outputs.first() else {
            return Ok(None);
        };
        let inputs = self.row.inputs(self.name);
        let pairs = outputs.iter().map(|(number, output)| {
            let expected = self.reference.outputs.get(*number);
            // Only a zero of a polynomial is compared by its input. As text, because some integers have more than 64 bits.
            let input = inputs.get(*number).cloned();
            let input = input.filter(|_| self.row.task.entry_point == ANY_ZERO);
            let input = input.and_then(|input| RawValue::from_string(input).ok());
            (
                *number,
                to_base64(output),
                to_base64(expected),
                input,
                self.is_after_float(*number),
            )
        });
        // By `to_string` and not by `json!`, which would round such integers.
        let pairs = serde_json::to_string(&pairs.collect::<Vec<_>>());
        let pairs = pairs.map_err(|error| PythonError::Server {
            reason: error.to_string(),
        })?;
        let fixed = json!({
            "entry_point": self.row.task.entry_point,
            "flavour": self.flavour.name(),
            "tolerance": self.row.tolerance(),
        });
        let fixed = fixed.to_string();
        let argument = format!(
            "{},\"pairs\":{pairs}}}",
            fixed.strip_suffix('}').unwrap_or(&fixed)
        );
        let call = Call {
            harness: &CHECKER,
            modules: Modules::Standard,
            argument: &argument,
            timeout: self.timeout,
            seed: 0,
        };
        Ok(match pool.check(&call)? {
            Reply::Text(text) if text.is_empty() => None,
            Reply::Text(text) => Some(super::end(&text)),
            Reply::Late => Some((Verdict::Timeout, Some(*first))),
            Reply::Killed => Some((Verdict::KILLED, Some(*first))),
        })
    }
}

static CHECKER: Harness = Harness {
    key: String::new(),
    code: super::HARNESS,
    data: String::new(),
};

/// The end of a solution that has answered all inputs before `input` rightly.
fn end(answered: Answered, input: usize) -> End {
    match answered.end {
        AnswersEnd::Complete | AnswersEnd::Stopped => (Verdict::Pass, None),
        AnswersEnd::TooLong => {
            let reason = "returned far more than is expected";
            (failed(input, reason), Some(input))
        }
        AnswersEnd::Raised { verdict, .. } if !answered.is_loaded => (verdict, None),
        AnswersEnd::Raised { verdict, .. } => (failed(input, &text_of(&verdict)), Some(input)),
        AnswersEnd::Ended(verdict) => (verdict, answered.is_loaded.then_some(input)),
    }
}

/// The text of an exception.
fn text_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Assertion { exception, message } | Verdict::Error { exception, message } => {
            format!("{exception}: {message}")
        }
        other => other.to_string(),
    }
}
