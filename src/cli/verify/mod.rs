//! `recode verify`: whether a table or a pack is what its jobs have computed.

mod made_again;
mod of_pack;
mod subject;

use std::{collections::BTreeSet, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{
    exit::{Exit, Failure},
    output::{self, count},
};
use crate::{
    results::{Agreement, Finding, JobDir},
    seed,
    train::inspect_checkpoints,
    worker::{replay_training, replay_verdicts},
};

use subject::Subject;

/// Arguments of `recode verify`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A `table.json`, the folder of a table, or a pack
    subject: PathBuf,
    /// How many cells of the table are chosen to replay parts of their jobs
    #[arg(long, value_name = "N", default_value_t = 2)]
    cells: usize,
    /// How many steps of each chosen training are taken again
    #[arg(long, value_name = "M", default_value_t = 2)]
    steps: usize,
    /// How many samples of each chosen evaluation are judged again
    #[arg(long, value_name = "N", default_value_t = 20)]
    verdicts: usize,
    /// Chooses cells, steps and samples; another seed chooses others
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The digest that was published with a pack
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// All findings, as `--json` prints them.
#[derive(Serialize)]
struct Report<'a> {
    findings: &'a [Finding],
    same: usize,
    differs: usize,
    unchecked: usize,
}

/// Runs `recode verify`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let subject = Subject::open(&arguments.subject, arguments.digest.as_deref())?;
    let mut findings = subject.findings.clone();
    let jobs = subject.jobs();
    for id in &jobs {
        let dir = subject.store.job_dir(id);
        findings.extend(dir.integrity());
        findings.extend(checkpoints(&dir));
    }
    findings.extend(replays(&subject, arguments)?);
    let number = |agreement| {
        let of = findings.iter().filter(|one| one.agreement == agreement);
        of.count()
    };
    let report = Report {
        findings: &findings,
        same: number(Agreement::Same),
        differs: number(Agreement::Differs),
        unchecked: number(Agreement::Unchecked),
    };
    if arguments.json {
        let text = serde_json::to_string_pretty(&report);
        output::result(&text.map_err(|error| Failure::new(Exit::Bug, &error))?);
    } else {
        output::result(&text(&report, jobs.len()));
    }
    Ok(match (report.differs, report.unchecked) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Missing,
        _ => Exit::JobFailed,
    })
}

fn text(report: &Report<'_>, jobs: usize) -> String {
    let mut lines = Vec::new();
    for agreement in [Agreement::Same, Agreement::Unchecked, Agreement::Differs] {
        let of = report
            .findings
            .iter()
            .filter(|one| one.agreement == agreement);
        lines.extend(of.map(|one| {
            let word = match agreement {
                Agreement::Same => "same",
                Agreement::Unchecked => "not checked",
                Agreement::Differs => "DIFFERS",
            };
            format!(
                "{word:11}  {:14}  {}",
                plain(&one.subject),
                plain(&one.what)
            )
        }));
    }
    lines.push(format!(
        "{}: {} checks agree, {} could not be made, {} differ",
        count(jobs, "job"),
        report.same,
        report.unchecked,
        report.differs
    ));
    lines.join("\n")
}

/// A text of a pack of somebody else, without what a terminal would obey.
fn plain(text: &str) -> String {
    let letter = |letter: char| if letter.is_control() { '?' } else { letter };
    text.chars().map(letter).collect()
}

/// The checkpoints of a training against their manifests.
fn checkpoints(dir: &JobDir) -> Vec<Finding> {
    let found = inspect_checkpoints(&dir.checkpoints());
    let sound = found.values().filter(|problem| problem.is_none()).count();
    let id = dir.id();
    let mut findings = Vec::new();
    for (step, problem) in &found {
        if let Some(problem) = problem {
            let what = format!("the checkpoint of step {step} is not what was written: {problem}");
            findings.push(Finding::differs(&id, what));
        }
    }
    if sound > 0 {
        let what = format!("{} as written", count(sound, "checkpoint"));
        findings.push(Finding::same(&id, what));
    }
    findings
}

/// Parts of the jobs of random cells, done again.
fn replays(subject: &Subject, arguments: &Arguments) -> Result<Vec<Finding>, Failure> {
    if arguments.cells == 0 {
        return Ok(Vec::new());
    }
    let mut cells = subject.cells.clone();
    let mut random = seed::stream(arguments.seed, "verify", 0, 0);
    let scratch = tempfile::tempdir().map_err(|error| Failure::new(Exit::Missing, &error))?;
    let mut done = BTreeSet::new();
    let mut findings = Vec::new();
    for index in 0..arguments.cells {
        if cells.is_empty() {
            break;
        }
        let jobs = cells.swap_remove(random.below(cells.len()));
        let Some(eval) = jobs.get(random.below(jobs.len())) else {
            continue;
        };
        let stream = |purpose| seed::stream(arguments.seed, purpose, index as u64, 1);
        let dir = subject.store.job_dir(eval);
        if arguments.verdicts > 0 && done.insert(eval.clone()) {
            findings.extend(replay_verdicts(
                &dir,
                &subject.elsewhere,
                arguments.verdicts,
                scratch.path(),
                stream("verify verdicts"),
            ));
        }
        for training in subject.trainings(eval) {
            if arguments.steps > 0 && done.insert(training.clone()) {
                findings.extend(replay_training(
                    &subject.store.job_dir(&training),
                    &subject.elsewhere,
                    arguments.steps,
                    scratch.path(),
                    stream("verify steps"),
                ));
            }
        }
    }
    if findings.is_empty() && (arguments.steps > 0 || arguments.verdicts > 0) {
        let what = "no job of its cells could be replayed";
        findings.push(Finding::unchecked("table", what));
    }
    Ok(findings)
}
