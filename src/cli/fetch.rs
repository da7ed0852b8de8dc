//! `recode fetch`: downloads what an experiment names.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use super::{
    exit::{Exit, Failure},
    output,
    spec_arguments::{failure, load_file},
};
use crate::{
    data::{Cache, Endpoints, Entry, FetchError, Fetcher, Kind, Manifest, Progress, Resolved},
    spec::{Experiment, Surroundings},
};

/// Arguments of `recode fetch`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// Specs, such as `experiments/grpo_qwen7b.toml`, or names, such as `humaneval_plus`
    #[arg(required_unless_present = "list", value_name = "SPEC|NAME")]
    what: Vec<String>,
    /// Print every name that a spec may write, and whether it is here
    #[arg(long)]
    list: bool,
    /// Change a setting of the specs: `--set model.base=qwen2.5-coder-0.5b-instruct`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

const AFTER_HELP: &str = "\
Downloads go to $RECODE_CACHE, else to `recode` in your cache folder. HF_ENDPOINT names another
Hugging Face hub, HF_TOKEN an account of it. A download that was cut off is continued. Files that
the hub's own programs have downloaded (HF_HOME, HF_HUB_CACHE) are copied, and do offline.";

/// Runs `recode fetch`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let around =
        Surroundings::find(Path::new(".")).map_err(|error| Failure::new(Exit::Missing, &error))?;
    let manifest = around.manifest.ok_or_else(|| {
        Failure::text(Exit::Missing, "there is no `datasets/manifest.toml` here")
            .hint("run this in the folder of the project")
    })?;
    let cache = Cache::from_environment();
    if arguments.list {
        output::result(&table(&manifest, &cache));
        return Ok(Exit::Done);
    }
    let mut names = BTreeSet::new();
    for what in &arguments.what {
        if manifest.get(what).is_some() {
            names.insert(what.clone());
        } else {
            let experiment = load_file(Path::new(what), &arguments.overrides)?
                .map_err(|mistakes| failure(&mistakes))?;
            names.extend(names_of(&experiment.0));
        }
    }
    fetch_all(&manifest, &names, &cache)
}

/// The names that an experiment may find in the manifest.
fn names_of(experiment: &Experiment) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for point in &experiment.points {
        let settings = &point.settings;
        names.insert(settings.model.base.clone());
        if !settings.stages.is_empty() {
            names.insert(settings.data.train.clone());
        }
        let within = settings.stage_evals.iter().flatten();
        for eval in settings.evals.iter().chain(within) {
            if !settings.data.benchmarks.contains_key(&eval.benchmark) {
                names.insert(eval.benchmark.clone());
            }
        }
    }
    names
}

/// Fetches every entry, and goes on after a failure: the others are wanted all the same.
fn fetch_all(
    manifest: &Manifest,
    names: &BTreeSet<String>,
    cache: &Cache,
) -> Result<Exit, Failure> {
    let fetcher = Fetcher::new(Endpoints::from_environment(), cache.clone());
    let mut failures = Vec::new();
    // What is no name of the manifest is a path of the user's own.
    for entry in names.iter().filter_map(|name| manifest.get(name)) {
        let mut display = Display::default();
        match fetcher.fetch(entry, &mut |progress| display.show(progress)) {
            Ok(path) => output::result(&format!("{}  {}", entry.name(), path.display())),
            Err(error) => failures.push(explained(&error, entry, cache)),
        }
    }
    let Some(last) = failures.pop() else {
        return Ok(Exit::Done);
    };
    for failure in failures {
        failure.report();
    }
    Err(last)
}

fn explained(error: &FetchError, entry: &Entry, cache: &Cache) -> Failure {
    let failure = Failure::new(Exit::Missing, error);
    let by_hand = cache.by_hand(entry);
    match error {
        FetchError::Refused { page, .. } => failure.hint(format!(
            "accept the terms at {page} and set HF_TOKEN to a token of that account"
        )),
        FetchError::CutOff { .. } => failure.hint("the same command continues where it stopped"),
        FetchError::NoRoom { .. } => {
            failure.hint("set RECODE_CACHE to a folder on a larger disk, or make room")
        }
        FetchError::Unreachable { .. }
        | FetchError::NotFound { .. }
        | FetchError::Status { .. }
        | FetchError::Listing { .. }
        | FetchError::NoSuchFile { .. }
        | FetchError::SeveralFiles { .. } => match by_hand {
            Some(by_hand) => failure.hint(by_hand),
            None => failure,
        },
        _ => failure,
    }
}

/// Every entry in a line.
fn table(manifest: &Manifest, cache: &Cache) -> String {
    let rows: Vec<[String; 5]> = manifest
        .entries()
        .map(|entry| {
            let state = match cache.resolve(entry) {
                Resolved::Here(_) if entry.is_shipped() => "shipped",
                Resolved::Here(_) => "here",
                Resolved::Missing { .. } => "-",
            };
            [
                entry.name().to_owned(),
                entry.kind().as_str().to_owned(),
                state.to_owned(),
                size(entry),
                entry.description().to_owned(),
            ]
        })
        .collect();
    let header = ["NAME", "KIND", "STATE", "SIZE", "WHAT"].map(str::to_owned);
    let rows = [vec![header], rows].concat();
    let width = |column: usize| {
        let lengths = rows.iter().filter_map(|row| row.get(column));
        lengths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    rows.iter()
        .fold(String::new(), |text, [name, kind, state, size, what]| {
            let [a, b, c, d] = widths;
            text + &format!("{name:a$}  {kind:b$}  {state:c$}  {size:>d$}  {what}\n")
        })
}

fn size(entry: &Entry) -> String {
    match (entry.kind(), entry.gigabytes(), entry.rows()) {
        (Kind::Model, Some(size), _) => format!("{size:.1} GB"),
        (_, _, Some(rows)) => format!("{rows} rows"),
        _ => String::new(),
    }
}

/// A bar on a terminal; a line a file, and one a minute, elsewhere.
#[derive(Default)]
struct Display {
    bar: Option<ProgressBar>,
    file: String,
    received: u64,
    total: Option<u64>,
    last_line: Option<Instant>,
}

const BETWEEN_LINES: Duration = Duration::from_mins(1);

impl Display {
    fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Started { file, at, of } => self.start(file, at, of),
            Progress::Received { bytes } => {
                self.received += bytes;
                match &self.bar {
                    Some(bar) => bar.set_position(self.received),
                    None => self.line_now_and_then(),
                }
            }
            Progress::Finished { .. } => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                self.line("done");
            }
        }
    }

    fn start(&mut self, file: &str, at: u64, of: Option<u64>) {
        file.clone_into(&mut self.file);
        (self.received, self.total) = (at, of);
        if output::is_stderr_colourful() {
            let bar = of.map_or_else(ProgressBar::no_length, ProgressBar::new);
            let template = "{msg}  [{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  left {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(file.to_owned());
            bar.set_position(at);
            bar.reset_eta();
            self.bar = Some(bar);
        } else {
            self.last_line = Some(Instant::now());
            self.line(if at > 0 { "continues" } else { "starts" });
        }
    }

    fn line_now_and_then(&mut self) {
        if self
            .last_line
            .is_none_or(|last| last.elapsed() >= BETWEEN_LINES)
        {
            self.last_line = Some(Instant::now());
            self.line("goes on");
        }
    }

    fn line(&self, what: &str) {
        let of = self
            .total
            .map_or_else(String::new, |total| format!(" of {}", HumanBytes(total)));
        let received = HumanBytes(self.received);
        output::error_line(&format!("{what}  {}  {received}{of}", self.file));
    }
}
