//! An outcome for tests that do not read what is in it.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    eval::{EvalOutcome, TaskOutcome},
    results::{Outcome, TrainOutcome},
    train::TargetLogProb,
};

/// What the job of `plan::tests::fixture` might give.
pub(crate) fn outcome() -> Outcome {
    Outcome::Eval(EvalOutcome {
        benchmark: "small_arena".into(),
        tasks: vec![TaskOutcome {
            task_id: "arena/0".into(),
            group: None,
            kind: None,
            passed: vec![true, false],
            verdicts: vec!["passed".into(), "wrong".into()],
            measures: std::collections::BTreeMap::new(),
        }],
        metrics: BTreeMap::from([("pass@1".into(), 0.5)]),
        counts: BTreeMap::from([("passed".into(), 1), ("wrong".into(), 1)]),
        samples_digest: Digest::of_bytes(b""),
        warnings: Vec::new(),
    })
}

/// What a training might give.
pub(crate) fn trained() -> Outcome {
    Outcome::Train(TrainOutcome {
        steps: 1,
        final_metrics: BTreeMap::new(),
        target_log_prob: Some(TargetLogProb {
            mean: -0.5,
            rows: 2,
            tokens: 6,
        }),
        model_digest: Digest::of_bytes(b""),
        adapter: false,
        warnings: Vec::new(),
    })
}
