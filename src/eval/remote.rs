//! The loop of an evaluation whose model answers elsewhere.
//!
//! Each completion is a request of its own and is kept as soon as it is judged: an answer may have
//! been paid for, so that resuming asks for none again.
//!
//! # Differences
//!
//! - A template's begun turn of the assistant is left out: such an endpoint begins a turn of its own,
//!   and what it is to begin with stands in the user's turn too.
//! - Prompts are not cut: only the server knows its tokens. A prompt that is too long fails the job.

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
    measure::{chosen, judge_all, parts},
};
use crate::{
    data::{Prompt, Role},
    remote::{Answer, Chat, Remote, RemoteError, Turn},
    seed,
};

/// How long to wait for an answer before looking whether to stop.
const PAUSE: Duration = Duration::from_millis(200);

/// A completion that is still to be asked for.
struct Question {
    /// Its place among all completions.
    place: usize,
    chat: Chat,
}

/// What a thread that asks tells.
type Told = (usize, Result<Answer, RemoteError>);

/// Measures a remote model: `settings.samples` completions of each task, judged.
///
/// At most `concurrency` requests are in flight. `done` are the samples of an earlier attempt, in any
/// order; they are taken as they are. After a failure nothing more is asked for, but what is under way
/// is awaited and kept. The samples are returned in the order of the tasks.
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
        .map(|sample| (sample.step, sample))
        .collect();
    let mut questions = Vec::new();
    for place in (0..tasks.len() * samples).filter(|place| !records.contains_key(place)) {
        let (task, index) = (place / samples, place % samples);
        let chat = chat(&tasks[task], task, index, inputs)?;
        questions.push(Question { place, chat });
    }
    let asking = Asking::start(remote, concurrency, questions);
    let mut failure = None;
    loop {
        if observer.should_stop() {
            // Those under way are given up: the process ends before they do.
            return Err(EvalError::Stopped);
        }
        let first = match asking.answers.recv_timeout(PAUSE) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let mut answers = Vec::new();
        for (place, told) in std::iter::once(first).chain(asking.answers.try_iter()) {
            match told {
                Ok(answer) => answers.push(((place / samples, place % samples), answer)),
                Err(source) => {
                    let task = tasks[place / samples].id.clone();
                    failure.get_or_insert(EvalError::Remote { task, source });
                }
            }
        }
        let judged = judged(benchmark, inputs, tasks, answers);
        observer
            .on_chunk(&judged, tasks.len() * samples)
            .map_err(EvalError::Keep)?;
        records.extend(judged.into_iter().map(|sample| (sample.step, sample)));
    }
    asking.join();
    match failure {
        Some(failure) => Err(failure),
        None => Ok(records.into_values().collect()),
    }
}

/// The threads that ask, and what they tell.
struct Asking {
    answers: Receiver<Told>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Asking {
    fn start(remote: &Remote, concurrency: usize, questions: Vec<Question>) -> Self {
        let (sender, answers) = mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let count = concurrency.clamp(1, questions.len().max(1));
        let queue = Arc::new(Mutex::new(questions.into_iter()));
        let threads = (0..count)
            .map(|_| {
                let (remote, queue) = (remote.clone(), Arc::clone(&queue));
                let (sender, is_over) = (sender.clone(), Arc::clone(&is_over));
                // Not scoped: a thread that waits for an answer must not hold up a stop.
                thread::spawn(move || ask(&remote, &queue, &sender, &is_over))
            })
            .collect();
        Self {
            answers,
            is_over,
            threads,
        }
    }

    /// Ends the threads, which have nothing left to do.
    fn join(mut self) {
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                resume_unwind(panic);
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn ask(
    remote: &Remote,
    queue: &Mutex<impl Iterator<Item = Question>>,
    sender: &Sender<Told>,
    is_over: &AtomicBool,
) {
    while !is_over.load(Ordering::Relaxed) {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(Question { place, chat }) = next else {
            return;
        };
        let told = remote.ask(&chat);
        if told.is_err() {
            // Here and at once: whoever listens may be busy judging.
            is_over.store(true, Ordering::Relaxed);
        }
        if sender.send((place, told)).is_err() {
            return;
        }
    }
}

/// What a task is asked with. The seed follows from the run's seed, the task and the completion's
/// index; it has 31 bits, which every server takes.
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

/// The turns of a prompt without the one that the assistant has begun; a text is the user's turn.
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

fn judged(
    benchmark: &dyn Benchmark,
    inputs: &Inputs<'_>,
    tasks: &[Task],
    answers: Vec<((usize, usize), Answer)>,
) -> Vec<SampleRecord> {
    let chunk: Vec<(usize, usize)> = answers.iter().map(|(whose, _)| *whose).collect();
    let texts: Vec<String> = answers
        .iter()
        .map(|(_, answer)| answer.text.clone())
        .collect();
    let judged = judge_all(benchmark, inputs.pool, tasks, &chunk, &texts);
    answers
        .into_iter()
        .zip(judged)
        .map(|(((task, index), answer), judged)| {
            let (judgement, error) = parts(judged);
            SampleRecord {
                step: task * inputs.settings.samples + index,
                task_id: tasks[task].id.clone(),
                index,
                completion: answer.text,
                tokens: answer.completion_tokens.unwrap_or(0),
                prompt_tokens: answer.prompt_tokens,
                is_truncated: answer.finish_reason.as_deref() == Some("length"),
                judgement,
                error,
            }
        })
        .collect()
}
