//! The result of running a solution's tests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sandbox::Verdict;

/// The verdict of a sample that could not be judged, as outcomes name it.
pub const UNJUDGED: &str = "unjudged";

/// The result of running a solution's tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whether the benchmark counts it as solved.
    pub passed: bool,
    /// The verdict of the first test that did not pass; a pass if all passed.
    pub verdict: Verdict,
    /// Other measures of the benchmark, by name (`upass`, `base`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, bool>,
    /// The verdicts of each run by its name, with a letter for each test ([`Verdict::letter`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tests: BTreeMap<String, String>,
    /// The number of the input that did not pass, by the name of the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_inputs: BTreeMap<String, usize>,
}

impl Judgement {
    /// The judgement of a run of tests that must all pass.
    pub fn of_tests(run: &str, verdicts: &[Verdict]) -> Self {
        let failed = verdicts.iter().find(|verdict| !verdict.is_pass());
        Self {
            passed: failed.is_none(),
            verdict: failed.cloned().unwrap_or(Verdict::Pass),
            measures: BTreeMap::new(),
            tests: BTreeMap::from([(run.to_owned(), letters(verdicts))]),
            failed_inputs: BTreeMap::new(),
        }
    }

    /// Whether another run would give the same result: a busy machine can cause timeouts and crashes.
    pub fn is_lasting(&self) -> bool {
        let may_pass_elsewhere = |letters: &String| letters.contains(['T', 'D']);
        !matches!(self.verdict, Verdict::Timeout | Verdict::Died { .. })
            && !self.tests.values().any(may_pass_elsewhere)
    }

    /// The judgement of a completion without code.
    pub fn of_no_code() -> Self {
        let exception = "NoCode".to_owned();
        let message = "the completion holds no code".to_owned();
        let verdict = Verdict::Error { exception, message };
        Self {
            passed: false,
            verdict,
            measures: BTreeMap::new(),
            tests: BTreeMap::new(),
            failed_inputs: BTreeMap::new(),
        }
    }
}

/// A letter for each test.
pub(super) fn letters(verdicts: &[Verdict]) -> String {
    verdicts.iter().map(Verdict::letter).collect()
}
