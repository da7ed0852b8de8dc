//! Whether the files of a job folder are those that its job has written.

use std::{fs, path::Path};

use super::JobDir;
use crate::{
    digest::Digest,
    disk::JsonLines,
    eval::{EvalOutcome, SampleRecord},
    plan::{Job, RECIPE_VERSION},
    results::{Finding, Outcome, TrainOutcome, in_words, seal},
};

/// A file that an earlier version has written without a seal, or from which somebody has taken it.
const NO_SEAL: &str = "has no seal, so that its bytes cannot be checked";

impl JobDir {
    /// Compares the files of the folder with all digests that the folder has of them. Nothing is run, and nothing
    /// is written.
    pub fn integrity(&self) -> Vec<Finding> {
        if !self.path().is_dir() {
            return vec![Finding::unchecked(self.id(), "its folder is not here")];
        }
        let mut findings = self.job_integrity();
        let outcome = match self.sealed_outcome() {
            Ok(outcome) => outcome,
            Err(finding) => {
                findings.push(finding);
                return findings;
            }
        };
        let id = self.id();
        findings.push(if has_seal(&self.outcome_path()) {
            Finding::same(&id, "`outcome.json` is what its seal says")
        } else {
            Finding::unchecked(&id, format!("`outcome.json` {NO_SEAL}"))
        });
        findings.extend(self.log_integrity());
        findings.push(match &outcome {
            Outcome::Eval(outcome) => self.samples_integrity(outcome),
            Outcome::Train(outcome) => self.model_integrity(outcome),
        });
        findings
    }

    /// The job's description, its name and what was hashed for it.
    fn job_integrity(&self) -> Vec<Finding> {
        let id = self.id();
        let job = match self.job() {
            Ok(Some(job)) => job,
            Ok(None) => return vec![Finding::unchecked(&id, "there is no `job.json`")],
            Err(error) => return vec![Finding::differs(&id, in_words(&error))],
        };
        let mut findings = Vec::new();
        if !has_seal(&self.job_path()) {
            findings.push(Finding::unchecked(&id, format!("`job.json` {NO_SEAL}")));
        }
        let identity = match self.identity() {
            Ok(Some(identity)) => identity,
            Ok(None) => {
                findings.push(Finding::unchecked(&id, "there is no `identity.json`"));
                return findings;
            }
            Err(error) => {
                findings.push(Finding::differs(&id, in_words(&error)));
                return findings;
            }
        };
        let digits = id.0.rsplit('-').next().unwrap_or_default();
        let recipe = identity.get("recipe").and_then(serde_json::Value::as_u64);
        findings.push(if Digest::of_json(&identity).short() != digits {
            Finding::differs(
                &id,
                "`identity.json` is not what the job's name was made of",
            )
        } else if recipe != Some(u64::from(RECIPE_VERSION)) {
            let recipe = recipe.map_or_else(|| "another".to_owned(), |recipe| recipe.to_string());
            Finding::unchecked(
                &id,
                format!(
                    "its settings are of recipe {recipe}, and this program has {RECIPE_VERSION}"
                ),
            )
        } else if Job::new(job.work).identity != identity {
            Finding::differs(&id, "`job.json` has other settings than `identity.json`")
        } else {
            Finding::same(&id, "its settings are those that its name was made of")
        });
        findings
    }

    fn sealed_outcome(&self) -> Result<Outcome, Finding> {
        let id = self.id();
        match crate::results::json::read_sealed(&self.outcome_path(), &id) {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => Err(Finding::unchecked(&id, "it has no outcome: it is not done")),
            Err(error) => Err(Finding::differs(&id, in_words(&error))),
        }
    }

    /// The logs against their digests in the provenance.
    fn log_integrity(&self) -> Vec<Finding> {
        let id = self.id();
        let attempts = self.provenance().attempts;
        let recorded = attempts.iter().rev().find(|one| !one.logs.is_empty());
        let Some(recorded) = recorded else {
            let what = "`provenance.json` has no digests of its logs, or is damaged";
            return vec![Finding::unchecked(&id, what)];
        };
        let changed = self.changed_logs();
        if changed.is_empty() {
            let names: Vec<&str> = recorded.logs.keys().map(String::as_str).collect();
            let what = format!("{} as when the job ended", names.join(", "));
            return vec![Finding::same(&id, what)];
        }
        let log = |log: &super::ChangedLog| Finding::differs(&id, log.to_string());
        changed.iter().map(log).collect()
    }

    /// The outcome against the judged samples that it was made of.
    fn samples_integrity(&self, outcome: &EvalOutcome) -> Finding {
        let (id, path) = (self.id(), self.samples());
        if !path.exists() {
            return Finding::unchecked(&id, "there is no `samples.jsonl`");
        }
        match JsonLines::read::<SampleRecord>(&path) {
            Err(error) => Finding::differs(&id, in_words(&error)),
            Ok(samples) => {
                let count = samples.len();
                match outcome.contradiction(samples) {
                    None => Finding::same(
                        &id,
                        format!("its results follow from its {count} judged samples"),
                    ),
                    Some(what) => Finding::differs(&id, what),
                }
            }
        }
    }

    /// The trained model against the outcome, read whole.
    fn model_integrity(&self, outcome: &TrainOutcome) -> Finding {
        let (id, folder) = (self.id(), self.model());
        if !folder.is_dir() {
            return Finding::unchecked(&id, "its `model/` is not here");
        }
        match Digest::of_folder(&folder) {
            Err(error) => Finding::unchecked(&id, format!("cannot read its `model/`: {error}")),
            Ok(digest) if digest == outcome.model_digest => {
                Finding::same(&id, "`model/` is the model of the outcome")
            }
            Ok(_) => Finding::differs(&id, "`model/` is not the model of the outcome"),
        }
    }
}

/// Whether a file ends with a seal, right or wrong.
fn has_seal(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| seal::is_sealed(&bytes))
}
