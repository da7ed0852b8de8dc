//! `recode fetch`: downloads the models and data of an experiment.

use std::{collections::BTreeSet, path::Path};

use clap::Args;

use super::{
    exit::{Exit, Failure},
    output,
    progress::DownloadProgress,
    spec_arguments::{failure, load_file},
    spec_name,
};
use crate::{
    data::{Cache, Endpoints, Entry, FetchError, Fetcher, Kind, Manifest, Resolved},
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
Hugging Face hub, HF_TOKEN an account of it. An interrupted download continues. Files that the
hub's own programs have downloaded (HF_HOME, HF_HUB_CACHE) are copied, which works offline.";

/// Runs `recode fetch`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let around =
        Surroundings::find(Path::new(".")).map_err(|error| Failure::new(Exit::Missing, &error))?;
    let manifest = around.manifest.ok_or_else(|| {
        Failure::text(Exit::Missing, "there is no `datasets/manifest.toml` here")
            .hint("run this in the folder of a project; `recode init` makes one here")
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
            let experiment = load_file(&spec_name::named(what.into()), &arguments.overrides)?
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

/// Fetches every entry; a failure does not keep the others from being fetched.
fn fetch_all(
    manifest: &Manifest,
    names: &BTreeSet<String>,
    cache: &Cache,
) -> Result<Exit, Failure> {
    let fetcher = Fetcher::new(Endpoints::from_environment(), cache.clone());
    let mut failures = Vec::new();
    // Anything else is a path of the user.
    for entry in names.iter().filter_map(|name| manifest.get(name)) {
        let mut display = DownloadProgress::default();
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
