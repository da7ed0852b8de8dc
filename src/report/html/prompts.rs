//! The prompts of tasks, made again from the files that a job was planned with.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    data::{Prompt, PromptTemplate},
    eval::{
        EvalSettings,
        benchmark::{Benchmark, Task},
    },
    plan::{self, Job},
    results::in_words,
};

/// A prompt, or why it cannot be shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct PromptText {
    error: Option<String>,
    messages: Vec<MessageText>,
}

/// A turn of a conversation; a prompt that is none has one without a role.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct MessageText {
    role: &'static str,
    text: String,
}

/// Where the prompts of a benchmark's jobs come from; jobs with the same files share a source.
#[derive(Debug, Default)]
pub(super) struct Prompts {
    sources: Vec<Result<Source, String>>,
    places: BTreeMap<String, usize>,
}

/// The tasks of a benchmark, and the template of their prompts.
#[derive(Debug)]
struct Source {
    benchmark: Box<dyn Benchmark>,
    template: PromptTemplate,
    places: BTreeMap<String, usize>,
}

impl Prompts {
    /// The number of a job's source.
    pub(super) fn source_of(&mut self, job: Option<&Job>) -> usize {
        let key = job.map_or_else(String::new, |job| {
            let work = &job.work;
            let template = work.digests.get("prompt");
            let settings = match &work.task {
                plan::Task::Eval(eval) => format!("{:?} {:?}", eval.benchmark, eval.options()),
                plan::Task::Train { .. } => String::new(),
            };
            format!("{} {template:?} {settings}", work.data.display())
        });
        let next = self.sources.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.sources.push(Source::of(job));
        }
        place
    }

    /// The prompt of a task from each source.
    pub(super) fn prompts(&self, task: &str) -> Vec<PromptText> {
        let prompt = |source: &Result<Source, String>| match source {
            Ok(source) => source.prompt(task),
            Err(error) => Err(error.clone()),
        };
        let texts = self.sources.iter().map(prompt).map(|prompt| match prompt {
            Ok(messages) => PromptText {
                error: None,
                messages,
            },
            Err(error) => PromptText {
                error: Some(format!("The prompt cannot be shown: {error}.")),
                messages: Vec::new(),
            },
        });
        texts.collect()
    }

    /// The solution of a task that comes with the benchmark, if it can be read.
    pub(super) fn target(&self, task: &str) -> Option<String> {
        self.sources.iter().flatten().find_map(|source| {
            let task = source.task(task)?;
            source.benchmark.reference(task)
        })
    }

    /// An input of a task's tests, from the source of that number.
    pub(super) fn input(
        &self,
        source: usize,
        task: &str,
        run: &str,
        position: usize,
    ) -> Option<String> {
        let source = self.sources.get(source)?.as_ref().ok()?;
        let task = source.task(task)?;
        source.benchmark.input(task, run, position)
    }
}

impl Source {
    fn of(job: Option<&Job>) -> Result<Self, String> {
        let job = job.ok_or("the plan does not have the job")?;
        let plan::Task::Eval(eval) = &job.work.task else {
            return Err("the job is no evaluation".to_owned());
        };
        let (benchmark, template) = open(job, eval)?;
        let ids = benchmark.tasks().iter().map(|task| task.id.clone());
        Ok(Self {
            places: ids.zip(0..).collect(),
            benchmark,
            template,
        })
    }

    fn task(&self, id: &str) -> Option<&Task> {
        self.benchmark.tasks().get(*self.places.get(id)?)
    }

    fn prompt(&self, task: &str) -> Result<Vec<MessageText>, String> {
        let task = self
            .task(task)
            .ok_or("the benchmark's file does not have the task")?;
        let prompt = self.template.render(&task.fields);
        Ok(match prompt.map_err(|error| in_words(&error))? {
            Prompt::Raw(text) => vec![MessageText { role: "", text }],
            Prompt::Messages(messages) => messages
                .into_iter()
                .map(|message| MessageText {
                    role: message.role.as_str(),
                    text: message.content,
                })
                .collect(),
        })
    }
}

fn open(job: &Job, eval: &EvalSettings) -> Result<(Box<dyn Benchmark>, PromptTemplate), String> {
    let descriptor = eval.descriptor().map_err(|error| in_words(&error))?;
    let benchmark = descriptor
        .open(&job.work.data, &eval.options())
        .map_err(|error| in_words(&error))?;
    let template = PromptTemplate::load(job.work.prompts.of_tasks(descriptor.format))
        .map_err(|error| in_words(&error))?;
    Ok((benchmark, template))
}
