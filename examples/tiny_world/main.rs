//! `recode world`: makes the data of the tiny world.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;

use crate::world::World;

use super::{
    exit::{Exit, Failure},
    output,
};

const AFTER_HELP: &str = "\
recode world datasets/tiny                            the sets and the tokenizer that are shipped
recode world datasets/tiny --check                    only says whether they would change
recode world .recode/tiny --corpus 300000             what the tiny base model is trained on

Equal seeds give equal bytes on every machine.";

/// Arguments of `recode world`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// The folder to write to
    folder: PathBuf,
    /// The seed of the world
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Write a corpus of so many texts to `corpus.jsonl`, and nothing else
    #[arg(long, value_name = "TEXTS")]
    corpus: Option<usize>,
    /// Write nothing; exit with 1 if a file would change
    #[arg(long, conflicts_with = "corpus")]
    check: bool,
}

/// Runs `recode world`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let world = World::new(arguments.seed);
    let folder = &arguments.folder;
    if let Some(texts) = arguments.corpus {
        let path = folder.join("corpus.jsonl");
        let write = || -> io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut out = BufWriter::new(File::create(&path)?);
            world.write_corpus(texts, texts, &mut out)?;
            out.flush()
        };
        write().map_err(|error| cannot_write(&path, &error))?;
        output::result(&format!(
            "{}: {}",
            path.display(),
            output::count(texts, "text")
        ));
        return Ok(Exit::Done);
    }
    let tokenizer = world
        .tokenizer()
        .map_err(|error| Failure::text(Exit::Bug, format!("no tokenizer was made: {error}")))?;
    let sets = world.sets();
    let mut files: Vec<(&str, &str)> = sets
        .iter()
        .map(|set| (set.file, set.lines.as_str()))
        .collect();
    files.push(("tokenizer.json", &tokenizer));
    let mut changed = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|present| present == text.as_bytes()) {
            continue;
        }
        if !arguments.check {
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&path, text))
                .map_err(|error| cannot_write(&path, &error))?;
        }
        changed.push(path.display().to_string());
    }
    output::result(&match changed.len() {
        0 => "nothing changed".to_owned(),
        _ => format!("changed: {}", changed.join(", ")),
    });
    Ok(if arguments.check && !changed.is_empty() {
        Exit::JobFailed
    } else {
        Exit::Done
    })
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::text(
        Exit::Missing,
        format!("cannot write `{}`: {error}", path.display()),
    )
}
