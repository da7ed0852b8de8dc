//! A job: everything that one process needs to know, and the name that follows from it.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    data::{NoteMix, PromptSettings},
    device::Backend,
    digest::Digest,
    eval::EvalSettings,
    model::ModelSettings,
    remote::RemoteSettings,
    train::TrainSettings,
};

use super::Content;

/// Raised by hand when the code of a job starts to give other results from the same inputs.
///
/// The commit is not part of a job's identity: a comment must not invalidate a week of training.
pub const RECIPE_VERSION: u32 = 5;

/// The name of a job and of its folder, such as `train-7c1e9a02`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

/// What a job does, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// It trains a model.
    Train,
    /// It measures a model.
    Eval,
}

impl JobKind {
    const ALL: [Self; 2] = [Self::Train, Self::Eval];

    /// The word before the digest in a job's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Eval => "eval",
        }
    }
}

impl JobId {
    /// The name of a job of that kind with that identity.
    pub(super) fn new(kind: JobKind, identity: &Json) -> Self {
        Self(format!(
            "{}-{}",
            kind.name(),
            Digest::of_json(identity).short()
        ))
    }

    /// What the job does; nothing if this is no name of a job.
    pub fn kind(&self) -> Option<JobKind> {
        let (word, _) = self.0.split_once('-')?;
        JobKind::ALL.into_iter().find(|kind| kind.name() == word)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One process to run: written to `job.json`, which is all that the worker reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// `train-` or `eval-` and the first digits of the identity's digest.
    pub id: JobId,
    /// Everything that the result depends on, as it was hashed for the name. It has a file of its
    /// own in the job's folder.
    #[serde(skip)]
    pub identity: Json,
    /// What to do.
    pub work: Work,
    /// The jobs that must be done before.
    pub after: Vec<JobId>,
}

impl Job {
    /// The job that does this work.
    pub fn new(work: Work) -> Self {
        let identity = work.identity();
        let after = match &work.start {
            Start::Base => Vec::new(),
            Start::Job(upstream) => vec![upstream.clone()],
        };
        Self {
            id: JobId::new(work.kind(), &identity),
            identity,
            work,
            after,
        }
    }

    /// What the job does, in a few words: `qwen2.5-coder-7b-instruct grpo es_star s42`.
    pub fn what(&self) -> String {
        let work = &self.work;
        match &work.task {
            Task::Train { train, .. } => {
                let algorithm = &train.algorithm;
                let mut words = vec![short_name(&work.model.base), algorithm.name().to_owned()];
                if algorithm.has_reward() {
                    words.push(train.reward.label());
                }
                words.push(format!("s{}", work.seed));
                words.join(" ")
            }
            Task::Eval(eval) => {
                let model = match &work.start {
                    Start::Base => short_name(work.model.name()),
                    Start::Job(id) => id.to_string(),
                };
                format!("{} on {model} s{}", eval.benchmark, work.seed)
            }
        }
    }
}

/// The last part of a path; a name as it is.
fn short_name(base: &str) -> String {
    base.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(base)
        .to_owned()
}

/// What a job does, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "JobJson", try_from = "JobJson")]
pub struct Work {
    /// The model.
    pub model: ModelSettings,
    /// The folder of `model.base`; nothing for a model from scratch or at an endpoint.
    pub model_path: Option<PathBuf>,
    /// The folder of the model that a training imitates, if it imitates one.
    pub teacher_path: Option<PathBuf>,
    /// Where the weights come from.
    pub start: Start,
    /// What is done with the model.
    pub task: Task,
    /// The file of migrations, or of the benchmark.
    pub data: PathBuf,
    /// The prompt templates.
    pub prompts: PromptSettings,
    /// The kinds of note that a training shows.
    pub notes: NoteMix,
    /// The seed of the run.
    pub seed: u64,
    /// The backend.
    pub backend: Backend,
    /// Digests of all files that the job reads, by their path in the spec.
    pub digests: BTreeMap<String, Digest>,
    /// The files and folders whose bytes have those digests, so that the job can compare.
    pub contents: BTreeMap<String, Content>,
}

/// What is done with a model.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a plan has few of them")]
pub enum Task {
    /// It is trained.
    Train {
        /// How.
        train: TrainSettings,
        /// What it is measured on while it learns.
        evaluation: Option<Box<TrainEval>>,
    },
    /// It is measured on one benchmark.
    Eval(EvalSettings),
}

impl Work {
    /// What is done, in one word.
    pub fn kind(&self) -> JobKind {
        match self.task {
            Task::Train { .. } => JobKind::Train,
            Task::Eval(_) => JobKind::Eval,
        }
    }

    /// The first file or folder whose bytes are no longer those that the job was planned with, with its path
    /// in the spec. One that cannot be read is one of them.
    pub fn changed_input(&self) -> Option<(&str, &Path)> {
        let is_changed = |(role, content): &(&String, &Content)| {
            let digest = self.digests.get(*role);
            !digest.is_some_and(|digest| content.has_digest(digest).unwrap_or(false))
        };
        let (role, content) = self.contents.iter().find(is_changed)?;
        Some((role.as_str(), content.path.as_path()))
    }

    /// The settings of a training, if it is one.
    pub fn as_train(&self) -> Option<&TrainSettings> {
        match &self.task {
            Task::Train { train, .. } => Some(train),
            Task::Eval(_) => None,
        }
    }

    /// How many processes share this work, if `ranks` share each job; a remote model is asked by one.
    pub fn ranks(&self, ranks: usize) -> usize {
        if self.remote().is_some() {
            1
        } else {
            ranks.max(1)
        }
    }

    /// How many GPUs it needs, if `ranks` processes share each job: as many as `asked`, or one for each process on
    /// a GPU backend. A remote model needs none.
    pub fn gpus(&self, asked: Option<u32>, ranks: usize) -> usize {
        match asked {
            _ if self.remote().is_some() => 0,
            Some(asked) => asked as usize,
            None if self.backend == Backend::Cpu => 0,
            None => self.ranks(ranks),
        }
    }

    /// All endpoints that this work sends requests to: that of its model, and that of its teacher.
    pub fn endpoints(&self) -> Vec<RemoteSettings> {
        let teacher = self
            .as_train()
            .and_then(|train| train.algorithm.remote_teacher());
        self.remote().cloned().into_iter().chain(teacher).collect()
    }

    /// The endpoint that this work sends requests to, if its model is at one.
    pub fn remote(&self) -> Option<&RemoteSettings> {
        match (&self.task, &self.start) {
            (Task::Eval(_), Start::Base) => self.model.remote.as_ref(),
            _ => None,
        }
    }
}

/// Where a job's model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The base model of `ModelSettings`.
    Base,
    /// The model that another job has trained.
    Job(JobId),
}

/// The evaluation within a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainEval {
    /// The evaluation.
    pub eval: EvalSettings,
    /// The benchmark's file.
    pub data: PathBuf,
}

/// [`Work`] as `job.json` has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum JobJson {
    Train(WorkJson),
    Eval(WorkJson),
}

#[derive(Serialize, Deserialize)]
struct WorkJson {
    model: ModelSettings,
    model_path: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    teacher_path: Option<PathBuf>,
    start: Start,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    train: Option<TrainSettings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    eval: Option<EvalSettings>,
    data: PathBuf,
    prompts: PromptSettings,
    #[serde(default, skip_serializing_if = "NoteMix::is_plain")]
    notes: NoteMix,
    seed: u64,
    backend: Backend,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evaluation: Option<Box<TrainEval>>,
    digests: BTreeMap<String, Digest>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    contents: BTreeMap<String, Content>,
}

impl From<Work> for JobJson {
    fn from(work: Work) -> Self {
        let kind = work.kind();
        let (train, eval, evaluation) = match work.task {
            Task::Train { train, evaluation } => (Some(train), None, evaluation),
            Task::Eval(eval) => (None, Some(eval), None),
        };
        let json = WorkJson {
            model: work.model,
            model_path: work.model_path,
            teacher_path: work.teacher_path,
            start: work.start,
            train,
            eval,
            data: work.data,
            prompts: work.prompts,
            notes: work.notes,
            seed: work.seed,
            backend: work.backend,
            evaluation,
            digests: work.digests,
            contents: work.contents,
        };
        match kind {
            JobKind::Train => Self::Train(json),
            JobKind::Eval => Self::Eval(json),
        }
    }
}

impl TryFrom<JobJson> for Work {
    type Error = &'static str;

    fn try_from(json: JobJson) -> Result<Self, Self::Error> {
        let (task, json) = match json {
            JobJson::Train(mut json) => {
                let train = json.train.take().ok_or("missing field `train`")?;
                let evaluation = json.evaluation.take();
                (Task::Train { train, evaluation }, json)
            }
            JobJson::Eval(mut json) => {
                let eval = json.eval.take().ok_or("missing field `eval`")?;
                (Task::Eval(eval), json)
            }
        };
        Ok(Self {
            model: json.model,
            model_path: json.model_path,
            teacher_path: json.teacher_path,
            start: json.start,
            task,
            data: json.data,
            prompts: json.prompts,
            notes: json.notes,
            seed: json.seed,
            backend: json.backend,
            digests: json.digests,
            contents: json.contents,
        })
    }
}
