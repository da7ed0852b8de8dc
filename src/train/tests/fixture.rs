//! A micro model, an observer that records everything, and rewards.

use std::{cell::Cell, collections::BTreeMap, io};

use burn::tensor::{DType, Device, Tensor, TensorData};
use serde_json::json;

use crate::{
    model::{
        AdapterKind, AdapterSettings, Dtype, LanguageModel, SamplingSettings, ScratchSettings,
        Targets,
    },
    ranks::Ranks,
    reward::{Mix, Normalizer, RewardError, RewardSettings, Variant},
    settings::Field,
    train::{
        AdvantageScale, Aggregation, Algorithm, AlgorithmInfo, CispoSettings, Curriculum,
        DapoSettings, EvalSchedule, EvaluationRecord, FinalCheckpoint, GrpoSettings, GspoSettings,
        Inputs, KlEstimator, LearningRate, NonFiniteRecord, Observer, OptimizerSettings, Outcome,
        RewardRecord, RewardTools, Row, SampleRecord, Schedule, StepRecord, Teacher, Timing,
        TrainError, TrainSettings,
        context::{StepContext, UpdateContext},
        learner::Named,
        loss::sequence_weights,
        rollout::{
            answer::Answer,
            objective::{Objective, TokenScores},
            reward::RewardFn,
        },
        run::train_with,
    },
};

/// The first update of a training, with a large step.
pub(super) const UPDATE: UpdateContext = UpdateContext {
    step: StepContext {
        step: 0,
        first_row: 0,
        learning_rate: 0.01,
    },
    update: 0,
    temperature: 0.9,
};

/// The words of the micro model, after its only special token.
const WORDS: usize = 12;

/// A model with one layer, 16 wide, whose words are `w1`, `w2` and so on.
pub(in crate::train) fn model(adapter: AdapterKind, dropout: f64) -> LanguageModel {
    model_on(&Device::flex(), adapter, dropout)
}

/// [`model`] on a device.
pub(super) fn model_on(device: &Device, adapter: AdapterKind, dropout: f64) -> LanguageModel {
    model_of(
        (1..=WORDS).map(|word| format!("w{word}")),
        device,
        adapter,
        dropout,
    )
}

/// [`model`] with other words, of which there are as many.
pub(super) fn model_of(
    words: impl Iterator<Item = String>,
    device: &Device,
    adapter: AdapterKind,
    dropout: f64,
) -> LanguageModel {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let names = std::iter::once("<|endoftext|>".to_owned()).chain(words);
    let vocabulary: BTreeMap<String, usize> = names.zip(0..).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{"id": 0, "content": "<|endoftext|>", "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "w1"},
    });
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let shape = ScratchSettings {
        tokenizer: path,
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        rope_theta: 10_000.0,
        max_position_embeddings: 32,
        init_seed: 3,
    };
    let mut model = LanguageModel::scratch(&shape, Dtype::F32, device).unwrap();
    let targets = Targets(vec!["q_proj".to_owned(), "down_proj".to_owned()]);
    let settings = AdapterSettings {
        kind: adapter,
        r: 4,
        alpha: 8.0,
        dropout,
        targets,
    };
    model.attach_adapter(&settings, 1).unwrap();
    model
}

/// Settings for a few short steps.
pub(super) fn settings(algorithm: Algorithm) -> TrainSettings {
    TrainSettings {
        algorithm,
        reward: Mix::from(Variant::EsStar),
        reward_settings: RewardSettings::of(Normalizer::Fixed),
        max_steps: 6,
        batch_size: 3,
        group_size: 4,
        learning_rate: LearningRate {
            peak: 0.02,
            warmup_steps: 0,
            schedule: Schedule::Cosine,
            floor: 0.0,
        },
        optimizer: OptimizerSettings {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
        },
        sampling: SamplingSettings {
            temperature: 0.9,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            max_completion_tokens: 5,
        },
        max_prompt_tokens: 8,
        micro_batch_tokens: 40,
        gradient_checkpointing: false,
        save_every: 4,
        keep_checkpoints: 2,
        samples_every: 1,
        curriculum: Curriculum::default(),
        target_log_prob_rows: 0,
        eval: EvalSchedule::default(),
        checkpoint: FinalCheckpoint::default(),
    }
}

pub(super) fn grpo(beta: f64) -> Algorithm {
    Algorithm::Grpo(grpo_settings(beta))
}

pub(super) fn grpo_settings(beta: f64) -> GrpoSettings {
    GrpoSettings {
        beta,
        kl_estimator: KlEstimator::K3,
        entropy_bonus: 0.0,
        updates_per_rollout: 1,
        clip_low: 0.2,
        clip_high: 0.2,
        aggregation: Aggregation::Sequence,
        advantage_scale: AdvantageScale::Group,
        advantage_epsilon: 1e-4,
        mask_truncated: false,
    }
}

pub(super) fn dapo() -> Algorithm {
    Algorithm::Dapo(DapoSettings {
        clip_low: 0.2,
        clip_high: 0.28,
        clip_ratio_c: 10.0,
        advantage_epsilon: 1e-6,
        mini_batch_size: 2,
        dynamic_sampling: true,
        max_generation_batches: 3,
        overlong_buffer: 2,
        overlong_factor: 1.0,
    })
}

pub(super) fn gspo() -> Algorithm {
    Algorithm::Gspo(GspoSettings {
        clip_low: 0.2,
        clip_high: 0.2,
        advantage_epsilon: 1e-6,
        mini_batch_size: 2,
    })
}

pub(super) fn cispo() -> Algorithm {
    Algorithm::Cispo(CispoSettings {
        largest_ratio: 5.0,
        advantage_epsilon: 1e-6,
        mini_batch_size: 2,
    })
}

/// An algorithm of the registry with its default settings.
pub(super) fn with_defaults(algorithm: &AlgorithmInfo) -> Algorithm {
    let mut defaults = toml::Table::new();
    for field in algorithm.fields {
        if let Field::Key(key) = field {
            // A key without a default may be left out.
            let default = key
                .default
                .map(|default| format!("{} = {default}", key.name));
            defaults.extend(default.unwrap_or_default().parse::<toml::Table>().unwrap());
        }
    }
    serde_json::from_value(json!({ algorithm.name: defaults })).unwrap()
}

/// A batch of completions by the log-probabilities of their tokens.
pub(in crate::train) struct LogProbBatch<'a> {
    /// Under the policy in training.
    pub(in crate::train) new: &'a [&'a [f64]],
    /// Under the policy that sampled; the same if there is none.
    pub(in crate::train) old: Option<&'a [&'a [f64]]>,
    /// Under the reference.
    pub(in crate::train) reference: Option<&'a [&'a [f64]]>,
}

/// The loss of an update from one batch, and the gradient of each log-probability, in double
/// precision. Rows of the gradient are padded with zeros to the longest completion.
pub(in crate::train) fn loss_and_gradient(
    objective: &Objective,
    batch: &LogProbBatch<'_>,
    advantages: &[f64],
) -> (f64, Vec<Vec<f64>>) {
    let device = Device::flex().autodiff();
    let lengths: Vec<usize> = batch.new.iter().map(|row| row.len()).collect();
    let columns = lengths.iter().copied().max().unwrap();
    let tensor = |rows: Vec<Vec<f64>>, columns: usize| {
        let count = rows.len();
        let padded = rows.into_iter().flat_map(|mut row| {
            row.resize(columns, 0.0);
            row
        });
        let data = TensorData::new(padded.collect::<Vec<f64>>(), [count, columns]);
        Tensor::<2>::from_data(data, (&device, DType::F64))
    };
    let rows = |rows: &[&[f64]]| {
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| row.to_vec()).collect();
        tensor(rows, columns)
    };
    let repeated = |values: &[f64]| {
        let values = values.iter().zip(&lengths);
        let rows = values.map(|(value, length)| vec![*value; *length]);
        tensor(rows.collect(), columns)
    };
    let weights = sequence_weights(objective.aggregation, &lengths, columns);
    let new = rows(batch.new).require_grad();
    let old = batch.old.map_or_else(|| new.clone().detach(), rows);
    let advantage = tensor(advantages.iter().map(|one| vec![*one]).collect(), 1);
    let mask = repeated(&vec![1.0; lengths.len()]);
    let (loss, _) = objective.token_loss(TokenScores {
        log_prob: new.clone(),
        old_log_prob: old,
        advantage,
        mask,
        reference: batch.reference.map(rows),
        entropy: None,
        divergence: None,
        teacher: None,
    });
    let loss = (loss * repeated(&weights)).sum();
    let gradient = new.grad(&loss.backward()).unwrap().into_data();
    let gradient: Vec<f64> = gradient.iter::<f64>().collect();
    let loss = loss.into_data().iter::<f64>().next().unwrap();
    (
        loss,
        gradient.chunks(columns).map(<[f64]>::to_vec).collect(),
    )
}

/// Fails unless the numbers agree up to the rounding of double precision.
pub(in crate::train) fn assert_close(ours: &[f64], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len());
    for (ours, expected) in ours.iter().zip(expected) {
        // 1e-12: f64, numbers of order one.
        assert!((ours - expected).abs() < 1e-12, "{ours} {expected}");
    }
}

/// Five rows with prompts of different lengths.
pub(super) fn rows() -> Vec<Row> {
    let row = |index: usize, prompt: &str, target: &str| Row {
        id: format!("row {index}"),
        is_raw: true,
        prompt: prompt.to_owned(),
        target_code: target.to_owned(),
        target_text: target.to_owned(),
        note: String::new(),
        tests: None,
    };
    vec![
        row(0, "w1 w2", "w5 w6"),
        row(1, "w2", "w7"),
        row(2, "w3 w4 w1", "w8 w5 w9"),
        row(3, "w4", "w5"),
        row(4, "w9 w9", "w6 w7"),
    ]
}

/// Records everything, and stops a training after a number of questions or steps.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) records: Vec<StepRecord>,
    pub(super) samples: Vec<SampleRecord>,
    pub(super) non_finite: Vec<NonFiniteRecord>,
    pub(super) evaluations: Vec<EvaluationRecord>,
    /// How many samples pass at a step.
    pub(super) passed: Option<fn(usize) -> usize>,
    /// The weights that were evaluated at a step.
    pub(super) measured: BTreeMap<usize, Vec<u32>>,
    /// Stops in the evaluation of this step.
    pub(super) stop_in_evaluation: Option<usize>,
    pub(super) notes: Vec<String>,
    /// The step at which each attempt began.
    pub(super) resumed: Vec<usize>,
    /// The last step that was recorded before each checkpoint.
    pub(super) checkpoints: Vec<usize>,
    /// Stops when this step is done.
    pub(super) stop_after: Option<usize>,
    /// Stops at this question.
    pub(super) stop_at_question: Option<usize>,
    pub(super) questions: Cell<usize>,
}

impl Observer for Recorder {
    fn on_resume(&mut self, step: usize, evaluated: usize) -> io::Result<()> {
        self.resumed.push(step);
        self.records.retain(|record| record.step <= step);
        self.samples.retain(|sample| sample.step <= step);
        self.non_finite.retain(|update| update.step <= step);
        self.evaluations.retain(|record| record.step <= evaluated);
        Ok(())
    }

    fn evaluate(
        &mut self,
        model: &LanguageModel,
        step: usize,
    ) -> Result<Option<EvaluationRecord>, TrainError> {
        if self.stop_in_evaluation == Some(step) {
            return Ok(None);
        }
        let passed = self.passed.map_or(0, |passed| passed(step));
        let record = EvaluationRecord {
            step,
            pass_at_1: passed as f64 / 10.0,
            passed,
            counts: BTreeMap::new(),
        };
        self.measured.insert(step, bits(&model.decoder.trainable()));
        self.evaluations.push(record.clone());
        Ok(Some(record))
    }

    fn on_step(&mut self, record: &StepRecord) -> io::Result<()> {
        self.records.push(StepRecord {
            timing: Timing::default(),
            ..record.clone()
        });
        Ok(())
    }

    fn on_sample(&mut self, sample: &SampleRecord) -> io::Result<()> {
        self.samples.push(sample.clone());
        Ok(())
    }

    fn on_non_finite(&mut self, update: &NonFiniteRecord) -> io::Result<()> {
        self.non_finite.push(update.clone());
        Ok(())
    }

    fn before_checkpoint(&mut self) -> io::Result<()> {
        let done = self.records.last().map_or(0, |record| record.step);
        self.checkpoints.push(done);
        Ok(())
    }

    fn on_note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    fn should_stop(&self) -> bool {
        self.questions.set(self.questions.get() + 1);
        let is_enough = self
            .stop_at_question
            .is_some_and(|most| self.questions.get() >= most);
        let done = self.records.last().map_or(0, |record| record.step);
        is_enough || self.stop_after.is_some_and(|step| done >= step)
    }
}

/// Trains on `rows` in a folder of its own.
pub(super) fn train_on(
    rows: &[Row],
    model: LanguageModel,
    settings: &TrainSettings,
    reward: &ByText,
) -> (Result<Outcome, TrainError>, Recorder) {
    train_with_teacher(rows, model, settings, None, reward)
}

/// [`train_on`] with a model to imitate.
pub(super) fn train_with_teacher(
    rows: &[Row],
    model: LanguageModel,
    settings: &TrainSettings,
    teacher: Option<Teacher<'_>>,
    reward: &ByText,
) -> (Result<Outcome, TrainError>, Recorder) {
    let folder = tempfile::tempdir().unwrap();
    let inputs = Inputs {
        settings,
        rows,
        seed: 5,
        checkpoints: folder.path(),
        tools: RewardTools::default(),
        ranks: &Ranks::alone(),
        teacher,
    };
    let mut recorder = Recorder::default();
    (train_with(model, &inputs, &mut recorder, reward), recorder)
}

/// [`train_on`] the first two rows.
pub(super) fn train_two_rows(
    model: LanguageModel,
    settings: &TrainSettings,
    reward: &ByText,
) -> (Result<Outcome, TrainError>, Recorder) {
    train_on(&rows()[..2], model, settings, reward)
}

/// A reward that is a function of the completion's text.
pub(super) struct ByText(pub(super) fn(&str) -> f64);

impl RewardFn for ByText {
    fn rewards(&self, answers: &[Answer<'_>], _: usize) -> Result<Vec<RewardRecord>, RewardError> {
        let reward = |text: &str| {
            let correctness = (self.0)(text);
            RewardRecord {
                total: correctness - 1.0,
                format: -1.0,
                correctness,
                ..RewardRecord::default()
            }
        };
        Ok(answers.iter().map(|answer| reward(answer.text)).collect())
    }
}

/// All numbers of named tensors, in the order of the names.
pub(super) fn values(named: &Named) -> Vec<f32> {
    named
        .values()
        .flat_map(|tensor| tensor.to_data().try_to_vec::<f32>().unwrap())
        .collect()
}

/// The bits of all numbers of named tensors.
pub(super) fn bits(named: &Named) -> Vec<u32> {
    values(named).into_iter().map(f32::to_bits).collect()
}
