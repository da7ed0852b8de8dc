//! The preparation of a task: the outputs of its canonical solution, and the time limits that follow
//! from how long they take.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use flate2::{Compression, write::ZlibEncoder};
use serde_json::json;

use super::{
    Flavour, Options, PARTS, cache,
    reference::{Facts, Reference, References},
};
use crate::{
    data::{HumanEvalTask, PlusInputs},
    digest::Digest,
    eval::benchmark::{
        messages::{HEADER_BYTES, Messages, to_base64},
        seed_of,
    },
    sandbox::{Answers, AnswersEnd, Call, Calls, Harness, Modules, Pool, PythonError},
};

pub(super) const HARNESS: &str = concat!(
    include_str!("../plain.py"),
    "\n",
    include_str!("harness.py")
);

/// How many times as long as the canonical solution a test may take.
const TIME_FACTOR: f64 = 4.0;
/// The longest time for all tests of a part, and what is added to the sum of their limits.
const MOST_SECONDS: f64 = 60.0;
const MORE_SECONDS: f64 = 1.0;

/// The time limit of a canonical solution; the slowest takes a few seconds.
const REFERENCE_TIMEOUT: Duration = Duration::from_mins(5);
/// The most bytes of all outputs of a canonical solution for a part; the most are 147 MB, of HumanEval/15.
const REFERENCE_BYTES: usize = 1 << 28;
/// The tag and the length of a text, before it.
const TEXT_BYTES: usize = 5;

/// A task with its inputs, and what is needed to judge its solutions.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) task: HumanEvalTask,
    plus: PlusInputs,
    /// Computed when the task is first judged, and again if it was not judged for a while.
    prepared: Mutex<Weak<Prepared>>,
}

/// The harness, outputs and limits with which solutions of one task are judged.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Has the inputs, and where it compares values itself, the expected outputs and the limits.
    pub(super) harness: Harness,
    pub(super) references: References,
    /// The time limit of each input.
    pub(super) limits: BTreeMap<&'static str, Vec<Duration>>,
    /// The time limit of all inputs.
    pub(super) timeouts: BTreeMap<&'static str, Duration>,
}

/// The outputs of a canonical solution.
#[derive(Default)]
struct Outputs(Messages);

impl Answers for Outputs {
    fn restart(&mut self) {
        self.0.clear();
    }

    fn most_bytes(&self, _: usize) -> usize {
        REFERENCE_BYTES
    }

    fn take(&mut self, _: usize, message: &[u8]) -> ControlFlow<()> {
        self.0.push(message);
        if self.0.bytes().len() > REFERENCE_BYTES {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Row {
    pub(super) fn new(task: HumanEvalTask, plus: PlusInputs) -> Self {
        Self {
            task,
            plus,
            prepared: Mutex::new(Weak::new()),
        }
    }

    /// The absolute tolerance; 0 compares exactly.
    pub(super) fn tolerance(&self) -> f64 {
        self.plus.absolute_tolerance
    }

    pub(super) fn canonical(&self) -> String {
        format!("{}{}", self.task.prompt, self.task.canonical_solution)
    }

    pub(super) fn inputs(&self, part: &str) -> &[String] {
        if part == "base" {
            &self.plus.base_inputs
        } else {
            &self.plus.plus_inputs
        }
    }

    /// The data of a harness as JSON text, in which inputs keep the digits of the benchmark's file.
    fn data(&self, more: &serde_json::Value) -> String {
        let inputs = PARTS.map(|part| format!("\"{part}\":[{}]", self.inputs(part).join(",")));
        let fixed = json!({
            "entry_point": self.task.entry_point,
            "tolerance": self.plus.absolute_tolerance,
        });
        let mut members = vec![format!("\"inputs\":{{{}}}", inputs.join(","))];
        for object in [&fixed, more] {
            for (key, value) in object.as_object().into_iter().flatten() {
                members.push(format!("{}:{value}", json!(key)));
            }
        }
        format!("{{{}}}", members.join(","))
    }

    pub(super) fn prepare(
        &self,
        options: &Options,
        pool: &Pool,
    ) -> Result<Arc<Prepared>, PythonError> {
        // Held while the canonical solution runs: other threads with the same task wait for it.
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = prepared.upgrade() {
            return Ok(prepared);
        }
        let made = Arc::new(self.prepared(options, pool)?);
        *prepared = Arc::downgrade(&made);
        Ok(made)
    }

    fn prepared(&self, options: &Options, pool: &Pool) -> Result<Prepared, PythonError> {
        let inputs = harness(self.data(&json!({})));
        let references = self.references(&inputs, pool)?;
        let least = options
            .timeout
            .unwrap_or(options.flavour.least_time())
            .as_secs_f64();
        let seconds: BTreeMap<&'static str, Vec<f64>> = PARTS
            .into_iter()
            .map(|part| {
                let known = references.get(part).map(|part| &part.facts.seconds);
                let known = known.into_iter().flatten();
                (
                    part,
                    known.map(|known| least.max(TIME_FACTOR * known)).collect(),
                )
            })
            .collect();
        let timeouts = seconds
            .iter()
            .map(|(part, seconds)| {
                let all = seconds.iter().sum::<f64>().min(MOST_SECONDS) + MORE_SECONDS;
                (*part, Duration::from_secs_f64(all))
            })
            .collect();
        let harness = if options.is_in_process {
            self.comparing(options, &inputs, &references, &seconds)?
        } else {
            inputs
        };
        let limits = seconds.into_iter().map(|(part, seconds)| {
            let limits = seconds.into_iter().map(Duration::from_secs_f64);
            (part, limits.collect())
        });
        Ok(Prepared {
            harness,
            references,
            limits: limits.collect(),
            timeouts,
        })
    }

    /// The harness that compares outputs in the solution's process.
    fn comparing(
        &self,
        options: &Options,
        inputs: &Harness,
        references: &References,
        limits: &BTreeMap<&'static str, Vec<f64>>,
    ) -> Result<Harness, PythonError> {
        let expected = references
            .iter()
            .map(|(part, reference)| {
                let outputs = packed(reference.outputs.bytes()).map_err(PythonError::Lost)?;
                Ok((part, to_base64(&outputs)))
            })
            .collect::<Result<BTreeMap<_, _>, PythonError>>()?;
        let flavour = options.flavour.name();
        let more = json!({ "limits": limits, "flavour": flavour, "expected": expected });
        // The expected outputs follow from the inputs and the canonical solution, which are shorter.
        let key = Digest::of_json(&(&inputs.key, self.canonical(), limits, flavour));
        Ok(Harness {
            key: key.to_string(),
            code: HARNESS,
            data: self.data(&more),
        })
    }

    /// The outputs of the canonical solution, from the cache if they are there.
    fn references(&self, harness: &Harness, pool: &Pool) -> Result<References, PythonError> {
        let key = Digest::of_json(&(&harness.key, self.canonical(), &pool.interpreter().version));
        if let Some(known) = cache::read(&key) {
            return Ok(known);
        }
        let mut references = References::new();
        for part in PARTS {
            references.insert(part.to_owned(), self.reference(part, harness, pool)?);
        }
        cache::write(&key, &references);
        Ok(references)
    }

    fn reference(
        &self,
        part: &str,
        harness: &Harness,
        pool: &Pool,
    ) -> Result<Reference, PythonError> {
        let canonical = self.canonical();
        let argument =
            json!({ "work": "reference", "part": part, "solution": canonical, "from": 0 });
        // One more answer is the report.
        let limits = vec![REFERENCE_TIMEOUT; self.inputs(part).len() + 1];
        let calls = Calls {
            call: Call {
                harness,
                modules: Modules::of_program(&canonical),
                argument: &argument.to_string(),
                timeout: REFERENCE_TIMEOUT,
                seed: seed_of(&self.task.task_id),
            },
            limits: &limits,
        };
        let mut outputs = Outputs::default();
        let answered = pool.answer(&calls, &mut outputs)?;
        let mut outputs = outputs.0;
        let facts = match answered.end {
            AnswersEnd::Complete => outputs.pop().and_then(|report| facts(&report)),
            _ => None,
        };
        let Some(facts) = facts else {
            let reason = match answered.end {
                AnswersEnd::Raised { verdict, .. } | AnswersEnd::Ended(verdict) => {
                    format!("the canonical solution ended with `{verdict}`")
                }
                _ => "the canonical solution returns too much".to_owned(),
            };
            return Err(PythonError::Server { reason });
        };
        Ok(Reference { outputs, facts })
    }
}

/// The report of the harness, which is a text in a message.
fn facts(report: &[u8]) -> Option<Facts> {
    serde_json::from_slice(report.get(HEADER_BYTES + TEXT_BYTES..)?).ok()
}

fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes)?;
    packed.finish()
}

fn harness(data: String) -> Harness {
    let key = Digest::of_json(&(HARNESS, &data)).to_string();
    Harness {
        key,
        code: HARNESS,
        data,
    }
}

impl Flavour {
    /// The shortest time limit of a test.
    fn least_time(self) -> Duration {
        match self {
            Self::Tip => Duration::from_secs(4),
            Self::V0_3_1 => Duration::from_secs(1),
        }
    }
}
