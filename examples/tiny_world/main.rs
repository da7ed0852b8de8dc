//! Makes the data of the tiny world from a seed.
//!
//! The tiny base model (`datasets/tiny/base`) learned from this corpus, and the specs in
//! `experiments/tiny/` train and measure it on these sets. Equal seeds give equal bytes on every
//! machine.
//!
//! ```sh
//! just tiny-world datasets/tiny                   # the sets and the tokenizer that are shipped
//! just tiny-world datasets/tiny --check           # only report whether they would change
//! just tiny-world datasets/tiny --corpus 72000    # the texts that the base model learned from
//! just tiny-world folder --style fixed            # only the migrations with targets in one style
//! ```

#[cfg(test)]
mod tests;
mod world;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

use world::{Style, World};

/// Makes the data of the tiny world from a seed.
#[derive(Debug, Parser)]
#[command(name = "tiny_world")]
struct Arguments {
    /// The folder to write to
    folder: PathBuf,
    /// The seed of the world
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Write a corpus of this many texts to `corpus.jsonl`, and nothing else
    #[arg(long, value_name = "TEXTS")]
    corpus: Option<usize>,
    /// Write the training data with targets in this style, and nothing else
    #[arg(long, value_enum, conflicts_with_all = ["corpus", "check"])]
    style: Option<Style>,
    /// Write nothing; exit with 1 if a file would change
    #[arg(long, conflicts_with = "corpus")]
    check: bool,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own, outside the rule of `recode` that one module prints"
)]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok((report, exit)) => {
            println!("{report}");
            exit
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Does the work; returns the line to print and the exit code.
fn run(arguments: &Arguments) -> Result<(String, ExitCode), String> {
    let world = World::new(arguments.seed);
    if let Some(texts) = arguments.corpus {
        let path = write_corpus(&world, texts, &arguments.folder)?;
        let report = format!("{}: {texts} texts", path.display());
        return Ok((report, ExitCode::SUCCESS));
    }
    if let Some(style) = arguments.style {
        let set = world.migration_set(style);
        let path = arguments.folder.join(set.file);
        fs::create_dir_all(&arguments.folder)
            .and_then(|()| fs::write(&path, set.lines))
            .map_err(|error| cannot_write(&path, &error))?;
        let report = format!("{}: targets in another style", path.display());
        return Ok((report, ExitCode::SUCCESS));
    }
    let changed = write_sets(&world, arguments)?;
    if changed.is_empty() {
        return Ok(("nothing changed".to_owned(), ExitCode::SUCCESS));
    }
    let exit = if arguments.check {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    };
    Ok((format!("changed: {}", changed.join(", ")), exit))
}

/// Writes `corpus.jsonl` and returns its path.
fn write_corpus(world: &World, texts: usize, folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join("corpus.jsonl");
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut out = BufWriter::new(File::create(&path)?);
        world.write_corpus(texts, texts, &mut out)?;
        out.flush()
    };
    write().map_err(|error| cannot_write(&path, &error))?;
    Ok(path)
}

/// Writes the sets and the tokenizer, or with `--check` only compares them; returns the paths of
/// those that differ from what is on disk.
fn write_sets(world: &World, arguments: &Arguments) -> Result<Vec<String>, String> {
    let tokenizer = world
        .tokenizer()
        .map_err(|error| format!("cannot make the tokenizer: {error}"))?;
    let mut files: Vec<(&str, String)> = world
        .sets()
        .into_iter()
        .map(|set| (set.file, set.lines))
        .collect();
    files.push(("tokenizer.json", tokenizer));
    let mut changed = Vec::new();
    for (name, text) in files {
        let path = arguments.folder.join(name);
        if fs::read(&path).is_ok_and(|present| present == text.as_bytes()) {
            continue;
        }
        if !arguments.check {
            fs::create_dir_all(&arguments.folder)
                .and_then(|()| fs::write(&path, text))
                .map_err(|error| cannot_write(&path, &error))?;
        }
        changed.push(path.display().to_string());
    }
    Ok(changed)
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write `{}`: {error}", path.display())
}
