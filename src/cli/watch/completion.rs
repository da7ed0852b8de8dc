//! A completion, shown on a terminal.

use crate::{
    eval,
    train::{self, RewardRecord},
};

/// The most lines of a completion that are shown.
const MOST_LINES: usize = 5;

/// A completion and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Completion {
    about: String,
    text: String,
}

impl Completion {
    /// The completion in a line of `samples.jsonl`, of a training or an evaluation.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let of_training = serde_json::from_str(line).ok().map(Self::of_training);
        of_training.or_else(|| serde_json::from_str(line).ok().map(Self::of_evaluation))
    }

    fn of_training(sample: train::SampleRecord) -> Self {
        let RewardRecord {
            total,
            format,
            correctness,
            overlong,
            parts,
            tests,
        } = sample.reward;
        let overlong = if overlong < 0.0 {
            format!(", overlong {overlong:.2}")
        } else {
            String::new()
        };
        let parts: Vec<String> = parts
            .iter()
            .map(|(name, value)| format!(", {name} {value:.2}"))
            .collect();
        let tests = tests.map_or_else(String::new, |tests| {
            format!(", tests passed {:.2}", tests.rewarded)
        });
        let parts = parts.concat() + &tests;
        let about = format!(
            "reward {total:.2} (format {format:.2}, correctness {correctness:.2}{parts}{overlong})  {}",
            place(sample.step, &sample.row, sample.tokens, sample.is_truncated)
        );
        Self {
            about,
            text: sample.completion,
        }
    }

    fn of_evaluation(sample: eval::SampleRecord) -> Self {
        let verdict = sample
            .judgement
            .map_or("not judged", |judgement| judgement.verdict.name());
        let about = format!(
            "{verdict}  {}",
            place(
                sample.chunk,
                &sample.task_id,
                sample.tokens,
                sample.is_truncated
            )
        );
        Self {
            about,
            text: sample.completion,
        }
    }

    /// Its result, followed by its first lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut texts = self.text.lines().filter(|line| !line.trim().is_empty());
        let mut lines = vec![printable(&self.about)];
        let shown = texts.by_ref().take(MOST_LINES);
        lines.extend(shown.map(|line| format!("    {}", printable(line))));
        let more = texts.count();
        if more > 0
            && let Some(last) = lines.last_mut()
        {
            *last = format!("    … and {} more lines", more + 1);
        }
        lines
    }
}

fn place(step: usize, of: &str, tokens: usize, is_truncated: bool) -> String {
    let cut = if is_truncated { ", cut" } else { "" };
    format!("step {step}  {of}  {tokens} tokens{cut}")
}

/// A text without control characters, which could move the cursor.
fn printable(text: &str) -> String {
    text.replace('\t', "    ")
        .replace(|character: char| character.is_control(), "·")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(completion: &str) -> String {
        let record = train::SampleRecord {
            step: 3,
            index: 0,
            row: "row 7".into(),
            prompt: "p".into(),
            completion: completion.into(),
            tokens: 12,
            is_truncated: true,
            reward: RewardRecord {
                total: 1.25,
                format: 1.0,
                correctness: 0.5,
                overlong: -0.25,
                ..RewardRecord::default()
            },
            advantage: None,
        };
        serde_json::to_string(&record).unwrap()
    }

    fn lines(line: &str) -> String {
        Completion::parse(line).unwrap().lines().join("\n")
    }

    #[test]
    fn a_completion_of_a_training_has_its_reward_by_part() {
        insta::assert_snapshot!(lines(&sample("<think>\n\na\n</think>\n\tb()")), @r"
        reward 1.25 (format 1.00, correctness 0.50, overlong -0.25)  step 3  row 7  12 tokens, cut
            <think>
            a
            </think>
                b()
        ");
    }

    #[test]
    fn a_completion_of_an_evaluation_has_its_verdict() {
        let line = r#"{"step":0,"task_id":"t/1","index":1,"completion":"x","tokens":2,
            "is_truncated":false,"judgement":{"passed":true,"verdict":{"verdict":"pass"}}}"#;
        let unjudged = line.replace(r#"{"passed":true,"verdict":{"verdict":"pass"}}"#, "null");

        assert_eq!(lines(line), "pass  step 0  t/1  2 tokens\n    x");
        assert_eq!(lines(&unjudged), "not judged  step 0  t/1  2 tokens\n    x");
        assert_eq!(Completion::parse("{\"step\": 1}"), None);
    }

    #[test]
    fn a_long_completion_is_cut_and_cannot_move_the_cursor() {
        let text = "1\n2\n3\n4\n5\n6\n7\x1b[2J";

        assert!(lines(&sample(text)).ends_with("4\n    … and 3 more lines"));
        assert!(lines(&sample("\x1b[2J\u{9b}1A")).ends_with("    ·[2J·1A"));
    }
}
