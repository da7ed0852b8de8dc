//! `recode score`: scores completions against targets.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use clap::{Args, builder::PossibleValue};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    data::{BadLine, BadLines, from_python_json, good_and_bad_lines, unpacked},
    reward::{Normalizer, Score, Scorer, Variant},
};

use super::{
    exit::{Exit, Failure},
    output,
    spelled_values::SpelledValues,
};

/// The most lines in the short table.
const SHOWN_ROWS: usize = 20;

const AFTER_HELP: &str = "\
A line in:   {\"id\": 7, \"completion\": \" ...</think><answer>```python\\nx = 1\\n```</answer>\", \"target\": \"x = 1\"}
A line out:  {\"correctness\":2.0,\"format\":1.0,\"id\":7,\"total\":3.0}

The completion starts inside the thinking, after the `<think>` of the prompt. Fields other than
`completion` and `target` are kept. total = format + correctness, where correctness is one of:
{rewards}
`--normalizer published` keeps the faults of the reference code. Where the reference code raises, there is no
score: `correctness` and `total` are null, and `error` has the exception. A line that cannot be read has no score
either: it stops no other, and the exit code is 1.";

/// The help below the arguments, with a line for each reward.
fn after_help() -> String {
    let line = |variant: &Variant| format!("  {:<10}{}", variant.name(), variant.summary().trim());
    let rewards: Vec<String> = Variant::ALL.iter().map(line).collect();
    AFTER_HELP.replace("{rewards}", &rewards.join("\n"))
}

/// Reads the name of a reward, also as the paper writes it (`ES*`).
fn reward_parser() -> SpelledValues {
    let names = Variant::ALL.iter().map(|variant| variant.name());
    SpelledValues::new(names.map(|name| (name, PossibleValue::new(name))))
}

/// Arguments of `recode score`.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(super) struct Arguments {
    /// JSON lines with `completion` and `target`; gzip is unpacked, `-` is the standard input
    file: PathBuf,
    /// The reward
    #[arg(long, default_value = "es_star", value_parser = reward_parser())]
    reward: String,
    /// How code is prepared: as the paper's code does it, or as it was meant
    #[arg(long, default_value = "fixed", value_parser = ["published", "fixed"])]
    normalizer: String,
    /// Print a JSON line for every input line, in order, instead of a short table
    #[arg(long)]
    json: bool,
}

/// Runs `recode score`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let text = read(&arguments.file).map_err(|error| {
        Failure::text(
            Exit::Usage,
            format!("cannot read `{}`: {error}", arguments.file.display()),
        )
        .hint("expected a file of JSON lines, or `-` for the standard input")
    })?;
    let (lines, bad) = lines(&text);
    let rows: Vec<&Row> = lines.iter().filter_map(|line| line.as_ref().ok()).collect();
    if rows.is_empty() && !bad.0.is_empty() {
        let text = format!("`{}` has {bad}", arguments.file.display());
        return Err(Failure::text(Exit::Usage, text).hint(WHAT_A_LINE_IS));
    }
    let pairs: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row.completion.as_str(), row.target.as_str()))
        .collect();
    let scores = arguments.scorer().score_batch(&pairs);
    output::result(&if arguments.json {
        json(&lines, &scores)
    } else {
        table(&rows, &scores)
    });
    if bad.0.is_empty() {
        return Ok(Exit::Done);
    }
    output::error_line(&format!("warning: {bad}; they have no score"));
    output::error_line(&format!("help: {WHAT_A_LINE_IS}"));
    Ok(Exit::JobFailed)
}

const WHAT_A_LINE_IS: &str = "a line is a JSON object with the strings `completion` and `target`";

impl Arguments {
    fn scorer(&self) -> Scorer {
        let variant = Variant::ALL
            .iter()
            .find(|variant| variant.name() == self.reward);
        let normalizer = match self.normalizer.as_str() {
            "published" => Normalizer::Published,
            _ => Normalizer::Fixed,
        };
        let variant = *variant.expect("clap lets only names of variants pass");
        Scorer::new(variant, normalizer)
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    if file == Path::new("-") {
        unpacked(io::stdin().lock())
    } else {
        unpacked(File::open(file)?)
    }
}

struct Row {
    line: usize,
    completion: String,
    target: String,
    others: Fields,
}

/// Fields of a line by name, each as its text: a value would round a large number.
type Fields = BTreeMap<String, Box<RawValue>>;

/// A line that is not blank, or what is wrong with it.
type Line = Result<Row, BadLine>;

/// Reads all lines that are not blank, in their order; also returns those that are wrong.
fn lines(text: &[u8]) -> (Vec<Line>, BadLines) {
    let mut all = Vec::new();
    let mut bad = Vec::new();
    for (index, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let (rows, faults) = good_and_bad_lines(bytes, |line| Ok(vec![row(number, line)?]));
        all.extend(rows.into_iter().map(Ok));
        for fault in faults.0 {
            let fault = BadLine { number, ..fault };
            bad.push(fault.clone());
            all.push(Err(fault));
        }
    }
    (all, BadLines(bad))
}

fn row(line: usize, text: &str) -> Result<Row, String> {
    let mut others: Fields = from_python_json(text).map_err(|error| error.to_string())?;
    let mut text = |key: &str| match others.remove(key) {
        Some(value) if value.get().starts_with('"') => {
            from_python_json(value.get()).map_err(|error| format!("in `{key}`: {error}"))
        }
        Some(_) => Err(format!("`{key}` is not a string")),
        None => Err(format!("`{key}` is missing")),
    };
    let (completion, target) = (text("completion")?, text("target")?);
    Ok(Row {
        line,
        completion,
        target,
        others,
    })
}

/// A line for each line, in order: that of a line which could not be read has its number and the reason.
fn json(lines: &[Line], scores: &[Score]) -> String {
    let mut scores = scores.iter();
    let mut text = String::new();
    for line in lines {
        let fields = match line {
            Ok(row) => scores.next().map(|score| scored(row, score)),
            Err(BadLine { number, reason }) => Some(unscored(*number, reason)),
        };
        if let Some(fields) = fields {
            text.push_str(
                &serde_json::to_string(&fields).expect("texts and JSON have a JSON form"),
            );
            text.push('\n');
        }
    }
    text
}

fn scored(row: &Row, score: &Score) -> Fields {
    let mut fields = row.others.clone();
    let known = score.error.is_none();
    put(&mut fields, "format", &score.format);
    put(
        &mut fields,
        "correctness",
        &known.then_some(score.correctness),
    );
    put(&mut fields, "total", &known.then_some(score.total));
    if let Some(error) = score.error {
        put(&mut fields, "error", &error.to_string());
    } else {
        fields.remove("error");
    }
    fields
}

fn unscored(number: usize, reason: &str) -> Fields {
    let mut fields = Fields::new();
    for key in ["format", "correctness", "total"] {
        put(&mut fields, key, &None::<f64>);
    }
    put(&mut fields, "error", &format!("line {number}: {reason}"));
    fields
}

fn put(fields: &mut Fields, key: &str, value: &impl Serialize) {
    let text = to_raw_value(value).expect("numbers and texts have a JSON form");
    fields.insert(key.to_owned(), text);
}

fn table(rows: &[&Row], scores: &[Score]) -> String {
    let mut lines = vec![aligned(
        "line",
        ["format", "correctness", "total"].map(str::to_owned),
    )];
    lines.extend(rows.iter().zip(scores).take(SHOWN_ROWS).map(table_line));
    if rows.len() > SHOWN_ROWS {
        lines.push(format!(
            "... {} more lines (--json prints all)",
            rows.len() - SHOWN_ROWS
        ));
    }
    let scored: Vec<&Score> = scores
        .iter()
        .filter(|score| score.error.is_none())
        .collect();
    if !scored.is_empty() {
        let mean = |part: fn(&Score) -> f64| {
            let sum: f64 = scored.iter().map(|score| part(score)).sum();
            number(sum / scored.len() as f64)
        };
        let means = [mean(|score| score.format), mean(|score| score.correctness)];
        let [format, correctness] = means;
        lines.push(aligned(
            "mean",
            [format, correctness, mean(|score| score.total)],
        ));
    }
    lines.push(format!(
        "{} scored, {} without a score",
        scored.len(),
        scores.len() - scored.len()
    ));
    lines.join("\n")
}

fn table_line((row, score): (&&Row, &Score)) -> String {
    let line = row.line.to_string();
    match score.error {
        None => aligned(
            &line,
            [score.format, score.correctness, score.total].map(number),
        ),
        Some(error) => format!("{line:>6}  {:>8}  {error}", number(score.format)),
    }
}

fn aligned(line: &str, [format, correctness, total]: [String; 3]) -> String {
    format!("{line:>6}  {format:>8}  {correctness:>11}  {total:>8}")
}

fn number(value: f64) -> String {
    format!("{value:.4}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &str = concat!(
        r#"{"id": 7, "completion": "</think><answer>```python\nx = 1\n```</answer>", "target": "x = 1"}"#,
        "\n\n",
        r#"{"completion": "```python\n# a\n```", "target": "", "format": "kept?"}"#,
        "\n",
    );

    fn scored(text: &[u8], normalizer: Normalizer) -> (Vec<Line>, Vec<Score>) {
        let (lines, _) = lines(text);
        let scorer = Scorer::new(Variant::EsStar, normalizer);
        let scores = lines
            .iter()
            .flatten()
            .map(|row| scorer.score(&row.completion, &row.target))
            .collect();
        (lines, scores)
    }

    #[test]
    fn other_fields_are_passed_on_and_faults_have_no_score() {
        let (lines, scores) = scored(INPUT.as_bytes(), Normalizer::Published);
        insta::assert_snapshot!(json(&lines, &scores), @r#"
        {"correctness":2.0,"format":1.0,"id":7,"total":3.0}
        {"correctness":null,"error":"ZeroDivisionError: neither the completion nor the target has code to compare","format":-1.0,"total":null}
        "#);
    }

    #[test]
    fn fields_that_are_kept_are_kept_to_the_letter() {
        let text = r#"{"a":1e400,"b":0.10,"d":"\u00e9\ud83d","e":[1, 2],"id":123456789012345678901234567890,
            "completion":"</think><answer>```python\nx = 1\n```</answer>","target":"x = 1"}"#;

        let (lines, scores) = scored(text.replace('\n', " ").as_bytes(), Normalizer::Fixed);

        assert_eq!(
            json(&lines, &scores).trim_end(),
            r#"{"a":1e400,"b":0.10,"correctness":2.0,"d":"\u00e9\ud83d","e":[1, 2],"format":1.0,"id":123456789012345678901234567890,"total":3.0}"#
        );
    }

    #[test]
    fn the_table_names_lines_and_means() {
        let (lines, scores) = scored(INPUT.as_bytes(), Normalizer::Fixed);
        let rows: Vec<&Row> = lines.iter().flatten().collect();
        insta::assert_snapshot!(table(&rows, &scores), @"
          line    format  correctness     total
             1    1.0000       2.0000    3.0000
             3   -1.0000       2.0000    1.0000
          mean    0.0000       2.0000    2.0000
        2 scored, 0 without a score
        ");
    }

    #[test]
    fn every_bad_line_is_named() {
        let text = "{\"completion\": 1, \"target\": \"\"}\n{\"completion\": \"\"}\n[]\n{\n";
        let message = lines(text.as_bytes()).1.to_string();
        for expected in [
            "line 1: `completion` is not a string",
            "line 2: `target` is missing",
            "line 3: invalid type",
            "line 4: EOF",
        ] {
            assert!(message.contains(expected), "{expected} in {message}");
        }
    }

    #[test]
    fn odd_lines_spoil_no_others() {
        // NaN and half a surrogate pair are what Python's json writes.
        let mut text = b"\xef\xbb\xbf".to_vec();
        text.extend_from_slice(INPUT.as_bytes());
        text.extend_from_slice(
            b"\xff\n{\"completion\": \"\\ud83d\", \"target\": \"\", \"p\": NaN}\n",
        );

        let (lines, scores) = scored(&text, Normalizer::Published);

        insta::assert_snapshot!(json(&lines, &scores), @r#"
        {"correctness":2.0,"format":1.0,"id":7,"total":3.0}
        {"correctness":null,"error":"ZeroDivisionError: neither the completion nor the target has code to compare","format":-1.0,"total":null}
        {"correctness":null,"error":"line 4: it is not UTF-8 at byte 1","format":null,"total":null}
        {"correctness":-2.0,"format":-1.0,"p":null,"total":-3.0}
        "#);
    }
}
