//! What `sbatch` is given: options, and a script of bash.

use std::path::Path;

use super::{JOB_NAME, arrays::Shape};
use crate::spec::{Needs, SlurmSettings};

/// The options of all our jobs: what they are called, and what they need.
pub(super) fn options(
    settings: &SlurmSettings,
    needs: &Needs,
    shape: Option<&Shape>,
    comment: &str,
    log: &Path,
) -> Vec<String> {
    let nodes = shape.map_or(1, |shape| shape.nodes);
    let mut options = vec![
        format!("--job-name={JOB_NAME}"),
        format!("--comment={comment}"),
        format!("--output={}", log.display()),
        // A task that goes back into the queue keeps what it has said before.
        "--open-mode=append".to_owned(),
        format!("--nodes={nodes}"),
        format!("--ntasks={nodes}"),
        "--ntasks-per-node=1".to_owned(),
        // A task whose training failed would wait for ever.
        "--kill-on-invalid-dep=yes".to_owned(),
    ];
    let named = [
        ("partition", &settings.partition),
        ("account", &settings.account),
        ("qos", &settings.qos),
        ("constraint", &settings.constraint),
    ];
    for (name, value) in named {
        options.extend(value.as_ref().map(|value| format!("--{name}={value}")));
    }
    if let Some(shape) = shape {
        options.push("--requeue".to_owned());
        options.push(format!("--cpus-per-task={}", needs.cpus));
        // To the processes of the task, which is a step of `srun`, and not to the script.
        let seconds = settings.stop_before.seconds();
        options.push(format!("--signal=USR1@{seconds}"));
        if shape.gpus > 0 {
            let gres = settings.gres.clone();
            let gres = gres.unwrap_or_else(|| format!("gpu:{}", shape.gpus));
            options.push(format!("--gres={gres}"));
        }
        if let Some(memory) = needs.memory {
            options.push(format!("--mem={}M", memory.bytes().div_ceil(1 << 20)));
        }
        if let Some(time) = needs.time {
            options.push(format!("--time={}", time.minutes()));
        }
    }
    options.extend(settings.options.iter().flatten().cloned());
    options
}

/// A script that prepares a node and then becomes a program.
///
/// `srun` makes a step of the program, because a job that is preempted or cancelled has its steps asked to end at
/// once, and its script at the very end. A step does not inherit the processors of its job in all versions. It runs on
/// the first node of the job; a program that needs the others starts steps there.
pub(super) fn script(settings: &SlurmSettings, cpus: Option<u32>, program: &[String]) -> String {
    let mut lines = vec!["#!/bin/bash".to_owned(), "set -e".to_owned()];
    lines.extend(settings.setup.iter().flatten().cloned());
    let words: Vec<String> = program.iter().map(|word| quoted(word)).collect();
    let srun = cpus.map_or_else(String::new, |cpus| {
        format!(
            "srun --nodes=1 --ntasks=1 --relative=0 --cpus-per-task={cpus} --kill-on-bad-exit=0 "
        )
    });
    lines.push(format!("exec {srun}{}", words.join(" ")));
    lines.push(String::new());
    lines.join("\n")
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
