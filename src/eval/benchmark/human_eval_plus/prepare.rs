//! The preparation of a task: the outputs of its canonical solution, and the time limits that follow
//! from how long they take.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;

use super::{Flavour, Options, PARTS, cache, reference::References};
use crate::{
    data::{HumanEvalTask, PlusInputs},
    digest::Digest,
    sandbox::{Call, Harness, Modules, Pool, PythonError, Role},
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
pub(super) const REFERENCE_TIMEOUT: Duration = Duration::from_mins(5);
/// The largest size of all outputs of a part, packed; those of HumanEval/15 are the largest.
pub(super) const ANSWER_BYTES: usize = 1 << 28;

/// A task with its inputs, and what is needed to judge its solutions.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) task: HumanEvalTask,
    plus: PlusInputs,
    /// Computed when the task is first judged.
    prepared: Mutex<Option<Arc<Prepared>>>,
}

/// The harnesses and limits with which solutions of one task are judged.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Has the inputs and the expected outputs.
    pub(super) judge: Harness,
    /// Has the inputs only.
    pub(super) candidate: Harness,
    pub(super) timeouts: BTreeMap<&'static str, Duration>,
}

impl Row {
    pub(super) fn new(task: HumanEvalTask, plus: PlusInputs) -> Self {
        Self {
            task,
            plus,
            prepared: Mutex::new(None),
        }
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
        if let Some(prepared) = &*prepared {
            return Ok(Arc::clone(prepared));
        }
        let references = self.references(pool)?;
        let made = Arc::new(self.prepared(options, &references));
        *prepared = Some(Arc::clone(&made));
        Ok(made)
    }

    fn prepared(&self, options: &Options, references: &References) -> Prepared {
        let least = options
            .timeout
            .unwrap_or(options.flavour.least_time())
            .as_secs_f64();
        let limits: BTreeMap<&'static str, Vec<f64>> = PARTS
            .into_iter()
            .map(|part| {
                let seconds = references
                    .get(part)
                    .map_or(&[][..], |reference| &reference.seconds);
                (
                    part,
                    seconds
                        .iter()
                        .map(|seconds| least.max(TIME_FACTOR * seconds))
                        .collect(),
                )
            })
            .collect();
        let timeouts = limits
            .iter()
            .map(|(part, limits)| {
                let all = limits.iter().sum::<f64>().min(MOST_SECONDS) + MORE_SECONDS;
                (*part, Duration::from_secs_f64(all))
            })
            .collect();
        let shared = json!({ "limits": limits, "flavour": options.flavour.name() });
        let candidate = self.data(&shared);
        let outputs = references
            .iter()
            .map(|(part, reference)| format!("\"{part}\":\"{}\"", reference.outputs))
            .collect::<Vec<_>>();
        let judge = format!(
            "{},\"expected\":{{{}}}}}",
            candidate.strip_suffix('}').unwrap_or(&candidate),
            outputs.join(",")
        );
        let candidate = harness(candidate);
        // The expected outputs follow from the inputs and the canonical solution, which are shorter.
        let key = Digest::of_json(&(&candidate.key, self.canonical())).to_string();
        let judge = Harness {
            key,
            code: HARNESS,
            data: judge,
        };
        Prepared {
            judge,
            candidate,
            timeouts,
        }
    }

    /// The outputs of the canonical solution, from the cache if they are there.
    fn references(&self, pool: &Pool) -> Result<References, PythonError> {
        let harness = harness(self.data(&json!({})));
        let canonical = self.canonical();
        let key = Digest::of_json(&(&harness.key, &canonical, &pool.interpreter().version));
        if let Some(known) = cache::read(&key) {
            return Ok(known);
        }
        let mut references = References::new();
        for part in PARTS {
            let argument = json!({ "work": "reference", "part": part, "solution": canonical });
            let call = Call {
                harness: &harness,
                role: Role::Candidate,
                modules: Modules::of_program(&canonical),
                argument: &argument.to_string(),
                timeout: REFERENCE_TIMEOUT,
                answer_bytes: ANSWER_BYTES,
            };
            let (verdict, answer) = pool.call(&call)?;
            let reference = serde_json::from_str(&answer)
                .ok()
                .filter(|_| verdict.is_pass());
            let Some(reference) = reference else {
                let reason = format!("the canonical solution ended with `{verdict}`");
                return Err(PythonError::Server { reason });
            };
            references.insert(part.to_owned(), reference);
        }
        cache::write(&key, &references);
        Ok(references)
    }
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
