//! The file that `recode judge` writes.

use std::{
    io::{self, Write as _},
    path::Path,
};

use serde_json::{Value, json};

use super::{
    session::{Outcome, Session},
    summary::Truncated,
};
use crate::{
    cli::{exit::Failure, out_file::cannot_write},
    digest::Digest,
    disk::{
        Timestamp,
        atomic::{self, Flush},
    },
    eval::{Tally, evalplus_results},
};

/// The results of all samples.
pub(super) struct Report<'a> {
    session: &'a Session<'a>,
    judged: &'a [Outcome],
    pub(super) tally: Tally,
    pub(super) truncated: Option<Truncated>,
}

impl<'a> Report<'a> {
    /// A report on the session's samples, each with its outcome.
    pub(super) fn new(session: &'a Session<'a>, judged: &'a [Outcome]) -> Self {
        let pairs: Vec<_> = session
            .samples
            .iter()
            .zip(judged)
            .map(|(sample, outcome)| (sample.task, outcome.as_ref().ok()))
            .collect();
        Self {
            session,
            judged,
            tally: Tally::new(session.benchmark.tasks().len(), &pairs),
            truncated: Truncated::count(session.samples, judged),
        }
    }

    /// The summary, as `--json` prints it.
    pub(super) fn summary(&self) -> Value {
        let mut summary = json!({
            "benchmark": self.session.benchmark.name(),
            "python": self.session.pool.interpreter().version,
            "libraries": self.session.libraries,
            "sandbox": self.session.pool.safeguards().to_string(),
            "summary": self.tally,
            "truncated": self.truncated,
        });
        let bad: Vec<Value> = self
            .session
            .bad_lines
            .0
            .iter()
            .map(|line| json!({ "line": line.number, "reason": line.reason }))
            .collect();
        if !bad.is_empty() {
            summary["bad_lines"] = json!(bad);
        }
        summary
    }

    /// Writes the result file, in EvalPlus's format if the benchmark has one.
    pub(super) fn write(&self, path: &Path, is_evalplus: bool) -> Result<(), Failure> {
        let file = if is_evalplus {
            self.evalplus_file()
        } else {
            self.file()
        };
        write_json(path, &file)
    }

    /// EvalPlus's own result file, with our summary added.
    fn evalplus_file(&self) -> Value {
        let outcomes = self.judged.iter().map(|outcome| outcome.as_ref().ok());
        let pairs: Vec<_> = self.session.samples.iter().zip(outcomes).collect();
        let hash = Digest::of_file(self.session.data);
        let hash = hash.as_ref().map_or("", Digest::as_str);
        let date = Timestamp::now().date_and_time();
        let made = (date.as_str(), hash);
        let mut file = evalplus_results(self.session.benchmark, &pairs, &self.tally, made);
        file["recode"] = self.summary();
        file
    }

    /// The summary and an object for each sample.
    fn file(&self) -> Value {
        let samples: Vec<Value> = self
            .session
            .samples
            .iter()
            .zip(self.judged)
            .map(|(sample, outcome)| {
                let task = &self.session.benchmark.tasks()[sample.task].id;
                let mut line = match outcome {
                    Ok(judgement) => {
                        let mut line = json!(judgement);
                        flatten_verdict(&mut line);
                        line
                    }
                    Err(failure) => json!({ "passed": false, "failure": failure }),
                };
                line["task_id"] = json!(task);
                if let Some(is_truncated) = sample.is_truncated {
                    line["is_truncated"] = json!(is_truncated);
                }
                line
            })
            .collect();
        let mut file = self.summary();
        file["samples"] = json!(samples);
        file
    }
}

/// Moves the verdict's name and its details to the top level, where readers expect them.
fn flatten_verdict(line: &mut Value) {
    let Some(Value::Object(verdict)) = line.get_mut("verdict").map(Value::take) else {
        return;
    };
    for (key, value) in verdict {
        line[key] = value;
    }
}

fn write_json(path: &Path, value: &Value) -> Result<(), Failure> {
    let written = atomic::write_with(path, Flush::Now, |file| {
        let mut file = io::BufWriter::new(file);
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        file.flush()
    });
    written.map_err(|error| cannot_write(path, &error))
}
