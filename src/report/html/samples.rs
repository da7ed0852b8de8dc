//! The completions of evaluations with their verdicts.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    disk::JsonLines,
    eval::SampleRecord,
    results::{JobDir, in_words},
};

use super::prompts::{PromptText, Prompts};

/// The samples of an evaluation by task; empty if its file is gone.
#[derive(Debug, Default)]
pub(super) struct Samples(BTreeMap<String, Vec<SampleRecord>>);

impl Samples {
    /// Reads the samples of a job. A log that is damaged counts as absent, with a warning: the rest of the
    /// page is worth reading without it.
    pub(super) fn read(dir: &JobDir) -> Self {
        let records = JsonLines::read::<SampleRecord>(&dir.samples());
        let records = records.unwrap_or_else(|error| {
            tracing::warn!(
                error = in_words(&error),
                "the report lacks the samples of a job"
            );
            Vec::new()
        });
        let mut samples = Self::default();
        for record in records {
            let task = samples.0.entry(record.task_id.clone()).or_default();
            task.push(record);
        }
        samples
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a page shows of a task.
#[derive(Debug, Serialize)]
pub(super) struct TaskText {
    prompts: Vec<PromptText>,
    target: Option<String>,
    /// By run; nothing for a run without samples of the task.
    runs: Vec<Option<RunText>>,
}

#[derive(Debug, Serialize)]
struct RunText {
    /// The number of its prompt.
    prompt: usize,
    samples: Vec<SampleText>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct SampleText {
    text: String,
    tokens: usize,
    is_truncated: bool,
    /// The output of the test that did not pass.
    message: Option<String>,
    /// A letter for each test of each run of tests.
    tests: Vec<(String, String)>,
    measures: Vec<(String, bool)>,
    /// The first input of each run of tests that did not pass.
    inputs: Vec<(String, String)>,
}

/// The texts of a task in all runs, each with the number of its source of prompts.
pub(super) fn task_text(id: &str, prompts: &Prompts, runs: &[(usize, Samples)]) -> TaskText {
    let run = |(source, samples): &(usize, Samples)| {
        let samples = samples.0.get(id)?;
        let texts = samples.iter();
        Some(RunText {
            prompt: *source,
            samples: texts
                .map(|sample| sample_text(sample, prompts, *source))
                .collect(),
        })
    };
    TaskText {
        prompts: prompts.prompts(id),
        target: prompts.target(id),
        runs: runs.iter().map(run).collect(),
    }
}

fn sample_text(sample: &SampleRecord, prompts: &Prompts, source: usize) -> SampleText {
    let mut text = SampleText {
        text: sample.completion.clone(),
        tokens: sample.tokens,
        is_truncated: sample.is_truncated,
        message: sample.error.clone(),
        tests: Vec::new(),
        measures: Vec::new(),
        inputs: Vec::new(),
    };
    let Some(judgement) = &sample.judgement else {
        return text;
    };
    let verdict = &judgement.verdict;
    text.message = (!verdict.is_pass()).then(|| verdict.to_string());
    text.tests = judgement.tests.clone().into_iter().collect();
    text.measures = judgement.measures.clone().into_iter().collect();
    let inputs = judgement.failed_inputs.iter().map(|(run, position)| {
        let input = prompts.input(source, &sample.task_id, run, *position);
        (
            run.clone(),
            input.unwrap_or_else(|| format!("number {position}")),
        )
    });
    text.inputs = inputs.collect();
    text
}
