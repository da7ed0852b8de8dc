//! A teacher behind an endpoint.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use super::StopFlag;
use crate::{
    model::{ModelError, Tokenizer},
    remote::{NoKey, Remote, RemoteError, RemoteSettings, Scored},
    train::{RemoteTeacher, TeacherQuestion},
};

/// How often a training that waits for its teacher looks whether it has to stop.
const PAUSE: Duration = Duration::from_millis(100);

/// A text of many kinds of token, of which tokenizers of different families make different tokens.
const KNOWN: &str = "def add_all(first, second=3.25):\n    \"\"\"Return the sum; naïve.\"\"\"\n    return first + second\n";

/// Why a training has no teacher.
#[derive(Debug, thiserror::Error)]
pub enum TeacherError {
    /// It does not answer as it must about a text that is known to be fine.
    #[error("the teacher cannot be used")]
    Remote(#[from] RemoteError),
    /// It is another model.
    #[error(
        "the server says that the teacher is `{found}`, but the spec says `{expected}`; write the name that the \
         server has for it in `train.distill.remote.model`"
    )]
    OtherModel {
        /// The name in the answer.
        found: String,
        /// The name in the spec.
        expected: String,
    },
    /// It has another vocabulary.
    #[error(
        "the teacher reads token {token} as `{found}`, and the model in training as `{expected}`; choose a teacher \
         with the same vocabulary"
    )]
    OtherVocabulary {
        /// The number of the token.
        token: u32,
        /// The server's text for it.
        found: String,
        /// The text of the model in training.
        expected: String,
    },
    /// The known text cannot be made into tokens.
    #[error(transparent)]
    Tokenizer(#[from] ModelError),
}

/// A teacher behind an endpoint, and what it was asked.
#[derive(Debug)]
pub(super) struct AskedTeacher {
    settings: RemoteSettings,
    remote: Remote,
    stop: StopFlag,
    /// Tokens whose texts were compared with those of the model in training.
    compared: usize,
    named: bool,
    /// Tokens that it has read and drawn.
    tokens: [AtomicUsize; 2],
}

impl AskedTeacher {
    /// A teacher that was not asked yet.
    pub(super) fn new(settings: RemoteSettings, stop: StopFlag) -> Result<Self, NoKey> {
        Ok(Self {
            remote: settings.connect()?,
            settings,
            stop,
            compared: 0,
            named: false,
            tokens: Default::default(),
        })
    }

    /// Compares what the server says about itself with the settings, and the texts of some tokens with those of the
    /// model in training.
    pub(super) fn compare(&mut self, tokenizer: &Tokenizer) -> Result<(), TeacherError> {
        let tokens = tokenizer.encode(KNOWN)?;
        let scored = self.remote.score(&tokens)?;
        self.count(&scored);
        if let Some(found) = &scored.model {
            if *found != self.settings.model {
                return Err(TeacherError::OtherModel {
                    found: found.clone(),
                    expected: self.settings.model.clone(),
                });
            }
            self.named = true;
        }
        for (token, found) in tokens.iter().zip(&scored.texts) {
            let expected = tokenizer.decode(&[*token])?;
            if !is_comparable(found) || !is_comparable(&expected) {
                continue;
            }
            if plain(found) != plain(&expected) {
                return Err(TeacherError::OtherVocabulary {
                    token: *token,
                    found: found.clone(),
                    expected,
                });
            }
            self.compared += 1;
        }
        Ok(())
    }

    /// What is known about the teacher, and what it has cost so far in this attempt, for the provenance.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        let [read, drawn] = [0, 1].map(|which| self.tokens[which].load(Ordering::Relaxed));
        let mut facts = BTreeMap::from([
            ("endpoint", self.settings.address().to_owned()),
            ("model", self.settings.model.clone()),
            ("model_named_by_server", self.named.to_string()),
            ("tokens_compared", self.compared.to_string()),
            ("weights_compared", "false".to_owned()),
            ("prompt_tokens", read.to_string()),
            ("completion_tokens", drawn.to_string()),
        ]);
        if let Some(dollars) = self.settings.dollars(read, drawn) {
            facts.insert("dollars", format!("{dollars:.6}"));
        }
        let facts = facts.into_iter();
        facts
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// What the outcome says about a teacher whose weights nobody here has seen.
    pub(super) fn warning(&self) -> String {
        let known = match (self.named, self.compared) {
            (true, 1..) => "its name and the texts of some tokens were compared",
            (true, 0) => "its name was compared, its tokens only counted",
            (false, 1..) => "the texts of some tokens were compared, its name was not",
            (false, 0) => "its tokens were counted, and nothing else compared",
        };
        format!(
            "the teacher `{}` answered from `{}`: {known}, its weights cannot be; another training may get other answers",
            self.settings.model,
            self.settings.address()
        )
    }

    fn count(&self, scored: &Scored) {
        let counts = [scored.prompt_tokens, scored.completion_tokens];
        for (sum, count) in self.tokens.iter().zip(counts) {
            sum.fetch_add(count, Ordering::Relaxed);
        }
    }
}

impl RemoteTeacher for AskedTeacher {
    fn log_probs(&self, questions: &[TeacherQuestion<'_>]) -> io::Result<Option<Vec<Vec<f32>>>> {
        let texts: Vec<Vec<u32>> = questions
            .iter()
            .map(|question| [question.prompt, question.completion].concat())
            .collect();
        let count = self.settings.concurrency.clamp(1, texts.len().max(1));
        let queue = Arc::new(Mutex::new(texts.into_iter().enumerate()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (sender, replies) = mpsc::channel();
        for _ in 0..count {
            let (remote, queue) = (self.remote.clone(), Arc::clone(&queue));
            let (sender, is_over) = (sender.clone(), Arc::clone(&is_over));
            // Not scoped: a thread that waits for an answer must not delay a stop.
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((place, tokens)) = next else {
                        return;
                    };
                    let reply = remote.score(&tokens);
                    if reply.is_err() {
                        // The step fails, and its other questions are asked in vain.
                        is_over.store(true, Ordering::Relaxed);
                    }
                    if sender.send((place, reply)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut said = vec![Vec::new(); questions.len()];
        let came = loop {
            if self.stop.is_set() {
                break Ok(None);
            }
            match replies.recv_timeout(PAUSE) {
                Ok((place, Ok(scored))) => {
                    self.count(&scored);
                    // The first log-probability is that of the second token.
                    let first = questions[place].prompt.len().saturating_sub(1);
                    said[place] = scored.log_probs.get(first..).unwrap_or_default().to_vec();
                }
                Ok((place, Err(error))) => break Err(lost(questions[place].row, error)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Ok(Some(())),
            }
        };
        is_over.store(true, Ordering::Relaxed);
        Ok(came?.map(|()| said))
    }
}

/// The failure of a question about a row.
#[derive(Debug, thiserror::Error)]
#[error("{row}: the teacher gives no log-probabilities")]
struct Lost {
    row: String,
    source: RemoteError,
}

fn lost(row: &str, source: RemoteError) -> io::Error {
    let row = row.to_owned();
    io::Error::other(Lost { row, source })
}

/// Whether a server's text of a token says which token it is: a part of a character has no text, and vLLM can be
/// asked to write numbers in place of texts.
fn is_comparable(text: &str) -> bool {
    // Byte-level vocabularies have other characters for bytes beyond ASCII.
    plain(text).is_ascii()
        && !["token_id:", "bytes:", "<0x"]
            .iter()
            .any(|mark| text.starts_with(mark))
}

/// The text without spaces around it, and without the marks that tokenizers have for spaces and line breaks.
fn plain(text: &str) -> String {
    let text = text.replace(['Ġ', '▁'], " ").replace('Ċ', "\n");
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
