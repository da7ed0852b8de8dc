//! Evaluations change nothing in a training, whether it is killed or not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::Path, thread, time::Duration};

use recode::{
    disk::JsonLines,
    seed::stream,
    train::{EvaluationRecord, StepRecord},
};
use serde_json::Value as Json;

use crate::kill_training::{SETTINGS, Trace, finish, prepare, start, wait};

/// Twelve steps with evaluations after 5, 10 and 12, and checkpoints after 3, 6, 9, 12 and the
/// best.
const STEPS: &str = "train.max_steps=12";
const EVALUATED: &[&str] = &[
    STEPS,
    "train.eval.every=5",
    "train.eval.benchmark=\"mini_general\"",
    "train.eval.limit=4",
    "train.eval.samples=2",
    "train.checkpoint=\"best\"",
    "eval.allow_unsandboxed=true",
];

fn evaluations(job: &Path) -> Vec<EvaluationRecord> {
    JsonLines::read(&job.join("evaluations.jsonl")).unwrap()
}

#[test]
fn a_training_that_is_measured_learns_the_same_and_comes_to_the_same_after_kills() {
    let results = tempfile::tempdir().unwrap();
    let job = |name: &str, more: &[&str]| {
        let settings = [SETTINGS, more].concat();
        prepare(&results.path().join(name), &settings)
    };
    let (plain, measured, killed) = (
        job("plain", &[STEPS]),
        job("measured", EVALUATED),
        job("killed", EVALUATED),
    );
    assert_eq!(measured.file_name(), killed.file_name());
    assert_ne!(measured.file_name(), plain.file_name());

    finish(&plain, 1);
    finish(&measured, 1);

    let (without, with) = (Trace::of(&plain), Trace::of(&measured));
    assert_eq!(with.metrics, without.metrics);
    assert_eq!(with.samples, without.samples);
    assert_eq!(without.evaluations, "");
    let found = evaluations(&measured);
    let steps = found.iter().map(|record| record.step);
    assert_eq!(steps.collect::<Vec<_>>(), [5, 10, 12]);
    for record in &found {
        assert_eq!(record.counts["samples"], 8);
        assert!((record.pass_at_1 - record.passed as f64 / 8.0).abs() < 1e-12);
    }
    // The base model solves nearly all of these tasks, so a judge that fails would be noticed.
    assert!(found.iter().any(|record| record.passed > 4), "{found:?}");

    let mut draw = stream(7, "kill", 0, 0);
    for (kill, goal) in [0, 4, 5, 5, 9, 10, 11].into_iter().enumerate() {
        let mut child = start(&killed, kill + 1);
        let events = format!("tb/events.out.tfevents.{:010}.recode", kill + 1);
        let steps = || {
            let lines: Vec<StepRecord> = JsonLines::read(&killed.join("metrics.jsonl")).unwrap();
            lines.len()
        };
        let is_there = || killed.join(&events).exists() && steps() >= goal;
        wait(&mut child, is_there);
        thread::sleep(Duration::from_millis(100).mul_f64(draw.uniform()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    finish(&killed, 8);

    assert_eq!(Trace::of(&killed), with);
    // The first of the best checkpoints is kept with the last two.
    let most = found.iter().map(|record| record.passed).max();
    let best = found.iter().find(|record| Some(record.passed) == most);
    let folder = killed.join(format!("checkpoints/step_{:06}", best.unwrap().step));
    assert!(folder.is_dir(), "{}", folder.display());
    let outcome: Json = serde_json::from_str(&with.outcome).unwrap();
    let metrics = &outcome["train"]["final_metrics"];
    let last = found.last().unwrap().pass_at_1;
    assert_eq!(metrics["eval.pass@1"].as_f64(), Some(last));
    let kept = fs::read_dir(killed.join("checkpoints")).unwrap();
    assert!(
        kept.filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count()
            <= 3
    );
}
