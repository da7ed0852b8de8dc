//! `recode log-probs`: the log-probabilities of given completions.

use std::path::PathBuf;

use burn::tensor::Tensor;
use clap::Args;
use serde_json::{Value, json};

use super::{
    exit::{Exit, Failure},
    model_arguments::ModelArguments,
    output, prompt_file,
};
use crate::model::{LanguageModel, TokenBatch};

const AFTER_HELP: &str = "\
A line in:   {\"prompt\": \"def f(\", \"completion\": \"x):\"}  (or \"messages\", \"tokens\"; \"completion_tokens\")
A line out:  {\"index\": 0, \"completion_tokens\": [..], \"log_probs\": [..]}
A raw prompt begins with what the tokenizer adds, for many models a token that begins a text.
All lines run in one batch, as in training, so memory grows with their number and length.";

/// Arguments of `recode log-probs`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// JSON lines (`.jsonl`) with a prompt and its completion
    #[arg(long, value_name = "FILE")]
    prompt_file: PathBuf,
    /// Divides the logits
    #[arg(long, default_value_t = 1.0)]
    temperature: f64,
    /// Also print the logits after every token, including those of the prompt: one row per position
    #[arg(long)]
    logits: bool,
}

/// Runs `recode log-probs`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.temperature.is_nan() || arguments.temperature <= 0.0 {
        let text = format!(
            "`--temperature` is `{}`, expected more than 0",
            arguments.temperature
        );
        return Err(Failure::text(Exit::Usage, text));
    }
    let lines = prompt_file::read(&arguments.prompt_file)?;
    let model = arguments.model.open()?;
    let mut prompts = Vec::with_capacity(lines.len());
    let mut completions = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let (prompt, completion) = (line.tokens(&model, false)?, line.completion(&model)?);
        check(&model, index, &prompt, &completion)?;
        prompts.push(prompt);
        completions.push(completion);
    }
    let batch = TokenBatch::new(&prompts, &completions);
    // Prompts without completions have logits, but no log-probabilities.
    let log_probs = (batch.completion_time() > 0).then(|| {
        let output = model.decoder.log_probs(&batch, arguments.temperature, None);
        output.log_probs.inner()
    });
    let mut seen = Seen::default();
    let mut logits = arguments.logits.then(|| logits(&model, &batch, &mut seen));
    for (index, completion) in completions.iter().enumerate() {
        let row = log_probs.clone().map(|all| all.narrow(0, index, 1));
        let mut row = row.map(numbers).unwrap_or_default();
        row.truncate(completion.len());
        seen.add(&row);
        let mut line = json!({
            "index": index,
            "completion_tokens": completion,
            "log_probs": row,
        });
        if let (Some(logits), Value::Object(line)) = (&mut logits, &mut line) {
            line.insert("logits".to_owned(), logits.remove(0).into());
        }
        output::result(&line.to_string());
    }
    if let Some(warning) = seen.warning() {
        output::error_line(&warning);
    }
    Ok(Exit::Done)
}

/// How many numbers there are; JSON has none for those that are not finite.
#[derive(Debug, Default)]
struct Seen {
    all: usize,
    nan: usize,
    infinite: usize,
}

impl Seen {
    fn add(&mut self, numbers: &[f32]) {
        self.all += numbers.len();
        self.nan += numbers.iter().filter(|one| one.is_nan()).count();
        self.infinite += numbers.iter().filter(|one| one.is_infinite()).count();
    }

    /// A warning about those that are printed as `null`.
    fn warning(&self) -> Option<String> {
        let Self { all, nan, infinite } = self;
        let nulls = nan + infinite;
        (nulls > 0).then(|| {
            format!(
                "warning: {nulls} of {all} numbers are printed as `null`, because they are not finite ({nan} NaN, \
                 {infinite} infinite): the model or its adapter has weights that are not finite, or numbers \
                 that are too large for its dtype"
            )
        })
    }
}

/// Refuses a line that the model cannot read.
fn check(
    model: &LanguageModel,
    index: usize,
    prompt: &[u32],
    completion: &[u32],
) -> Result<(), Failure> {
    let (limit, vocabulary) = (
        model.config.max_position_embeddings,
        model.config.vocab_size,
    );
    let tokens = prompt.iter().chain(completion);
    let problem = if prompt.is_empty() {
        "its prompt has no tokens".to_owned()
    } else if prompt.len() + completion.len() > limit {
        format!("it is longer than `{limit}` tokens")
    } else if let Some(token) = tokens.clone().find(|token| **token as usize >= vocabulary) {
        format!("token `{token}` is not below `{vocabulary}`")
    } else {
        return Ok(());
    };
    let text = format!("cannot score completion {index}: {problem}");
    Err(Failure::text(Exit::Usage, text))
}

/// The logits of each position of each row, without padding.
fn logits(model: &LanguageModel, batch: &TokenBatch, seen: &mut Seen) -> Vec<Vec<Value>> {
    let hidden = model.decoder.hidden(batch, None, None).inner();
    let width = hidden.dims()[2];
    let rows = batch.left_padding().iter().zip(batch.completion_lengths());
    rows.enumerate()
        .map(|(row, (padding, length))| {
            let time = batch.prompt_time() - padding + length;
            let own = hidden.clone().narrow(0, row, 1).narrow(1, *padding, time);
            let own = model.decoder.logits(own.reshape([time, width])).inner();
            (0..time)
                .map(|position| {
                    let row = numbers(own.clone().narrow(0, position, 1));
                    seen.add(&row);
                    row.into()
                })
                .collect()
        })
        .collect()
}

fn numbers(tensor: Tensor<2>) -> Vec<f32> {
    let data = tensor.into_data();
    data.iter::<f32>().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_lacks_are_counted_in_one_warning() {
        let mut seen = Seen::default();
        seen.add(&[-1.5, 0.0]);
        assert_eq!(seen.warning(), None);

        seen.add(&[f32::NAN, f32::NEG_INFINITY, f32::INFINITY]);
        insta::assert_snapshot!(seen.warning().unwrap(), @"warning: 3 of 5 numbers are printed as `null`, because they are not finite (1 NaN, 2 infinite): the model or its adapter has weights that are not finite, or numbers that are too large for its dtype");
    }
}
