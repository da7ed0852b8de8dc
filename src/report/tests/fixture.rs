//! A small made-up table: three methods on one benchmark.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    eval::{EvalOutcome, TaskOutcome},
    plan::JobId,
    report::{
        paper::Subject,
        sheet::{Found, Run, Sheet, SheetRow},
    },
    spec::{Column, Show},
};

/// Eight tasks of four groups with two samples each: so many of them pass, from the first on.
pub(in crate::report) fn outcome(passed: &[usize]) -> Found {
    let task = |(index, passed): (usize, &usize)| TaskOutcome {
        task_id: format!("arena/{index}"),
        group: Some(format!("update/{}", index / 2)),
        kind: None,
        passed: vec![*passed > 0, *passed > 1],
        verdicts: Vec::new(),
        measures: std::collections::BTreeMap::new(),
    };
    Found::Done(EvalOutcome {
        benchmark: "code_update_arena".into(),
        tasks: passed.iter().enumerate().map(task).collect(),
        metrics: BTreeMap::new(),
        counts: BTreeMap::new(),
        samples_digest: Digest::of_bytes(format!("{passed:?}").as_bytes()),
        warnings: Vec::new(),
    })
}

pub(in crate::report) fn row(method: &str, found: Vec<Found>) -> SheetRow {
    let run = |(index, found): (usize, Found)| Run {
        job: JobId(format!("eval-{method}{index}")),
        seed: 42 + index as u64,
        found,
        warnings: Vec::new(),
    };
    let runs = found.into_iter().enumerate().map(run).collect();
    SheetRow {
        labels: vec![method.to_owned()],
        subject: Subject {
            model: "qwen2.5-coder-7b-instruct".into(),
            method: method.to_owned(),
            reward: (method == "grpo").then(|| "es_star".to_owned()),
        },
        is_baseline: method == "untrained",
        baseline: (method != "untrained").then_some(0),
        target_log_probs: BTreeMap::new(),
        runs: BTreeMap::from([("code_update_arena".to_owned(), runs)]),
    }
}

pub(in crate::report) fn sheet(show: Show, rows: Vec<SheetRow>) -> Sheet {
    let column = |pass_at| Column {
        measure: None,
        benchmark: "code_update_arena".into(),
        pass_at,
    };
    Sheet {
        experiment: "example".into(),
        description: "What a table looks like.".into(),
        axes: vec!["train.algorithm".into()],
        columns: vec![column(1), column(2)],
        show,
        baseline: Some("untrained".into()),
        rows,
    }
}

pub(in crate::report) const WEAK: [usize; 8] = [2, 1, 0, 0, 1, 0, 2, 1];
pub(in crate::report) const GOOD: [usize; 8] = [2, 2, 1, 1, 2, 1, 2, 2];

pub(in crate::report) fn complete() -> Vec<SheetRow> {
    vec![
        row("untrained", vec![outcome(&WEAK)]),
        row("sft", vec![outcome(&[2, 0, 0, 1, 1, 0, 2, 1])]),
        row("grpo", vec![outcome(&GOOD)]),
    ]
}
