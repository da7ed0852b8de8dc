//! A job folder in which a file was damaged: the same command finds it, does the job again, or does not need the file.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::kill::{SMALLER, finish};

/// Files of a finished job whose damage changes no figure, and why nobody need be warned.
const HARMLESS: &[(&str, &str)] = &[
    ("attempts/", "what workers printed, for people"),
    (
        "checkpoints/",
        "a finished training has its model; one that goes on compares them with their digests",
    ),
    (
        "identity.json",
        "the plan has it, and compares it if it is whole",
    ),
    (
        "job.json",
        "the plan has it, and writes it again before a job reads it",
    ),
    ("lock", "only the lock that a process holds counts"),
    ("model_stamp", "without it a model is read once more"),
    ("provenance.json", "the history of the job, for people"),
    ("state.json", "a note for people"),
    ("tb/", "a view of `metrics.jsonl`"),
];

/// What may happen to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    /// A bit of a byte at this share of the file.
    Flip(f64),
    /// The end is lost.
    Cut(f64),
    SwapLines,
    RepeatLine,
    LoseLine,
    /// The same file of another job.
    Neighbour,
    Remove,
}

const DAMAGES: &[Damage] = &[
    Damage::Flip(0.02),
    Damage::Flip(0.37),
    Damage::Flip(0.8),
    Damage::Flip(0.99),
    Damage::Cut(0.0),
    Damage::Cut(0.5),
    Damage::Cut(0.999),
    Damage::SwapLines,
    Damage::RepeatLine,
    Damage::LoseLine,
    Damage::Neighbour,
    Damage::Remove,
];

impl Damage {
    /// The bytes of a damaged file, or nothing if the file is gone.
    fn of(self, bytes: &[u8], neighbour: Option<&[u8]>) -> Option<Vec<u8>> {
        let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        let middle = lines.len() / 2;
        let place = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share"
            )]
            let place = (bytes.len() as f64 * share) as usize;
            place.min(bytes.len().saturating_sub(1))
        };
        match self {
            Self::Flip(share) => {
                let mut bytes = bytes.to_vec();
                if let Some(byte) = bytes.get_mut(place(share)) {
                    *byte ^= 1;
                }
                return Some(bytes);
            }
            Self::Cut(share) => return Some(bytes[..place(share)].to_vec()),
            Self::SwapLines if middle > 0 => lines.swap(middle - 1, middle),
            Self::RepeatLine if middle > 0 => lines.insert(middle, lines[middle]),
            Self::LoseLine if middle > 0 => drop(lines.remove(middle)),
            Self::SwapLines | Self::RepeatLine | Self::LoseLine => {}
            Self::Neighbour => return Some(neighbour.unwrap_or(bytes).to_vec()),
            Self::Remove => return None,
        }
        Some(lines.concat())
    }
}

/// The case that a file of a job was damaged.
#[derive(Debug)]
struct Case {
    job: String,
    file: String,
    damage: Damage,
    /// The folders that a person has removed as well, so that their jobs are done again and need the file.
    removed: Vec<String>,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            job,
            file,
            damage,
            removed,
        } = self;
        write!(
            formatter,
            "{damage:?} of {job}/{file} (removed: {removed:?})"
        )
    }
}

fn recode(results: &Path) -> Output {
    let mut recode = Command::new(env!("CARGO_BIN_EXE_recode"));
    recode
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RECODE_RESULTS", results)
        .env_remove("RUST_LOG")
        .args(["run", "experiments/from_scratch.toml"])
        .args(SMALLER.iter().flat_map(|setting| ["--set", setting]));
    recode.output().unwrap()
}

/// The files below a folder, by their paths below it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap();
            (
                path.to_str().unwrap().to_owned(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

/// The results of an undisturbed run.
struct Base {
    files: BTreeMap<String, Vec<u8>>,
    table: String,
}

impl Base {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let table = finish(folder.path());
        Self {
            files: files(folder.path()),
            table,
        }
    }

    /// The jobs whose names begin so.
    fn jobs(&self, kind: &str) -> Vec<String> {
        let outcomes = self
            .files
            .keys()
            .filter_map(|path| path.strip_suffix("/outcome.json"));
        let names = outcomes.filter_map(|path| path.strip_prefix("jobs/"));
        names
            .filter(|name| name.starts_with(kind))
            .map(str::to_owned)
            .collect()
    }

    fn text(&self, job: &str, file: &str) -> String {
        String::from_utf8_lossy(&self.files[&format!("jobs/{job}/{file}")]).into_owned()
    }

    /// The evaluations of the model that a training has made.
    fn evaluations_of(&self, training: &str) -> Vec<String> {
        let mut jobs = self.jobs("eval-");
        jobs.retain(|job| self.text(job, "job.json").contains(training));
        jobs
    }

    /// Writes the results with the damage of a case; false if the damage changes nothing.
    fn damaged(&self, case: &Case, folder: &Path) -> bool {
        let path = format!("jobs/{}/{}", case.job, case.file);
        let kind = case.job.split_once('-').unwrap().0;
        let mut others = self.jobs(kind);
        others.retain(|job| *job != case.job);
        let neighbour = others
            .iter()
            .find_map(|job| self.files.get(&format!("jobs/{job}/{}", case.file)));
        let bytes = &self.files[&path];
        let damaged = case.damage.of(bytes, neighbour.map(Vec::as_slice));
        if damaged.as_ref() == Some(bytes) {
            return false;
        }
        for (name, bytes) in &self.files {
            let is_removed = |job: &String| name.starts_with(&format!("jobs/{job}/"));
            let bytes = if *name == path {
                damaged.as_ref()
            } else {
                Some(bytes)
            };
            let target = folder.join(name);
            if case.removed.iter().any(is_removed) {
                continue;
            }
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            if let Some(bytes) = bytes {
                fs::write(&target, bytes).unwrap();
            }
        }
        true
    }

    /// What is wrong with the program's answer to a case.
    fn verdict(&self, case: &Case) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        if !self.damaged(case, folder.path()) {
            return Ok(());
        }
        let output = recode(folder.path());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = PathBuf::from(&case.file);
        let file = last.file_name().unwrap().to_str().unwrap();
        // A training's model is one thing, whichever of its files it is.
        let is_model = case.file.starts_with("model/");
        let names = |text: &str| {
            let is_named = |line: &&str| {
                line.contains(file) || (is_model && line.contains("/model` has changed"))
            };
            let lines = text.lines().filter(is_named);
            lines.filter(|line| line.contains(&case.job)).count() > 0
        };
        let after = files(folder.path());
        let attempts = |files: &BTreeMap<String, Vec<u8>>| {
            let of = |name: &&String| {
                name.starts_with(&format!("jobs/{}/attempts/", case.job))
                    && name.ends_with("/stderr.log")
            };
            files.keys().filter(of).count()
        };
        let outcome = format!("jobs/{}/outcome.json", case.job);
        let is_same = after.get(&outcome) == self.files.get(&outcome);
        let is_again = attempts(&after) > attempts(&self.files) && is_same;
        let is_harmless = HARMLESS
            .iter()
            .any(|(start, _)| case.file.starts_with(start));
        let failed = !output.status.success();
        if (table != self.table || failed) && !names(&said) && !names(&table) {
            return Err(format!(
                "{case}: other results, and no word about the file\n{said}{table}"
            ));
        }
        if !(names(&said) || names(&table) || is_again || is_harmless) {
            return Err(format!("{case}: silent\n{said}"));
        }
        Ok(())
    }
}

/// All cases, or every so many of them.
fn check(base: &Base, cases: &[Case], every: usize) {
    let every = if env::var_os("RECODE_DAMAGE_ALL").is_some() {
        1
    } else {
        every
    };
    let chosen: Vec<&Case> = cases.iter().step_by(every).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(case) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(reason) = base.verdict(case) {
                        wrong.lock().unwrap().push(reason);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        chosen.len(),
        wrong.join("\n")
    );
}

/// Damages of the files of a job whose names `is_meant` accepts.
fn cases(base: &Base, job: &str, removed: &[String], is_meant: impl Fn(&str) -> bool) -> Vec<Case> {
    let prefix = format!("jobs/{job}/");
    let names = base
        .files
        .keys()
        .filter_map(|path| path.strip_prefix(&prefix));
    names
        .filter(|name| is_meant(name))
        .flat_map(|file| {
            DAMAGES.iter().map(move |damage| Case {
                job: job.to_owned(),
                file: file.to_owned(),
                damage: *damage,
                removed: removed.to_vec(),
            })
        })
        .collect()
}

#[test]
fn damage_to_a_finished_job_is_found_or_harmless() {
    let base = Base::make();
    let (training, evaluation) = (base.jobs("train-").remove(0), base.jobs("eval-").remove(0));
    let is_harmless = |name: &str| HARMLESS.iter().any(|(start, _)| name.starts_with(start));
    let is_model = |name: &str| name.starts_with("model/");

    // Files that the table is made of.
    for job in [&training, &evaluation] {
        let meant = cases(&base, job, &[], |name| {
            !is_harmless(name) && !is_model(name)
        });
        assert!(meant.len() >= 2 * DAMAGES.len(), "{job}: {}", meant.len());
        check(&base, &meant, 1);
        // One kind of damage to each file that nobody needs.
        let meant = cases(&base, job, &[], is_harmless);
        check(&base, &meant, DAMAGES.len() + 1);
    }
    // What an evaluation reads of the training before it, if it has to be done.
    let removed = base.evaluations_of(&training);
    assert!(!removed.is_empty());
    let meant = cases(&base, &training, &removed, |name| {
        is_model(name) || ["job.json", "model_stamp", "identity.json"].contains(&name)
    });
    check(&base, &meant, 5);
}
