//! `recode data build`: drafts migrations from release notes.

use std::{
    collections::BTreeSet,
    env,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde_json::json;

use super::read;
use crate::{
    cli::{
        exit::{Exit, Failure},
        out_file,
        output::{self, count},
    },
    data::{Draft, DraftState, Library, Passage, Prompt, PromptTemplate, Queue, as_form, passages},
    remote::{Chat, Endpoint, Patience, Remote, RemoteError, Turn},
};

const AFTER_HELP: &str = "\
The notes (Markdown or reStructuredText) are cut into passages; those that name something in
backticks are sent, one request each. Every answer becomes a draft in the queue, to be judged with
`recode data review`. Passages that are in the queue are not sent again, so after an
interruption the same command continues. The key is read from the environment variable that
--key-from names; it is sent to the endpoint and written nowhere.";

/// Arguments of `recode data build`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Arguments {
    /// The release notes
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The library that they are about, such as `numpy`
    #[arg(long)]
    dependency: String,
    /// The version that they are about, such as `==2.0.0`
    #[arg(long)]
    new_version: String,
    /// The endpoint's address before `/chat/completions`, such as `http://localhost:8000/v1`
    #[arg(long)]
    base_url: String,
    /// The model's name at the endpoint
    #[arg(long)]
    model: String,
    /// The environment variable that holds the key; without it, no key is sent
    #[arg(long, value_name = "VARIABLE")]
    key_from: Option<String>,
    /// The queue that drafts are added to
    #[arg(long, value_name = "FILE")]
    queue: PathBuf,
    /// The template of the request
    #[arg(long, default_value = "datasets/prompts/draft_migration.jinja")]
    prompt: PathBuf,
    /// Send at most this many passages
    #[arg(long)]
    limit: Option<usize>,
    /// Ask again for the drafts that a reviewer rejected with a remark
    #[arg(long)]
    redo: bool,
    /// Requests for a passage before it counts as failed
    #[arg(long, default_value = "6")]
    attempts: NonZeroU32,
    /// Seconds before the second request for a passage; the pause doubles after that
    #[arg(long, default_value_t = 1.0)]
    pause: f64,
}

/// Runs `recode data build`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let missing = |error: crate::data::DataError| Failure::new(Exit::Missing, &error);
    let inputs = [
        ("--from", arguments.from.as_path()),
        ("--prompt", &arguments.prompt),
    ];
    out_file::check("--queue", &arguments.queue, &inputs)?;
    let notes = read(&arguments.from)?;
    let notes = String::from_utf8_lossy(&notes);
    let mut builder = Builder {
        arguments,
        library: Library {
            name: arguments.dependency.clone(),
            version: arguments.new_version.clone(),
        },
        template: PromptTemplate::load(&arguments.prompt).map_err(missing)?,
        remote: arguments.remote()?,
        queue: Queue::open(&arguments.queue).map_err(missing)?,
        counts: Counts::default(),
    };
    builder.draft_all(&passages(&notes))?;
    let Counts {
        drafts,
        without,
        failed,
    } = builder.counts;
    let drafts = count(drafts, "new draft");
    let without = count(without, "passage");
    let failed_passages = count(failed, "passage");
    output::result(&format!(
        "{drafts} in `{}`; {without} without a migration; {failed_passages} failed",
        arguments.queue.display()
    ));
    Ok(if failed == 0 {
        Exit::Done
    } else {
        Exit::JobFailed
    })
}

impl Arguments {
    fn remote(&self) -> Result<Remote, Failure> {
        let key = match &self.key_from {
            None => None,
            Some(variable) => Some(env::var(variable).map_err(|_| {
                let message = format!("the environment variable `{variable}` holds no key");
                Failure::text(Exit::Missing, message)
            })?),
        };
        let pause = Duration::try_from_secs_f64(self.pause).map_err(|_| {
            let message = format!("`--pause` is `{}`, expected seconds", self.pause);
            Failure::text(Exit::Usage, message)
        })?;
        let endpoint = Endpoint {
            base_url: self.base_url.clone(),
            model: self.model.clone(),
            key: key.map(|key| key.trim().to_owned()),
        };
        let patience = Patience {
            attempts: self.attempts,
            first_pause: pause,
            ..Patience::default()
        };
        Ok(Remote::new(endpoint, patience))
    }
}

/// How many passages ended in which way.
#[derive(Debug, Default)]
struct Counts {
    drafts: usize,
    without: usize,
    failed: usize,
}

#[derive(Debug)]
struct Builder<'a> {
    arguments: &'a Arguments,
    library: Library,
    template: PromptTemplate,
    remote: Remote,
    queue: Queue,
    counts: Counts,
}

impl Builder<'_> {
    /// Drafts the new passages, then those that are drafted again.
    fn draft_all(&mut self, passages: &[Passage]) -> Result<(), Failure> {
        let drafts = self.queue.drafts().iter();
        let known: BTreeSet<String> = drafts.map(|draft| draft.id.clone()).collect();
        let mut work: Vec<(&Passage, Option<usize>)> = passages
            .iter()
            .filter(|passage| !known.contains(&self.library.draft_id(passage)))
            .map(|passage| (passage, None))
            .collect();
        if self.arguments.redo {
            let rejected = passages.iter().filter_map(|passage| {
                let id = self.library.draft_id(passage);
                let drafts = self.queue.drafts();
                let position = drafts.iter().position(|draft| {
                    let is_rejected = draft.state == DraftState::Rejected;
                    draft.id == id && is_rejected && draft.remark.is_some()
                })?;
                Some((passage, Some(position)))
            });
            work.extend(rejected.collect::<Vec<_>>());
        }
        work.truncate(self.arguments.limit.unwrap_or(usize::MAX));
        for (number, (passage, earlier)) in work.iter().enumerate() {
            let (number, of, line) = (number + 1, work.len(), passage.line);
            output::error_line(&format!("{number}/{of}  line {line}"));
            self.draft(passage, *earlier)?;
        }
        Ok(())
    }

    /// Sends one passage and keeps the draft; a useless answer is reported and counted.
    fn draft(&mut self, passage: &Passage, earlier: Option<usize>) -> Result<(), Failure> {
        let rejected = earlier.and_then(|position| self.queue.drafts().get(position));
        let chat = self.chat(passage, rejected)?;
        let failed = |error: &RemoteError| Failure::new(Exit::Missing, error);
        let answer = match self.remote.ask(&chat) {
            Ok(answer) => answer,
            // A refused key or model would fail for every passage.
            Err(error @ RemoteError::Answer { .. }) => {
                failed(&error).report();
                self.counts.failed += 1;
                return Ok(());
            }
            Err(error) => {
                let hint = "the drafts so far are in the queue; the same command goes on";
                return Err(failed(&error).hint(hint));
            }
        };
        let origin = file_name(&self.arguments.from);
        match Draft::of_answer(passage, &self.library, &origin, &answer.text) {
            Ok(draft) => {
                match draft.state {
                    DraftState::NoMigration => self.counts.without += 1,
                    _ => self.counts.drafts += 1,
                }
                let kept = match earlier {
                    Some(position) => self.queue.replace(position, draft),
                    None => self.queue.push(draft),
                };
                kept.map_err(|error| Failure::new(Exit::Missing, &error))
            }
            Err(reason) => {
                let line = passage.line;
                output::error_line(&format!("warning: {origin}:{line}: {reason}"));
                self.counts.failed += 1;
                Ok(())
            }
        }
    }

    fn chat(&self, passage: &Passage, rejected: Option<&Draft>) -> Result<Chat, Failure> {
        let remark = rejected.and_then(|draft| draft.remark.as_deref());
        let row = rejected.and_then(|draft| draft.row.as_ref());
        let fields = json!({
            "dependency": self.library.name,
            "new_version": self.library.version,
            "heading": passage.heading,
            "passage": passage.text,
            "remark": remark.unwrap_or_default(),
            "rejected": row.map(as_form).unwrap_or_default(),
        });
        let prompt = self.template.render(&fields);
        let turns = match prompt.map_err(|error| Failure::new(Exit::Usage, &error))? {
            Prompt::Raw(text) => vec![("user", text)],
            Prompt::Messages(messages) => messages
                .into_iter()
                .map(|message| (message.role.as_str(), message.content))
                .collect(),
        };
        let messages = turns.into_iter().map(|(role, content)| Turn {
            role: role.to_owned(),
            content,
        });
        Ok(Chat {
            messages: messages.collect(),
            ..Chat::default()
        })
    }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
