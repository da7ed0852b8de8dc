//! For tests: bytes that nobody wrote, for every reader of bytes that come from outside.
//!
//! A test names a corpus of valid files and of files that once were a problem, and a check. The check runs on each of
//! them and on many that are made from them: bits flipped, parts cut, copied or swapped, tokens replaced by odd ones.
//! It must not panic, and takes seconds at most.
//!
//! `RECODE_FUZZ_CASES` is the number of cases (2,000 by default; `just fuzz` tries a million). A case depends only on
//! its number, so that a failure can be repeated: `RECODE_FUZZ_FIRST` is the first number. `RECODE_FUZZ_TRACE` prints
//! the number of each case before it runs, for a fault that ends the process.

mod mutate;
mod random;

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub(crate) use random::Random;

/// The cases of a test of cheap checks.
const CASES: u64 = 2_000;
/// More than any reader needs for a file of some kilobytes, even on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);
/// Failures after which a test gives up.
const ENOUGH: usize = 5;
/// The bytes of an input that a failure shows.
const SHOWN: usize = 600;

/// One input.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    /// What the reader gets.
    pub(crate) bytes: Vec<u8>,
    /// For what else the check chooses.
    pub(crate) random: Random,
    /// A folder that no other case uses at the same time.
    pub(crate) folder: &'a Path,
}

impl Case<'_> {
    /// The bytes as a file of the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, &self.bytes).unwrap();
        path
    }

    /// The bytes as a text, with U+FFFD for what is none.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Runs `check` on the corpus, and on cases that are made from it; a check of some microseconds has the cost 1.
pub(crate) fn fuzz<S: AsRef<[u8]> + Sync>(
    cost: u64,
    corpus: &[S],
    check: impl Fn(&mut Case<'_>) -> Result<(), String> + Sync,
) {
    let corpus: Vec<&[u8]> = corpus.iter().map(AsRef::as_ref).collect();
    let first = number_from("RECODE_FUZZ_FIRST", 0);
    let cases = number_from("RECODE_FUZZ_CASES", CASES).div_ceil(cost);
    let is_traced = env::var_os("RECODE_FUZZ_TRACE").is_some();
    // The corpus itself comes first, whatever the numbers are.
    let seeds = corpus.len() as u64;
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let failures_of = || failures.lock().unwrap_or_else(PoisonError::into_inner);
    // In memory where the system has that: some readers wait until a disk has what they mend.
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let root = root.unwrap();
    let work = |thread: usize| {
        let folder = root.path().join(thread.to_string());
        fs::create_dir(&folder).unwrap();
        while failures_of().len() < ENOUGH {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(number) = (place < seeds + cases).then(|| place.wrapping_sub(seeds)) else {
                break;
            };
            let is_seed = place < seeds;
            let number = if is_seed { place } else { first + number };
            let name = format!("{} {number}", if is_seed { "seed" } else { "case" });
            if is_traced {
                // The harness of tests would keep what `eprintln!` prints, and lose it with the process.
                let _ = writeln!(io::stderr(), "{name}");
            }
            let mut random = Random::new(number);
            let bytes = if is_seed {
                corpus[usize::try_from(place).unwrap()].to_vec()
            } else {
                mutate::mutated(&mut random, &corpus)
            };
            let mut case = Case {
                bytes,
                random,
                folder: &folder,
            };
            if let Err(reason) = checked(&mut case, &check) {
                let start = &case.bytes[..case.bytes.len().min(SHOWN)];
                let start = start.escape_ascii();
                let size = case.bytes.len();
                failures_of().push(format!("{name}: {reason}\n  {size} bytes: {start}"));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for thread in 0..threads {
            let work = &work;
            scope.spawn(move || work(thread));
        }
    });
    let failures = failures_of();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn checked(
    case: &mut Case<'_>,
    check: &(impl Fn(&mut Case<'_>) -> Result<(), String> + Sync),
) -> Result<(), String> {
    let start = Instant::now();
    let found = catch_unwind(AssertUnwindSafe(|| check(case)));
    found.map_err(|_| "a panic".to_owned())??;
    law(start.elapsed() < LONGEST, "it takes seconds at most")
}

fn number_from(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// An error with the name of a rule that does not hold.
pub(crate) fn law(holds: bool, name: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("broken: {name}"))
    }
}

/// The value, if there is one; else the error must name the file.
pub(crate) fn named<T, E: Error>(result: Result<T, E>, path: &Path) -> Result<Option<T>, String> {
    let error = match result {
        Ok(value) => return Ok(Some(value)),
        Err(error) => error,
    };
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    let text = texts.join(": ");
    let name = path.display().to_string();
    law(
        text.contains(&name),
        &format!("the error names the file: {text}"),
    )?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of some cases, as one digest of their text.
    fn found(corpus: &[&str]) -> Vec<Vec<u8>> {
        let seen = Mutex::new(Vec::new());
        fuzz(10, corpus, |case| {
            seen.lock().unwrap().push(case.bytes.clone());
            Ok(())
        });
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        seen
    }

    #[test]
    fn cases_can_be_repeated_and_differ() {
        let corpus = ["{\"a\": [1, 2.5], \"b\": \"text\"}\n{}\n", "x = 1\n"];

        let mut one = found(&corpus);
        assert_eq!(one, found(&corpus));
        let all = one.len();
        one.dedup();

        assert!(one.len() > all / 2, "{} of {all} differ", one.len());
        for seed in corpus {
            assert!(one.iter().any(|bytes| bytes == seed.as_bytes()));
        }
    }

    #[test]
    fn a_panic_and_a_broken_law_are_failures_with_their_input() {
        let broken = |check: fn(&mut Case<'_>) -> Result<(), String>| {
            let failed = catch_unwind(|| fuzz(1, &["seed"], check));
            *failed.unwrap_err().downcast::<String>().unwrap()
        };

        let panics = broken(|case| {
            assert!(case.bytes == b"seed", "not the seed");
            Ok(())
        });
        assert!(panics.contains("a panic\n"), "{panics}");
        let laws = broken(|case| law(case.bytes != b"seed", "no seed"));
        assert!(
            laws.contains("seed 0: broken: no seed\n  4 bytes: seed"),
            "{laws}"
        );
    }
}
