//! What a task needs before its solutions can be judged: what the canonical solution returns.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Flavour, Options, PARTS, cache};
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

/// A test may take so many times what the canonical solution takes.
const TIME_FACTOR: f64 = 4.0;
/// All tests of a part together, and what is added to the sum of their limits.
const MOST_SECONDS: f64 = 60.0;
const MORE_SECONDS: f64 = 1.0;

/// The canonical solution may take this long; the slowest takes a few seconds.
pub(super) const REFERENCE_TIMEOUT: Duration = Duration::from_mins(5);
/// What all outputs of a part may amount to, packed; those of HumanEval/15 are the longest.
pub(super) const ANSWER_BYTES: usize = 1 << 28;

/// A task, with what it takes to judge it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) task: HumanEvalTask,
    plus: PlusInputs,
    /// Made when the task is first judged.
    prepared: Mutex<Option<Arc<Prepared>>>,
}

/// What servers need to judge solutions of one task.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Knows the inputs and what must be returned.
    pub(super) judge: Harness,
    /// Knows the inputs alone.
    pub(super) candidate: Harness,
    pub(super) timeouts: BTreeMap<&'static str, Duration>,
}

/// What the canonical solution returns for a part, and how long each input takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reference {
    /// Packed by the harness.
    outputs: String,
    seconds: Vec<f64>,
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

    /// The data of a harness as JSON text: inputs keep the digits that the file gives them.
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
        // Held while the canonical solution runs: who needs the same task waits for it.
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = &*prepared {
            return Ok(Arc::clone(prepared));
        }
        let references = self.references(pool)?;
        let made = Arc::new(self.prepared(options, &references));
        *prepared = Some(Arc::clone(&made));
        Ok(made)
    }

    fn prepared(&self, options: &Options, references: &BTreeMap<String, Reference>) -> Prepared {
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
        // What is expected follows from the inputs and the canonical solution; it is long.
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

    /// What the canonical solution returns, from the last time if there was one.
    fn references(&self, pool: &Pool) -> Result<BTreeMap<String, Reference>, PythonError> {
        let harness = harness(self.data(&json!({})));
        let canonical = self.canonical();
        let key = Digest::of_json(&(&harness.key, &canonical, &pool.interpreter().version));
        if let Some(known) = cache::read(&key) {
            return Ok(known);
        }
        let mut references = BTreeMap::new();
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
    /// What a test may always take.
    fn least_time(self) -> Duration {
        match self {
            Self::Tip => Duration::from_secs(4),
            Self::V0_3_1 => Duration::from_secs(1),
        }
    }
}
