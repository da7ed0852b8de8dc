//! The evaluation of a model behind an endpoint.
//!
//! Each completion is a request and is written to disk as soon as it is judged. Answers may cost
//! money, so a resumed evaluation requests only those that are missing.
//!
//! # Differences from the evaluation of a model that runs here
//!
//! - If a template begins the assistant's turn, that beginning is left out, because an endpoint always
//!   starts a new turn. The user's turn also says what the answer should begin with.
//! - Prompts are not truncated, because only the server can count its tokens. A prompt that is too long
//!   fails the job.

use std::{
    collections::BTreeMap,
    panic::resume_unwind,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    EvalError, Inputs, Observer, SampleRecord,
    benchmark::{Benchmark, Task},
    judging::judge_records,
    measure::chosen,
};
use crate::{
    data::{Prompt, Role},
    remote::{Answer, Chat, Remote, RemoteError, Turn},
    seed,
};

/// How long to wait for an answer before checking whether to stop.
const PAUSE: Duration = Duration::from_millis(200);

/// A completion that is still to be requested.
struct Question {
    /// Its position among all completions.
    place: usize,
    chat: Chat,
}

/// The position of a completion, and the answer or why there is none.
type Reply = (usize, Result<Answer, RemoteError>);

/// Measures a remote model: `settings.samples` completions of each task, judged.
///
/// At most `concurrency` requests are in flight. `done` are the samples of an earlier attempt in any
/// order, which are kept as they are. After a failure no further request is sent, but the answers to
/// those in flight are awaited and kept. The samples are returned in the order of the tasks.
pub fn measure_remote(
    remote: &Remote,
    concurrency: usize,
    benchmark: &dyn Benchmark,
    inputs: &Inputs<'_>,
    done: Vec<SampleRecord>,
    observer: &mut dyn Observer,
) -> Result<Vec<SampleRecord>, EvalError> {
    let tasks = chosen(benchmark.tasks(), inputs.settings.limit);
    let samples = inputs.settings.samples;
    let mut records: BTreeMap<usize, SampleRecord> = done
        .into_iter()
        .map(|sample| (sample.chunk, sample))
        .collect();
    let mut questions = Vec::new();
    for place in (0..tasks.len() * samples).filter(|place| !records.contains_key(place)) {
        let (task, index) = (place / samples, place % samples);
        let chat = chat(&tasks[task], task, index, inputs)?;
        questions.push(Question { place, chat });
    }
    let requests = Requests::start(remote, concurrency, questions);
    let mut failure = None;
    loop {
        if observer.should_stop() {
            // The requests in flight are abandoned: the process ends before they do.
            return Err(EvalError::Stopped);
        }
        let first = match requests.replies.recv_timeout(PAUSE) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let mut unjudged = Vec::new();
        for (place, reply) in std::iter::once(first).chain(requests.replies.try_iter()) {
            let task = &tasks[place / samples];
            match reply {
                Ok(answer) => {
                    unjudged.push((task, record(place, place % samples, task, answer)));
                }
                Err(source) => {
                    let task = task.id.clone();
                    failure.get_or_insert(EvalError::Remote { task, source });
                }
            }
        }
        let judged = judge_records(benchmark, unjudged, inputs.pool);
        observer
            .on_chunk(&judged, tasks.len() * samples)
            .map_err(EvalError::Keep)?;
        records.extend(judged.into_iter().map(|sample| (sample.chunk, sample)));
    }
    requests.join();
    match failure {
        Some(failure) => Err(failure),
        None => Ok(records.into_values().collect()),
    }
}

/// The threads that send requests, and the channel of their replies.
struct Requests {
    replies: Receiver<Reply>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Requests {
    fn start(remote: &Remote, concurrency: usize, questions: Vec<Question>) -> Self {
        let (sender, replies) = mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let count = concurrency.clamp(1, questions.len().max(1));
        let queue = Arc::new(Mutex::new(questions.into_iter()));
        let threads = (0..count)
            .map(|_| {
                let (remote, queue) = (remote.clone(), Arc::clone(&queue));
                let (sender, is_over) = (sender.clone(), Arc::clone(&is_over));
                // Not scoped: a thread that waits for an answer must not delay a stop.
                thread::spawn(move || ask(&remote, &queue, &sender, &is_over))
            })
            .collect();
        Self {
            replies,
            is_over,
            threads,
        }
    }

    /// Joins the threads, which have finished their work.
    fn join(mut self) {
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn ask(
    remote: &Remote,
    queue: &Mutex<impl Iterator<Item = Question>>,
    sender: &Sender<Reply>,
    is_over: &AtomicBool,
) {
    while !is_over.load(Ordering::Relaxed) {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(Question { place, chat }) = next else {
            return;
        };
        let reply = remote.ask(&chat);
        if reply.is_err() {
            // Set here and not by the receiver, which may be busy judging.
            is_over.store(true, Ordering::Relaxed);
        }
        if sender.send((place, reply)).is_err() {
            return;
        }
    }
}

/// The conversation for one completion of a task. Its seed depends on the run's seed, the task and
/// the completion's index; it has 31 bits, which every server accepts.
fn chat(task: &Task, place: usize, index: usize, inputs: &Inputs<'_>) -> Result<Chat, EvalError> {
    let rendered = inputs.template.render(&task.fields);
    let prompt = rendered.map_err(|source| EvalError::Prompt {
        task: task.id.clone(),
        source,
    })?;
    let sampling = &inputs.settings.sampling;
    let mut stream = seed::stream(inputs.seed, "evaluate", place as u64, index as u64);
    Ok(Chat {
        messages: turns(prompt),
        temperature: Some(sampling.temperature),
        top_p: Some(sampling.top_p),
        max_tokens: Some(sampling.max_completion_tokens),
        seed: Some(stream.next_u64() >> 33),
    })
}

/// The turns of a prompt without a begun turn of the assistant; a plain text is the user's turn.
fn turns(prompt: Prompt) -> Vec<Turn> {
    let mut turns: Vec<Turn> = match prompt {
        Prompt::Raw(content) => vec![Turn {
            role: Role::User.as_str().to_owned(),
            content,
        }],
        Prompt::Messages(messages) => messages
            .into_iter()
            .map(|message| Turn {
                role: message.role.as_str().to_owned(),
                content: message.content,
            })
            .collect(),
    };
    turns.pop_if(|turn| turn.role == Role::Assistant.as_str());
    turns
}

/// The record of an answer that is still to be judged; `place` is its position among all.
fn record(place: usize, index: usize, task: &Task, answer: Answer) -> SampleRecord {
    SampleRecord {
        chunk: place,
        task_id: task.id.clone(),
        index,
        completion: answer.text,
        tokens: answer.completion_tokens.unwrap_or(0),
        prompt_tokens: answer.prompt_tokens,
        is_truncated: answer.finish_reason.as_deref() == Some("length"),
        judgement: None,
        error: None,
    }
}
