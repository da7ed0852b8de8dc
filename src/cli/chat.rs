//! `recode chat`: a conversation with a model.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Args;
use signal_hook::{consts::SIGINT, flag};

use super::{
    exit::{Exit, Failure},
    generate::{SamplingArguments, print_as_drawn},
    model_arguments::ModelArguments,
    output,
};
use crate::{
    model::{LanguageModel, Message, ModelError},
    seed,
};

const AFTER_HELP: &str = "\
Each line is a message from the user; the model sees the whole conversation. Ctrl-C stops an answer;
between answers it ends the program. `/reset` starts a new conversation, `/quit` ends the program.
Without a terminal, lines are read from the standard input and only the answers are printed.";

/// Arguments of `recode chat`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// A system message before the conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    sampling: SamplingArguments,
}

/// Runs `recode chat`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let settings = arguments.sampling.settings()?;
    let model = arguments.model.open()?;
    let interrupt = Interrupt::listen()
        .map_err(|error| Failure::text(Exit::Bug, format!("cannot listen for signals: {error}")))?;
    let mut conversation = begin(arguments.system.as_deref());
    let mut turns = 0;
    loop {
        if io::stdin().is_terminal() {
            output::prompt("> ");
        }
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        if !read.is_ok_and(|bytes| bytes > 0) {
            return Ok(Exit::Done);
        }
        match line.trim() {
            "" => continue,
            "/quit" => return Ok(Exit::Done),
            "/reset" => {
                conversation = begin(arguments.system.as_deref());
                continue;
            }
            said => conversation.push(Message::user(said)),
        }
        let numbers = seed::stream(arguments.sampling.seed, "chat", 0, turns);
        turns += 1;
        let prompt = prompt(&model, &conversation)?;
        let mut answer = String::new();
        let outcome = interrupt.during(|should_stop| {
            print_as_drawn(
                &model,
                &prompt,
                &settings,
                numbers,
                should_stop,
                &mut answer,
            )
        });
        output::result("");
        match outcome {
            Ok(()) | Err(ModelError::Interrupted) => {}
            Err(error) => return Err(Failure::new(Exit::Usage, &error)),
        }
        conversation.push(Message::assistant(answer));
    }
}

fn begin(system: Option<&str>) -> Vec<Message> {
    system.map(Message::system).into_iter().collect()
}

fn prompt(model: &LanguageModel, conversation: &[Message]) -> Result<Vec<u32>, Failure> {
    let text = model.chat.render_as_trained(conversation);
    text.and_then(|text| model.tokenizer.encode(&text))
        .map_err(|error| Failure::new(Exit::Usage, &error))
}

/// The effect of Ctrl-C: it ends an answer, or between answers the program.
struct Interrupt {
    is_idle: Arc<AtomicBool>,
    is_asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// The exit code of a program that Ctrl-C ended.
    const EXIT_CODE: i32 = 130;

    fn listen() -> io::Result<Self> {
        let interrupt = Self {
            is_idle: Arc::new(AtomicBool::new(true)),
            is_asked: Arc::default(),
        };
        flag::register_conditional_shutdown(
            SIGINT,
            Self::EXIT_CODE,
            Arc::clone(&interrupt.is_idle),
        )?;
        flag::register(SIGINT, Arc::clone(&interrupt.is_asked))?;
        Ok(interrupt)
    }

    fn during<T>(&self, act: impl FnOnce(&dyn Fn() -> bool) -> T) -> T {
        self.is_asked.store(false, Ordering::Relaxed);
        self.is_idle.store(false, Ordering::Relaxed);
        let outcome = act(&|| self.is_asked.load(Ordering::Relaxed));
        self.is_idle.store(true, Ordering::Relaxed);
        outcome
    }
}
