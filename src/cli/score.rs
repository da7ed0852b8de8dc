//! `recode score`: scores completions against targets.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Args, builder::PossibleValuesParser};
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};

use crate::reward::{Normalizer, RewardSettings, Score, Scorer, Variant};

use super::{
    exit::{Exit, Failure},
    output,
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
score: `correctness` and `total` are null, and `error` has the exception.";

/// The help below the arguments, with a line for each reward.
fn after_help() -> String {
    let line = |variant: &Variant| format!("  {:<10}{}", variant.name(), variant.summary().trim());
    let rewards: Vec<String> = Variant::ALL.iter().map(line).collect();
    AFTER_HELP.replace("{rewards}", &rewards.join("\n"))
}

/// Arguments of `recode score`.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(super) struct Arguments {
    /// JSON lines with `completion` and `target`; `.gz` is unpacked, `-` is the standard input
    file: PathBuf,
    /// The reward
    #[arg(long, default_value = "es_star", value_parser = PossibleValuesParser::new(Variant::ALL.iter().map(|variant| variant.name())))]
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
    let rows = rows(&text)?;
    let pairs: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row.completion.as_str(), row.target.as_str()))
        .collect();
    let scores = arguments.scorer().score_batch(&pairs);
    output::result(&if arguments.json {
        json(rows, &scores)
    } else {
        table(&rows, &scores)
    });
    Ok(Exit::Done)
}

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
        Scorer::new(variant, &RewardSettings { normalizer })
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin().read_to_end(&mut bytes)?;
    } else if file.extension().is_some_and(|extension| extension == "gz") {
        MultiGzDecoder::new(File::open(file)?).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

struct Row {
    line: usize,
    completion: String,
    target: String,
    others: Map<String, Value>,
}

/// Reads all lines that are not blank, or names every bad one.
fn rows(text: &[u8]) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut faults = Vec::new();
    for (position, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match row(position + 1, line) {
            Ok(row) => rows.push(row),
            Err(fault) => faults.push(format!("line {}: {fault}", position + 1)),
        }
    }
    if faults.is_empty() {
        return Ok(rows);
    }
    let lines = if faults.len() == 1 {
        "1 bad line"
    } else {
        "bad lines"
    };
    Err(Failure::text(
        Exit::Usage,
        format!("{lines}, nothing was scored\n{}", faults.join("\n")),
    )
    .hint("a line is a JSON object with the strings `completion` and `target`"))
}

fn row(line: usize, bytes: &[u8]) -> Result<Row, String> {
    let mut others: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut text = |key: &str| match others.remove(key) {
        Some(Value::String(text)) => Ok(text),
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

fn json(rows: Vec<Row>, scores: &[Score]) -> String {
    let mut lines = String::new();
    for (row, score) in rows.into_iter().zip(scores) {
        let mut fields = row.others;
        let known = score.error.is_none();
        fields.insert("format".into(), score.format.into());
        fields.insert(
            "correctness".into(),
            known.then_some(score.correctness).into(),
        );
        fields.insert("total".into(), known.then_some(score.total).into());
        if let Some(error) = score.error {
            fields.insert("error".into(), error.to_string().into());
        } else {
            fields.remove("error");
        }
        lines.push_str(&Value::Object(fields).to_string());
        lines.push('\n');
    }
    lines
}

fn table(rows: &[Row], scores: &[Score]) -> String {
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

fn table_line((row, score): (&Row, &Score)) -> String {
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

    fn scored(normalizer: Normalizer) -> (Vec<Row>, Vec<Score>) {
        let rows = rows(INPUT.as_bytes()).unwrap();
        let scorer = Scorer::new(Variant::EsStar, &RewardSettings { normalizer });
        let scores = rows
            .iter()
            .map(|row| scorer.score(&row.completion, &row.target))
            .collect();
        (rows, scores)
    }

    #[test]
    fn other_fields_are_passed_on_and_faults_have_no_score() {
        let (rows, scores) = scored(Normalizer::Published);
        insta::assert_snapshot!(json(rows, &scores), @r#"
        {"correctness":2.0,"format":1.0,"id":7,"total":3.0}
        {"correctness":null,"error":"ZeroDivisionError: neither the completion nor the target has code to compare","format":-1.0,"total":null}
        "#);
    }

    #[test]
    fn the_table_names_lines_and_means() {
        let (rows, scores) = scored(Normalizer::Fixed);
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
        let message = rows(text.as_bytes())
            .err()
            .map(|failure| format!("{failure:?}"))
            .unwrap();
        for expected in [
            "line 1: `completion` is not a string",
            "line 2: `target` is missing",
            "line 3: invalid type",
            "line 4: EOF",
        ] {
            assert!(message.contains(expected), "{expected} in {message}");
        }
    }
}
