//! `recode generate`: completes prompts, so that people can look at a model.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    exit::{Exit, Failure},
    model_arguments::ModelArguments,
    output, prompt_file,
};
use crate::{
    model::{
        Completion, Finish, LanguageModel, ModelError, SamplingSettings, TextStream, generate,
        stream,
    },
    seed::{self, Stream},
    worker::StopFlag,
};

const AFTER_HELP: &str = "\
The prompt file is a text or, if its name ends in `.jsonl`, has one prompt per line:
  {\"prompt\": \"def fib(n):\"}   {\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}   {\"tokens\": [1, 2]}
A raw prompt begins with what the tokenizer adds, for many models a token that begins a text; the tokens
of messages are those of the chat template.
A single answer is printed while it is generated. All lines run in one batch; each has its own random
numbers, so an answer depends on the seed, the prompt and its line number, not on other prompts.";

/// Arguments of `recode generate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// A text, or JSON lines (`.jsonl`); `-` reads the standard input
    #[arg(long, value_name = "FILE")]
    prompt_file: PathBuf,
    /// Treat a plain text as a message from the user, in the chat template of the model
    #[arg(long)]
    chat: bool,
    /// Print only the text that the model would continue
    #[arg(long)]
    show_prompt: bool,
    #[command(flatten)]
    sampling: SamplingArguments,
    /// Print one JSON line per prompt: completion, tokens, log-probabilities and finish reason
    #[arg(long)]
    json: bool,
}

/// How tokens are sampled.
#[derive(Debug, Args)]
pub(super) struct SamplingArguments {
    /// The longest answer, in tokens
    #[arg(long, default_value_t = 512)]
    max_tokens: usize,
    /// Divides the logits; 0 takes the most likely token
    #[arg(long, default_value_t = 0.0)]
    temperature: f64,
    /// Keeps the most likely tokens only; 0 keeps all
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Keeps the smallest set of tokens whose probabilities sum to this
    #[arg(long, default_value_t = 1.0)]
    top_p: f64,
    /// Keeps tokens that are at least this likely relative to the most likely one
    #[arg(long, default_value_t = 0.0)]
    min_p: f64,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
}

impl SamplingArguments {
    pub(super) fn settings(&self) -> Result<SamplingSettings, Failure> {
        let ranges = [
            ("--temperature", self.temperature, 0.0..=100.0),
            ("--top-p", self.top_p, f64::MIN_POSITIVE..=1.0),
            ("--min-p", self.min_p, 0.0..=1.0),
        ];
        for (name, value, range) in ranges {
            if !range.contains(&value) {
                let text = format!("`{name}` is `{value}`, expected {range:?}");
                return Err(Failure::text(Exit::Usage, text));
            }
        }
        Ok(SamplingSettings {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            max_completion_tokens: self.max_tokens,
        })
    }
}

/// Runs `recode generate`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let settings = arguments.sampling.settings()?;
    let lines = prompt_file::read(&arguments.prompt_file)?;
    let model = arguments.model.open()?;
    let prompts: Vec<Vec<u32>> = lines
        .iter()
        .map(|line| line.tokens(&model, arguments.chat))
        .collect::<Result<_, _>>()?;
    if arguments.show_prompt {
        for line in &lines {
            output::piece(&line.text(&model, arguments.chat)?);
        }
        return Ok(Exit::Done);
    }
    let stop = StopFlag::on_signals()
        .map_err(|error| Failure::text(Exit::Bug, format!("cannot listen for signals: {error}")))?;
    let numbers = |index| seed::stream(arguments.sampling.seed, "generate", 0, index);
    let outcome = if let ([prompt], false) = (prompts.as_slice(), arguments.json) {
        let stop = || stop.is_set();
        let outcome = print_as_drawn(
            &model,
            prompt,
            &settings,
            numbers(0),
            &stop,
            &mut String::new(),
        );
        output::result("");
        outcome
    } else {
        let streams = (0..prompts.len() as u64).map(numbers).collect();
        generate(&model, &prompts, &settings, streams, &mut || stop.is_set())
            .and_then(|completions| print(&model, &completions, arguments.json))
    };
    match outcome {
        Ok(()) => Ok(Exit::Done),
        Err(ModelError::Interrupted) => Ok(Exit::Stopped),
        Err(error) => Err(Failure::new(Exit::Usage, &error)),
    }
}

/// Prints a completion while it is generated and appends it to `answer`, until `should_stop` is true.
pub(super) fn print_as_drawn(
    model: &LanguageModel,
    prompt: &[u32],
    settings: &SamplingSettings,
    numbers: Stream,
    should_stop: &dyn Fn() -> bool,
    answer: &mut String,
) -> Result<(), ModelError> {
    let mut text = TextStream::new(&model.tokenizer);
    let mut failure = None;
    let mut print = |piece: &str| {
        answer.push_str(piece);
        output::piece(piece);
    };
    let outcome = stream(model, prompt, settings, numbers, &mut |token| {
        match text.push(token) {
            Ok(piece) => print(&piece),
            Err(error) => failure = Some(error),
        }
        failure.is_none() && !should_stop()
    });
    print(&text.finish()?);
    failure.map_or(outcome.map(|_| ()), Err)
}

/// Prints completions, each after a line with its number, or as a line of JSON.
fn print(
    model: &LanguageModel,
    completions: &[Completion],
    is_json: bool,
) -> Result<(), ModelError> {
    for (index, completion) in completions.iter().enumerate() {
        let text = model.tokenizer.decode(&completion.tokens)?;
        if is_json {
            let finish = match completion.finish {
                Finish::Stop => "stop",
                Finish::Length => "length",
            };
            let line = json!({
                "index": index,
                "completion": text,
                "tokens": completion.tokens,
                "log_probs": completion.log_probs,
                "finish": finish,
            });
            output::result(&line.to_string());
        } else {
            output::result(&format!("--- {} ---\n{text}", index + 1));
        }
    }
    Ok(())
}
