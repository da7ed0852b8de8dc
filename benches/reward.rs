//! Time of the rewards on a batch of 64 completions of about 400 tokens, compared with the published
//! functions in Python, and of the edit distance, compared with the fastest known implementation:
//! `just bench`.
//!
//! The fastest one is rapidfuzz in C++, from `PyPI`; it is compared if `RECODE_BENCH_PYTHON` (or
//! `python3`) can import `rapidfuzz`. All take turns, so that other load affects all of them.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::{
    hint::black_box,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use rapidfuzz::distance::levenshtein;
use recode::{
    reward::{Normalizer, Scorer, Variant},
    syntax::normalize_published,
};
use serde::Deserialize;

const BATCH: usize = 64;
/// Rounds of all contestants; the published functions take seconds in each.
const TURNS: usize = 3;
/// Runs of our functions, and of the distances, in a round.
const RUNS: usize = 20;

/// The target for a batch: how many times as fast as the published functions.
const SPEEDUP: f64 = 500.0;
/// The target for our edit distance: at most this multiple of the fastest one's time.
const SLOWDOWN: f64 = 2.0;

fn main() {
    let cases: Vec<Case> = (0..BATCH).map(Case::new).collect();
    let pairs: Vec<(&str, &str)> = cases.iter().map(Case::pair).collect();
    let characters = pairs.iter().map(|(text, _)| text.len()).sum::<usize>() / BATCH;
    println!("{BATCH} completions of {characters} characters (about 400 tokens), {TURNS} turns");

    let mut python = Python::start(&cases);
    let published = scorer(Variant::EsStar, Normalizer::Published);
    let fixed = scorer(Variant::EsStar, Normalizer::Fixed);
    let ast = scorer(Variant::AstStar, Normalizer::Fixed);
    let mut times = Times::default();
    for _ in 0..TURNS {
        for _ in 0..RUNS {
            times.batch.of(|| published.score_batch(&pairs));
            times.alone.of(|| one_by_one(published, &pairs));
            times.fixed.of(|| fixed.score_batch(&pairs));
            times.ast.of(|| ast.score_batch(&pairs));
            times.distance.of(|| distances(&cases));
            times
                .best
                .0
                .extend(python.as_mut().and_then(|python| python.ask("distance")));
        }
        times
            .reference
            .0
            .extend(python.as_mut().and_then(|python| python.ask("reward")));
    }
    report(&times);
    if let Some(python) = python {
        let ours: Vec<f64> = published
            .score_batch(&pairs)
            .iter()
            .map(|score| score.total)
            .collect();
        let is_same =
            python.scores == ours && python.distances.iter().all(|d| *d == distances(&cases));
        println!(
            "scores and distances are {}",
            if is_same { "equal" } else { "DIFFERENT" }
        );
    }
}

#[derive(Default)]
struct Times {
    batch: Seconds,
    alone: Seconds,
    fixed: Seconds,
    ast: Seconds,
    distance: Seconds,
    best: Seconds,
    reference: Seconds,
}

/// The times of one contestant.
#[derive(Default)]
struct Seconds(Vec<f64>);

impl Seconds {
    fn of<T>(&mut self, work: impl FnOnce() -> T) {
        let start = Instant::now();
        black_box(work());
        self.0.push(start.elapsed().as_secs_f64());
    }

    fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    fn shortest(&self) -> Option<f64> {
        self.0.iter().copied().min_by(f64::total_cmp)
    }
}

fn report(times: &Times) {
    println!(
        "{:<44}{:>14}{:>14}",
        "milliseconds a batch", "median", "shortest"
    );
    for (what, seconds) in [
        ("ES* as published", &times.batch),
        ("ES* as published, one thread", &times.alone),
        ("ES* as fixed", &times.fixed),
        ("AST*", &times.ast),
        ("the published functions, Python", &times.reference),
        ("edit distance alone, ours, one thread", &times.distance),
        ("edit distance alone, rapidfuzz in C++", &times.best),
    ] {
        let cell =
            |value: Option<f64>| value.map_or("-".into(), |value| format!("{:.3}", value * 1e3));
        println!(
            "{what:<44}{:>14}{:>14}",
            cell(seconds.median()),
            cell(seconds.shortest())
        );
    }
    let ratio = |a: &Seconds, b: &Seconds| Some(a.median()? / b.median()?);
    match ratio(&times.reference, &times.batch) {
        Some(speedup) => println!(
            "{speedup:.0} times as fast as the published functions, to reach {SPEEDUP}: {}",
            met(speedup >= SPEEDUP)
        ),
        None => println!("no Python here: not compared with the published functions"),
    }
    match ratio(&times.distance, &times.best) {
        Some(slowdown) => println!(
            "{slowdown:.2} times the time of the best edit distance, at most {SLOWDOWN}: {}",
            met(slowdown <= SLOWDOWN)
        ),
        None => println!("no rapidfuzz in Python: not compared (pip install rapidfuzz)"),
    }
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

fn scorer(variant: Variant, normalizer: Normalizer) -> Scorer {
    Scorer::new(variant, normalizer)
}

fn one_by_one(scorer: Scorer, pairs: &[(&str, &str)]) -> f64 {
    let scores = pairs
        .iter()
        .map(|(completion, target)| scorer.score(completion, target).total);
    scores.sum()
}

/// The sum of the distances of all pairs of normalised code.
fn distances(cases: &[Case]) -> usize {
    let distance = |case: &Case| {
        let (code, target) = &case.normalised;
        levenshtein::distance(code.bytes(), target.bytes())
    };
    cases.iter().map(distance).sum()
}

struct Case {
    completion: String,
    target: String,
    /// Code and target as ES* compares them.
    normalised: (String, String),
}

impl Case {
    /// A target of eight functions, and a completion that renames and omits parts of it.
    fn new(index: usize) -> Self {
        let target: String = (0..8)
            .map(|number| function(index, number, "cumulative_sum"))
            .collect();
        let kept = (0..8).filter(|number| !(number + index).is_multiple_of(5));
        let code: String = kept
            .map(|number| {
                let is_renamed = (number * index).is_multiple_of(3);
                function(
                    index,
                    number,
                    if is_renamed {
                        "cumsum"
                    } else {
                        "cumulative_sum"
                    },
                )
            })
            .collect();
        let normalised = (
            normalize_published(code.trim()).expect("the code has few literals"),
            normalize_published(&target).expect("the target has few literals"),
        );
        Self {
            completion: format!(
                " The update renames a method.\n</think>\n<answer>\n```python\n{code}\n```\n</answer>"
            ),
            target,
            normalised,
        }
    }

    fn pair(&self) -> (&str, &str) {
        (&self.completion, &self.target)
    }
}

fn function(index: usize, number: usize, call: &str) -> String {
    let skip = if number.is_multiple_of(2) {
        "True"
    } else {
        "False"
    };
    format!(
        "def step_{number}(frame, column=\"c{number}\"):\n    # Keep the order of rows.\n    \
         values = frame[column].{call}(axis=0, skipna={skip})\n    return values * {} + {index}\n\n",
        number * 7 + 3,
    )
}

/// The published functions and rapidfuzz in C++, in a process that runs them on request.
struct Python {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    scores: Vec<f64>,
    distances: Vec<usize>,
}

#[derive(Deserialize)]
struct Answer {
    seconds: Option<f64>,
    #[serde(default)]
    scores: Vec<f64>,
    distance: Option<usize>,
}

impl Python {
    fn start(cases: &[Case]) -> Option<Self> {
        let python = std::env::var("RECODE_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut child = Command::new(python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/benches/reference_reward.py"
            ))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut stdin = child.stdin.take()?;
        let stdout = BufReader::new(child.stdout.take()?);
        let pairs: Vec<_> = cases.iter().map(Case::pair).collect();
        let normalised: Vec<_> = cases.iter().map(|case| &case.normalised).collect();
        let line = serde_json::json!({"pairs": pairs, "normalised": normalised});
        writeln!(stdin, "{line}").ok()?;
        Some(Self {
            child,
            stdin,
            stdout,
            scores: Vec::new(),
            distances: Vec::new(),
        })
    }

    /// The seconds that one run of `what` takes in that process.
    fn ask(&mut self, what: &str) -> Option<f64> {
        writeln!(self.stdin, "{what}").ok()?;
        let mut line = String::new();
        self.stdout.read_line(&mut line).ok()?;
        let answer: Answer = serde_json::from_str(&line).ok()?;
        if !answer.scores.is_empty() {
            self.scores = answer.scores;
        }
        self.distances.extend(answer.distance);
        answer.seconds
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
