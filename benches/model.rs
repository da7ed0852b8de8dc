//! Speed of the decoder on two threads, compared with PyTorch eager and transformers:
//! `just bench-model`.
//!
//! Both sides run the same random weights in turns, a few steps at a time, so that other load on the
//! machine affects both. A figure is the lower quartile of all steps. `RECODE_PYTHON` names an
//! interpreter with `torch` and `transformers` (default `python3`); arguments choose lines by a
//! part of their name.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::{
    error::Error,
    hint::black_box,
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use burn::tensor::Device;
use rayon::prelude::*;
use recode::{
    allocator::Allocator,
    model::{Decoder, Dtype, KvCache, LanguageModel, SamplingSettings, TokenBatch, generate},
    ranks::Ranks,
    reward::{Mix, Normalizer, RewardSettings, Variant},
    seed::stream,
    train::{
        AdvantageScale, Aggregation, Algorithm, Curriculum, EvalSchedule, EvaluationRecord,
        FinalCheckpoint, GrpoSettings, Inputs, KlEstimator, LearningRate, NonFiniteRecord,
        Observer, OptimizerSettings, RewardTools, Row, RowOrder, SampleRecord, Schedule,
        SftSettings, StepRecord, Timing, TrainError, TrainSettings, train,
    },
};
use serde::Deserialize;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const THREADS: usize = 2;
const CONTEXT: usize = 64;
const PROMPT: usize = 512;

/// A line of the table.
struct Case {
    model: &'static str,
    work: &'static str,
    batch: usize,
    steps: usize,
    rounds: usize,
    /// The target, as a multiple of PyTorch's speed.
    target: f64,
}

const fn decode(
    model: &'static str,
    batch: usize,
    steps: usize,
    rounds: usize,
    target: f64,
) -> Case {
    Case {
        model,
        work: "decode",
        batch,
        steps,
        rounds,
        target,
    }
}

const CASES: [Case; 6] = [
    decode("tiny", 1, 40, 12, 3.0),
    decode("tiny", 8, 40, 12, 3.0),
    // Last of its model: it changes the weights of the Python side.
    Case {
        model: "tiny",
        work: "train",
        batch: 8,
        steps: 4,
        rounds: 6,
        target: 1.0,
    },
    decode("qwen2.5-0.5b", 1, 6, 5, 1.0),
    decode("qwen2.5-0.5b", 8, 4, 5, 1.0),
    Case {
        model: "qwen2.5-0.5b",
        work: "prompt",
        batch: 1,
        steps: 1,
        rounds: 5,
        target: 1.2,
    },
];

/// Tokens of a training row.
const ROW: usize = 256;

/// The share of the memory's bandwidth that decoding one sequence should reach.
const BANDWIDTH_TARGET: f64 = 0.75;

#[derive(Deserialize)]
struct Answer {
    seconds: Vec<f64>,
    logits: Vec<f32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    rayon::ThreadPoolBuilder::new()
        .num_threads(THREADS)
        .build_global()?;
    let folder = tempfile::tempdir()?;
    let mut reference = Reference::start(folder.path())?;
    let probe = json!({"model": "tiny", "work": "write"});
    if reference.ask::<serde_json::Value>(&probe).is_err() {
        println!("not measured: `RECODE_PYTHON` names no Python with `torch` and `transformers`");
        return Ok(());
    }
    println!(
        "{:<34}{:>12}{:>12}{:>8}{:>8}{:>12}",
        "32 bits, two threads", "ours, ms", "torch, ms", "ratio", "target", "difference"
    );
    let mut loaded: Option<(&str, LanguageModel)> = None;
    for case in CASES {
        let name = format!("{}, {}, batch {}", case.model, case.work, case.batch);
        if !chosen.is_empty() && !chosen.iter().any(|part| name.contains(part)) {
            continue;
        }
        if loaded
            .as_ref()
            .is_none_or(|(model, _)| *model != case.model)
        {
            reference.ask::<serde_json::Value>(&json!({"model": case.model, "work": "write"}))?;
            let path = folder.path().join(case.model);
            drop(loaded.take());
            loaded = Some((
                case.model,
                LanguageModel::load(&path, Dtype::F32, &Device::flex())?,
            ));
        }
        if let Some((_, model)) = &loaded {
            measure(&name, &case, model, &mut reference)?;
            if case.work == "train" {
                shares(model)?;
                parts(model)?;
            }
        }
    }
    Ok(())
}

fn measure(
    name: &str,
    case: &Case,
    model: &LanguageModel,
    reference: &mut Reference,
) -> Result<(), Box<dyn Error>> {
    let (mut ours, mut theirs, mut bandwidth) = (Vec::new(), Vec::new(), 0.0_f64);
    let mut difference = 0.0_f32;
    for _ in 0..case.rounds {
        bandwidth = bandwidth.max(read_bandwidth());
        let (seconds, logits) = run(case, model)?;
        ours.extend(seconds);
        let context = match case.work {
            "prompt" => PROMPT,
            "train" => ROW,
            _ => CONTEXT,
        };
        let answer: Answer = reference.ask(&json!({
            "model": case.model, "work": case.work, "batch": case.batch, "context": context,
            "steps": case.steps,
        }))?;
        theirs.extend(answer.seconds);
        for (a, b) in logits.iter().zip(&answer.logits) {
            difference = difference.max((a - b).abs());
        }
        // The threads of both sides wait for work for a while before they sleep.
        thread::sleep(Duration::from_millis(50));
    }
    let (ours, theirs) = (quartile(ours), quartile(theirs));
    println!(
        "{name:<34}{:>12.3}{:>12.3}{:>8.2}{:>8.2}{difference:>12.1e}",
        ours * 1e3,
        theirs * 1e3,
        theirs / ours,
        case.target
    );
    if case.work == "decode" && case.batch == 1 {
        // Every step reads all parameters, the tied embedding once as the head.
        let bytes =
            std::fs::metadata(reference.folder.join(case.model).join("model.safetensors"))?.len();
        let bytes = bytes as f64;
        println!(
            "{:<34}{:>12.3} ms at {bandwidth:.1} GB/s: {:.0} % of the bound, target {:.0} %",
            format!("  {:.0} MB of weights a step", bytes / 1e6),
            bytes / bandwidth / 1e6,
            bytes / 1e9 / bandwidth / ours * 100.0,
            BANDWIDTH_TARGET * 100.0
        );
    }
    Ok(())
}

/// Gigabytes a second that both threads together read.
fn read_bandwidth() -> f64 {
    let data = vec![1.0_f32; 64 << 20];
    let sum = |part: &[f32]| {
        let mut sums = [0.0; 32];
        for chunk in part.as_chunks::<32>().0 {
            for (sum, value) in sums.iter_mut().zip(chunk) {
                *sum += value;
            }
        }
        sums.iter().sum::<f32>()
    };
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        let start = Instant::now();
        black_box(data.par_chunks(1 << 18).map(sum).sum::<f32>());
        best = best.min(start.elapsed().as_secs_f64());
    }
    data.len() as f64 * 4.0 / 1e9 / best
}

/// The seconds of each step, and some logits of the last.
fn run(case: &Case, model: &LanguageModel) -> Result<(Vec<f64>, Vec<f32>), Box<dyn Error>> {
    if case.work == "train" {
        let steps = trained(model, &sft(case.batch, case.steps), &texts(case.batch))?;
        return Ok((steps.iter().map(|step| step.seconds).collect(), Vec::new()));
    }
    let decoder = &model.decoder;
    let vocabulary = model.config.vocab_size;
    let tokens = |batch: usize, time: usize| -> Vec<Vec<u32>> {
        let token = |index: usize| u32::try_from((index * 7919 + 13) % vocabulary).unwrap_or(0);
        (0..batch)
            .map(|row| (row * time..(row + 1) * time).map(token).collect())
            .collect()
    };
    let (mut seconds, mut logits) = (Vec::new(), Vec::new());
    if case.work == "prompt" {
        for _ in 0..case.steps {
            let mut cache = KvCache::new(decoder.num_layers());
            let start = Instant::now();
            logits = last(decoder, &tokens(1, PROMPT), &mut cache);
            seconds.push(start.elapsed().as_secs_f64());
        }
    } else {
        let mut cache = KvCache::new(decoder.num_layers());
        last(decoder, &tokens(case.batch, CONTEXT), &mut cache);
        for step in 0..case.steps {
            let token = u32::try_from(step + 1).unwrap_or(0);
            let start = Instant::now();
            logits = last(decoder, &vec![vec![token]; case.batch], &mut cache);
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    logits.truncate(64);
    Ok((seconds, logits))
}

/// The times of a training's steps.
fn trained(
    model: &LanguageModel,
    settings: &TrainSettings,
    rows: &[Row],
) -> Result<Vec<Timing>, Box<dyn Error>> {
    #[derive(Default)]
    struct Times(Vec<Timing>);
    impl Observer for Times {
        fn on_resume(&mut self, _: usize, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn evaluate(
            &mut self,
            _: &LanguageModel,
            _: usize,
        ) -> Result<Option<EvaluationRecord>, TrainError> {
            Ok(None)
        }
        fn on_non_finite(&mut self, _: &NonFiniteRecord) -> io::Result<()> {
            Ok(())
        }
        fn on_step(&mut self, record: &StepRecord) -> io::Result<()> {
            self.0.push(record.timing);
            Ok(())
        }
        fn on_sample(&mut self, _: &SampleRecord) -> io::Result<()> {
            Ok(())
        }
        fn on_note(&mut self, _: &str) {}
        fn should_stop(&self) -> bool {
            false
        }
    }
    let folder = tempfile::tempdir()?;
    let mut model = model.clone();
    model.stop_tokens = Vec::new();
    let all_weights = serde_json::from_value(json!({
        "kind": "none", "r": 1, "alpha": 1.0, "dropout": 0.0, "targets": ["q_proj"],
    }))?;
    model.attach_adapter(&all_weights, 1)?;
    let mut times = Times::default();
    let inputs = Inputs {
        settings,
        rows,
        seed: 1,
        checkpoints: folder.path(),
        tools: RewardTools::default(),
        ranks: &Ranks::alone(),
        teacher: None,
    };
    train(model, &inputs, &mut times)?;
    Ok(times.0)
}

fn sft(batch: usize, steps: usize) -> TrainSettings {
    let algorithm = Algorithm::Sft(SftSettings {
        prompt_weight: 1.0,
        order: RowOrder::File,
    });
    // A micro-batch for each thread.
    settings(algorithm, batch, steps, batch * ROW / THREADS)
}

fn settings(algorithm: Algorithm, batch: usize, steps: usize, most: usize) -> TrainSettings {
    TrainSettings {
        algorithm,
        reward: Mix::from(Variant::EsStar),
        reward_settings: RewardSettings::of(Normalizer::Fixed),
        max_steps: steps,
        batch_size: batch,
        group_size: 8,
        learning_rate: LearningRate {
            peak: 1e-4,
            warmup_steps: 0,
            schedule: Schedule::Constant,
            floor: 0.0,
        },
        optimizer: OptimizerSettings {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
        },
        sampling: settings_of_sampling(128),
        max_prompt_tokens: ROW,
        micro_batch_tokens: most,
        gradient_checkpointing: false,
        save_every: 0,
        keep_checkpoints: 1,
        samples_every: 1,
        curriculum: Curriculum::default(),
        target_log_prob_rows: 0,
        eval: EvalSchedule::default(),
        checkpoint: FinalCheckpoint::Last,
    }
}

fn settings_of_sampling(max_completion_tokens: usize) -> SamplingSettings {
    SamplingSettings {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        max_completion_tokens,
    }
}

/// Rows with this many tokens.
fn texts(count: usize) -> Vec<Row> {
    let word = |index: usize| format!("w{}", (index * 7919 + 13) % 512);
    let words = |first: usize, count: usize| -> String {
        let words: Vec<String> = (first..first + count).map(word).collect();
        words.join(" ")
    };
    (0..count)
        .map(|row| Row {
            id: row.to_string(),
            prompt: words(row * ROW, ROW / 2),
            is_raw: true,
            target_code: "print(1)".to_owned(),
            target_text: words(row * ROW + ROW / 2, ROW / 2),
            note: String::new(),
            tests: None,
        })
        .collect()
}

/// The share of each part in steps of GRPO: four prompts, eight completions of 128 tokens each.
fn shares(model: &LanguageModel) -> Result<(), Box<dyn Error>> {
    let algorithm = Algorithm::Grpo(GrpoSettings {
        beta: 0.0,
        kl_estimator: KlEstimator::K3,
        entropy_bonus: 0.0,
        updates_per_rollout: 1,
        clip_low: 0.2,
        clip_high: 0.2,
        aggregation: Aggregation::Sequence,
        advantage_scale: AdvantageScale::Group,
        advantage_epsilon: 1e-4,
        mask_truncated: false,
    });
    let settings = settings(algorithm, 4, 6, 8 * ROW);
    let steps = trained(model, &settings, &texts(4))?;
    let steps = &steps[1..];
    let sum = |part: fn(&Timing) -> f64| steps.iter().map(part).sum::<f64>();
    let all = sum(|step| step.seconds);
    println!(
        "tiny, a step of GRPO, 32 completions of 128 tokens: {:.0} ms; sampling {:.0} %, reward \
         {:.1} %, update {:.0} %",
        all / steps.len() as f64 * 1e3,
        sum(|step| step.sampling_seconds) / all * 100.0,
        sum(|step| step.reward_seconds) / all * 100.0,
        sum(|step| step.update_seconds) / all * 100.0
    );
    Ok(())
}

/// The time of sampling by number of rows, and of a training pass by kind of adapter.
fn parts(model: &LanguageModel) -> Result<(), Box<dyn Error>> {
    let vocabulary = model.config.vocab_size;
    let rows = |count: usize, time: usize| -> Vec<Vec<u32>> {
        let token = |index: usize| u32::try_from((index * 7919 + 13) % vocabulary).unwrap_or(0);
        (0..count)
            .map(|row| (row * time..(row + 1) * time).map(token).collect())
            .collect()
    };
    let report = |what: &str, tokens: usize, start: Instant| {
        let seconds = start.elapsed().as_secs_f64();
        let rate = tokens as f64 / seconds;
        println!(
            "tiny, {what}: {:.0} ms, {rate:.0} tokens a second",
            seconds * 1e3
        );
    };
    let sampling = settings_of_sampling(100);
    let mut endless = model.clone();
    endless.stop_tokens = Vec::new();
    for (batch, group) in [(8, 1), (64, 1), (64, 8)] {
        let distinct = rows(batch / group, 200);
        let prompts: Vec<_> = (0..batch)
            .map(|row| distinct[row / group].clone())
            .collect();
        let streams = (0..batch as u64).map(|row| stream(1, "sampling", 0, row));
        let start = Instant::now();
        generate(
            &endless,
            &prompts,
            &sampling,
            streams.collect(),
            &mut || false,
        )?;
        let what = format!("sampling, batch {batch}, groups of {group}");
        report(&what, batch * sampling.max_completion_tokens, start);
    }
    let tokens = TokenBatch::new(&rows(16, 200), &rows(16, 100));
    for kind in ["none", "lora", "dora"] {
        let mut adapted = model.clone();
        adapted.attach_adapter(
            &serde_json::from_value(json!({
                "kind": kind, "r": 16, "alpha": 16.0, "dropout": 0.0, "targets": ["attention"],
            }))?,
            1,
        )?;
        let start = Instant::now();
        let output = adapted.decoder.log_probs(&tokens, 1.0, None);
        report(&format!("adapter {kind}, forward"), 16 * 300, start);
        let mut gradients = output.log_probs.sum().backward();
        adapted.decoder.gradients(&mut gradients);
        report(
            &format!("adapter {kind}, forward and backward"),
            16 * 300,
            start,
        );
    }
    Ok(())
}

/// The logits of the last token of each row.
fn last(decoder: &Decoder, tokens: &[Vec<u32>], cache: &mut KvCache) -> Vec<f32> {
    let hidden = decoder.last_hidden(&TokenBatch::of_prompts(tokens), cache);
    let logits = decoder.logits(hidden).into_data();
    logits
        .as_slice::<f32>()
        .map(<[f32]>::to_vec)
        .unwrap_or_default()
}

fn quartile(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 4]
}

/// The Python side, which waits for requests.
struct Reference {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    child: Child,
    /// The folder that it writes the models to.
    folder: PathBuf,
}

impl Reference {
    fn start(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let python = std::env::var("RECODE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let mut child = Command::new(python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/benches/reference_model.py"
            ))
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().ok_or("no standard input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Self {
            input,
            output,
            child,
            folder: folder.to_owned(),
        })
    }

    fn ask<T: for<'de> Deserialize<'de>>(
        &mut self,
        request: &serde_json::Value,
    ) -> Result<T, Box<dyn Error>> {
        writeln!(self.input, "{request}")?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("the Python side ended".into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // After an error here the process still ends, at the end of its input.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
