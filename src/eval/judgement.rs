//! What a judge says of one solution.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sandbox::Verdict;

/// What a judge says of one solution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whether the benchmark counts it as solved.
    pub passed: bool,
    /// How the first test ended that did not pass; a pass if there is none.
    pub verdict: Verdict,
    /// What the benchmark counts besides, by name (`upass`, `base`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measures: BTreeMap<String, bool>,
    /// How each test ended, by the name of the run and a letter a test ([`Verdict::letter`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tests: BTreeMap<String, String>,
    /// The number of the input that did not pass, by the name of the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed_inputs: BTreeMap<String, usize>,
}

impl Judgement {
    /// The judgement of one run of some tests that must all pass.
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

    /// Whether another run would come to the same: a timeout or a death may be the machine's doing.
    pub fn is_lasting(&self) -> bool {
        let may_pass_elsewhere = |letters: &String| letters.contains(['T', 'D']);
        !matches!(self.verdict, Verdict::Timeout | Verdict::Died { .. })
            && !self.tests.values().any(may_pass_elsewhere)
    }

    /// The judgement of a completion in which there is no code.
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

/// One letter a test.
pub(super) fn letters(verdicts: &[Verdict]) -> String {
    verdicts.iter().map(Verdict::letter).collect()
}
