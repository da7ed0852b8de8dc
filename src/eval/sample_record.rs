//! A line of `samples.jsonl`: a completion and its judgement.

use serde::{Deserialize, Serialize};

use super::{
    EvalError,
    judgement::{Judgement, UNJUDGED},
};

/// One completion and its judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// The number of its chunk. The completions of a chunk are generated as one batch, and a resumed
    /// evaluation repeats a chunk that is not complete. Each completion of a remote model is a chunk.
    #[serde(rename = "step")]
    pub chunk: usize,
    /// The task.
    pub task_id: String,
    /// The number of this completion among those of the task, from 0.
    pub index: usize,
    /// The text.
    pub completion: String,
    /// The number of tokens; 0 if a remote server does not report it.
    pub tokens: usize,
    /// The number of tokens in the prompt, if a remote server reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<usize>,
    /// Whether it was cut off at the token limit.
    pub is_truncated: bool,
    /// The judgement; none if judging failed.
    pub judgement: Option<Judgement>,
    /// Why judging failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl SampleRecord {
    /// The same record with the result of judging its completion.
    pub(super) fn judged(mut self, result: Result<Judgement, EvalError>) -> Self {
        match result {
            Ok(judgement) => self.judgement = Some(judgement),
            Err(error) => self.error = Some(error.to_string()),
        }
        self
    }

    /// Whether the completion solves its task.
    pub fn has_passed(&self) -> bool {
        let judgement = self.judgement.as_ref();
        judgement.is_some_and(|judgement| judgement.passed)
    }

    /// Whether it counts as passed exactly if its verdict is a pass, as every benchmark judges.
    pub(super) fn is_consistent(&self) -> bool {
        let judgement = self.judgement.as_ref();
        judgement.is_none_or(|judgement| judgement.passed == judgement.verdict.is_pass())
    }

    /// Whether a measure of the benchmark holds.
    pub(super) fn has(&self, measure: &str) -> bool {
        let judgement = self.judgement.as_ref();
        judgement.is_some_and(|judgement| judgement.measures.get(measure) == Some(&true))
    }

    /// The name of its verdict, or [`UNJUDGED`].
    pub(super) fn verdict(&self) -> &'static str {
        let judgement = self.judgement.as_ref();
        judgement.map_or(UNJUDGED, |judgement| judgement.verdict.name())
    }
}
