//! `recode clean`: what is in the results, how large it is and what uses it; moves the rest to a trash.

mod uses;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use clap::Args;
use serde::Serialize;

use super::{
    exit::{Exit, Failure},
    named_job,
    output::{self, count, size},
    results_folder,
};
use crate::{
    engine::slurm::quoted,
    plan::JobId,
    results::{Holder, JobDir, JobState, Store, Thrown, Trash, bytes_below},
    settings::TimeLength,
};
use uses::Uses;

/// Jobs that are listed without `--all`.
const MOST_LINES: usize = 30;

/// Arguments of `recode clean`.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command"
)]
pub(super) struct Arguments {
    /// Only these jobs, or the beginnings of their names [default: all]
    jobs: Vec<String>,

    /// Only jobs whose folder has not changed for so long, such as `30d` or `12h`
    #[arg(long, value_name = "TIME", value_parser = time_length)]
    older: Option<TimeLength>,

    /// Move what nothing uses to the trash, `.trash` in the folder of results
    #[arg(long = "move")]
    moves: bool,

    /// Count also the checkpoints of finished trainings as unused; their models stay
    #[arg(long)]
    checkpoints: bool,

    /// Remove all that is in the trash
    #[arg(long, conflicts_with_all = ["moves", "jobs", "older", "checkpoints"])]
    empty_trash: bool,

    /// List all jobs, however many there are
    #[arg(long)]
    all: bool,

    /// Print the same as JSON
    #[arg(long)]
    json: bool,
}

fn time_length(text: &str) -> Result<TimeLength, String> {
    let expected = "expected a length of time such as `30d`, `12h` or `90m`";
    TimeLength::parse(text).ok_or_else(|| expected.to_owned())
}

/// Something in the results.
#[derive(Serialize)]
struct Item {
    job: JobId,
    state: &'static str,
    bytes: u64,
    /// The bytes of the checkpoints, which are a part of those.
    checkpoints: u64,
    /// The tables and specs that need it.
    used_by: Vec<String>,
    /// What would be moved.
    unused: Part,
}

/// What of a job nothing uses.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Nothing,
    Checkpoints,
    All,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    results: &'a Path,
    jobs: &'a [Item],
    trash: &'a [String],
    trash_bytes: u64,
    /// The jobs that were moved.
    moved: Vec<&'a JobId>,
}

/// A folder that was moved to the trash.
struct Moved {
    job: JobId,
    from: PathBuf,
    to: PathBuf,
}

impl Moved {
    /// The command of a shell that moves it back.
    fn undo(&self) -> String {
        let [from, to] = [&self.to, &self.from].map(|path| quoted(&path.display().to_string()));
        format!("mv {from} {to}")
    }
}

/// Runs `recode clean`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let store = results_folder::of_current_folder();
    let trash = Trash::of(&store);
    let failure = |error| Failure::new(Exit::Missing, &error);
    if arguments.empty_trash {
        let (names, bytes) = (trash.names(), trash.bytes());
        trash.empty().map_err(failure)?;
        let (what, size) = (count(names.len(), "folder"), size(bytes));
        output::result(&format!(
            "removed {what} ({size}) from `{}`",
            trash.path().display()
        ));
        return Ok(Exit::Done);
    }
    let uses = uses::uses(&store)?;
    for unknown in &uses.unknown {
        output::error_line(&format!("warning: {unknown}"));
    }
    if arguments.moves && !uses.unknown.is_empty() {
        let text = "some uses of jobs are not known; nothing was moved";
        return Err(
            Failure::text(Exit::Missing, text).hint("mend or remove what the warnings name")
        );
    }
    let items = items(arguments, &store, &uses)?;
    let moved = if arguments.moves {
        thrown_away(&items, &store, &trash)?
    } else {
        Vec::new()
    };
    let (names, bytes) = (trash.names(), trash.bytes());
    if arguments.json {
        let report = Report {
            results: store.root(),
            jobs: &items,
            trash: &names,
            trash_bytes: bytes,
            moved: moved.iter().map(|one| &one.job).collect(),
        };
        let text = serde_json::to_string_pretty(&report);
        output::result(&text.map_err(|error| Failure::new(Exit::Bug, &error))?);
        return Ok(Exit::Done);
    }
    let most = if arguments.all {
        usize::MAX
    } else {
        MOST_LINES
    };
    let mut lines = text(&items, most);
    lines.extend(ends(arguments, &items, &moved, &trash));
    output::result(&lines.join("\n"));
    Ok(Exit::Done)
}

/// Moves what of the jobs is not used to the trash.
fn thrown_away(items: &[Item], store: &Store, trash: &Trash) -> Result<Vec<Moved>, Failure> {
    let mut moved = Vec::new();
    for item in items {
        let dir = store.job_dir(&item.job);
        let thrown = match item.unused {
            Part::Nothing => continue,
            Part::Checkpoints => trash.take_checkpoints(&dir),
            Part::All => trash.take(&dir),
        };
        match thrown.map_err(|error| Failure::new(Exit::Missing, &error))? {
            Thrown::Moved(to) => moved.push(Moved {
                job: item.job.clone(),
                from: match item.unused {
                    Part::Checkpoints => dir.checkpoints(),
                    Part::Nothing | Part::All => dir.path().to_owned(),
                },
                to,
            }),
            Thrown::Running => {
                output::error_line(&format!(
                    "warning: {} has begun to run, and stays",
                    item.job
                ));
            }
        }
    }
    Ok(moved)
}

/// The jobs that are asked for, the largest first.
fn items(arguments: &Arguments, store: &Store, uses: &Uses) -> Result<Vec<Item>, Failure> {
    let dirs = if arguments.jobs.is_empty() {
        store.jobs()
    } else {
        let found = arguments
            .jobs
            .iter()
            .map(|name| named_job::find(name, store));
        found.collect::<Result<_, _>>()?
    };
    let is_old = |dir: &JobDir| match arguments.older {
        Some(older) => age(dir) >= Duration::from_secs(older.seconds()),
        None => true,
    };
    let mut items = Vec::new();
    for dir in dirs.iter().filter(|dir| is_old(dir)) {
        items.push(item(dir, uses, arguments.checkpoints)?);
    }
    items.sort_by(|one, other| (other.bytes, &one.job).cmp(&(one.bytes, &other.job)));
    Ok(items)
}

fn item(dir: &JobDir, uses: &Uses, with_checkpoints: bool) -> Result<Item, Failure> {
    let failure = |error| Failure::new(Exit::Missing, &error);
    let state = dir.state().map_err(failure)?;
    let is_running = dir.holder().map_err(failure)? != Holder::Nobody;
    let used_by = uses.of(&dir.id());
    let checkpoints = bytes_below(&dir.checkpoints());
    let is_done = state == JobState::Done;
    let unused = if is_running {
        Part::Nothing
    } else if used_by.is_empty() {
        Part::All
    } else if is_done && with_checkpoints && checkpoints > 0 {
        Part::Checkpoints
    } else {
        Part::Nothing
    };
    Ok(Item {
        job: dir.id(),
        state: if is_running { "running" } else { name(&state) },
        bytes: dir.bytes(),
        checkpoints,
        used_by: used_by.into_iter().collect(),
        unused,
    })
}

fn name(state: &JobState) -> &'static str {
    match state {
        JobState::Done => "done",
        JobState::Running { .. } => "running",
        JobState::Failed { .. } => "failed",
        JobState::Resumable { .. } => "interrupted",
        JobState::New => "waiting",
    }
}

/// The time since a file of the folder, or one of its logs, was last written.
fn age(dir: &JobDir) -> Duration {
    let files = walkdir::WalkDir::new(dir.path()).max_depth(1).into_iter();
    let times = files
        .flatten()
        .filter_map(|entry| entry.metadata().ok()?.modified().ok());
    let last = times.max().unwrap_or(SystemTime::UNIX_EPOCH);
    last.elapsed().unwrap_or_default()
}

fn text(items: &[Item], most: usize) -> Vec<String> {
    let width = items
        .iter()
        .map(|item| item.job.0.len())
        .max()
        .unwrap_or(3)
        .max(3);
    let mut lines = vec![format!(
        "{:width$}  {:11}  {:>8}  USED BY",
        "JOB", "STATE", "SIZE"
    )];
    for item in items.iter().take(most) {
        let used_by = match (item.unused, item.used_by.as_slice()) {
            (_, [first, others @ ..]) if !others.is_empty() => {
                format!("{first} and {} more", others.len())
            }
            (_, [first, ..]) => first.clone(),
            (Part::All, []) => "nothing".to_owned(),
            (_, []) => "-".to_owned(),
        };
        let part = match item.unused {
            Part::Checkpoints => format!("; checkpoints of {}", size(item.checkpoints)),
            Part::Nothing | Part::All => String::new(),
        };
        let (id, state, size) = (&item.job.0, item.state, size(item.bytes));
        lines.push(format!(
            "{id:width$}  {state:11}  {size:>8}  {used_by}{part}"
        ));
    }
    if items.len() > most {
        lines.push(format!("... {} more (--all)", items.len() - most));
    }
    lines
}

/// The sums, and what to do.
fn ends(arguments: &Arguments, items: &[Item], moved: &[Moved], trash: &Trash) -> Vec<String> {
    let bytes = |item: &Item| match item.unused {
        Part::Nothing => 0,
        Part::Checkpoints => item.checkpoints,
        Part::All => item.bytes,
    };
    let unused = items
        .iter()
        .filter(|item| item.unused != Part::Nothing)
        .count();
    let all: u64 = items.iter().map(|item| item.bytes).sum();
    let free: u64 = items.iter().map(bytes).sum();
    let mut lines = vec![format!("{}, {}", count(items.len(), "job"), size(all))];
    let path = trash.path().display();
    if arguments.moves {
        lines.push(format!(
            "moved {} to `{path}`",
            count(moved.len(), "folder")
        ));
        if let Some(first) = moved.first() {
            lines.push(format!("to get {} back: {}", first.job, first.undo()));
        }
    } else if unused == 0 {
        lines.push("all of it is used".to_owned());
    } else {
        lines.push(format!(
            "nothing uses {} of {}; to move them to the trash: the same command with --move",
            size(free),
            count(unused, "job")
        ));
    }
    let there = trash.names().len();
    if there > 0 {
        lines.push(format!(
            "in the trash: {}, {}; to remove them: recode clean --empty-trash",
            count(there, "folder"),
            size(trash.bytes())
        ));
    }
    lines
}
