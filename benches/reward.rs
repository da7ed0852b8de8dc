//! Time of ES* on a batch of 64 completions of about 400 tokens, beside the published functions in
//! Python and beside the edit distance alone: `just bench`.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::{
    hint::black_box,
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use rapidfuzz::distance::levenshtein;
use recode::reward::{Normalizer, RewardSettings, Scorer, Variant};
use serde::Deserialize;

const BATCH: usize = 64;
const ROUNDS: u32 = 200;

#[derive(Deserialize)]
struct Reference {
    seconds: f64,
    scores: Vec<f64>,
}

fn main() {
    let pairs: Vec<(String, String)> = (0..BATCH).map(pair).collect();
    let characters = pairs
        .iter()
        .map(|(completion, _)| completion.len())
        .sum::<usize>()
        / BATCH;
    println!("{BATCH} completions of {characters} characters (about 400 tokens), ES* as published");

    let scorer = scorer(Normalizer::Published);
    let batch = seconds(ROUNDS, || scorer.score_batch(&pairs).len());
    let alone = seconds(ROUNDS, || {
        pairs
            .iter()
            .map(|(completion, target)| scorer.score(completion, target).total)
            .sum::<f64>()
    });
    let distance = seconds(ROUNDS, || {
        pairs
            .iter()
            .map(|(a, b)| levenshtein::distance(a.bytes(), b.bytes()))
            .sum::<usize>()
    });
    let fixed = self::scorer(Normalizer::Fixed);
    let fixed = seconds(ROUNDS, || fixed.score_batch(&pairs).len());
    line("ours, in parallel", batch);
    line("ours, one thread", alone);
    line("ours as fixed, in parallel", fixed);
    line("edit distance alone (rapidfuzz), one thread", distance);

    let Some(reference) = reference(&pairs) else {
        println!("no Python here: not compared with the published functions");
        return;
    };
    let scores = scorer.score_batch(&pairs);
    let same = scores
        .iter()
        .zip(&reference.scores)
        .all(|(ours, theirs)| ours.total.to_bits() == theirs.to_bits());
    line("the published functions, Python", reference.seconds);
    println!("scores are {}", if same { "equal" } else { "DIFFERENT" });
    println!(
        "{:.0} times as fast ({:.0} on one thread)",
        reference.seconds / batch,
        reference.seconds / alone
    );
}

fn scorer(normalizer: Normalizer) -> Scorer {
    Scorer::new(Variant::EsStar, &RewardSettings { normalizer })
}

fn line(what: &str, seconds: f64) {
    println!("{what:<46}{:>12.3} ms", seconds * 1e3);
}

/// The shortest of some runs: what the machine can do when nothing else runs.
fn seconds<T>(rounds: u32, mut work: impl FnMut() -> T) -> f64 {
    let mut shortest = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        black_box(work());
        shortest = shortest.min(start.elapsed().as_secs_f64());
    }
    shortest
}

/// A target of eight functions, and a completion that has renamed, added and lost some of it.
fn pair(index: usize) -> (String, String) {
    let function = |number: usize, call: &str| {
        format!(
            "def step_{number}(frame, column=\"c{number}\"):\n    # Keep the order of rows.\n    \
             values = frame[column].{call}(axis=0, skipna={})\n    return values * {} + {index}\n\n",
            if number.is_multiple_of(2) {
                "True"
            } else {
                "False"
            },
            number * 7 + 3,
        )
    };
    let target: String = (0..8)
        .map(|number| function(number, "cumulative_sum"))
        .collect();
    let changed = (0..8)
        .filter(|number| !(number + index).is_multiple_of(5))
        .map(|number| {
            function(
                number,
                if (number * index).is_multiple_of(3) {
                    "cumsum"
                } else {
                    "cumulative_sum"
                },
            )
        });
    let code: String = changed.collect();
    let completion = format!(
        " The update renames a method.\n</think>\n<answer>\n```python\n{code}\n```\n</answer>"
    );
    (completion, target)
}

fn reference(pairs: &[(String, String)]) -> Option<Reference> {
    let mut child = Command::new("python3")
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/benches/reference_reward.py"
        ))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    for (completion, target) in pairs {
        let line = serde_json::json!({"completion": completion, "target": target});
        writeln!(stdin, "{line}").ok()?;
    }
    drop(stdin);
    serde_json::from_slice(&child.wait_with_output().ok()?.stdout).ok()
}
