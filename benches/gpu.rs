//! One measurement on a GPU for `benches/gpu.py`, which compares it with PyTorch: `just gpu-bench`.
//!
//! Usage: `gpu WORK FOLDER [key=value...]`, with `WORK` one of `logits` (the GPU's compared with the
//! CPU's), `decode` (the decoder alone), `generate` (whole completions), `parts` (single operations of
//! Burn at the shapes of a decode step), `products` (ours and Burn's) and `choices` (ways to compute
//! products of a few rows). Prints one line of JSON.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints what it measured, and on the error channel what it is at"
)]

use std::{collections::BTreeMap, error::Error, path::Path, time::Instant};

use burn::tensor::{DType, Device, Distribution, Int, Tensor, activation::softmax};
use recode::{
    device::Backend,
    model::{
        Declined, Decoder, Dtype, KvCache, LanguageModel, MemorySize, SamplingSettings, TokenBatch,
        fallbacks, gated_mlp, generate, gpu_product_by_choice, logits as head_logits, product,
        products,
    },
    seed::stream,
};
use serde_json::{Value, json};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let [work, folder, options @ ..] = words.as_slice() else {
        println!("nothing measured: `just gpu-bench` runs this with what to measure");
        return Ok(());
    };
    let options = Options(
        options
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
    );
    let device = options.backend()?.open()?;
    let folder = Path::new(folder);
    let answer = match work.as_str() {
        "logits" => logits(folder, &device, &options)?,
        "decode" => decode(folder, &device, &options)?,
        "generate" => complete(folder, &device, &options)?,
        "parts" => parts(&device, &options)?,
        "products" => all_products(&device, &options)?,
        "choices" => choices(&device, &options)?,
        other => return Err(format!("unknown work `{other}`").into()),
    };
    println!("{answer}");
    Ok(())
}

struct Options(BTreeMap<String, String>);

impl Options {
    fn number(&self, key: &str, default: usize) -> usize {
        let found = self.0.get(key).and_then(|value| value.parse().ok());
        found.unwrap_or(default)
    }

    fn dtype(&self) -> Dtype {
        match self.0.get("dtype").map(String::as_str) {
            Some("f32") => Dtype::F32,
            _ => Dtype::Bf16,
        }
    }

    fn backend(&self) -> Result<Backend, Failure> {
        let name = self.0.get("backend").map_or("cuda", String::as_str);
        Backend::ALL
            .into_iter()
            .find(|backend| backend.name() == name)
            .ok_or_else(|| format!("unknown backend `{name}`").into())
    }
}

fn prompts(model: &LanguageModel, batch: usize, time: usize) -> Vec<Vec<u32>> {
    let vocabulary = model.config.vocab_size;
    let token = |index: usize| u32::try_from((index * 7919 + 13) % vocabulary).unwrap_or(0);
    (0..batch)
        .map(|row| (row * time..(row + 1) * time).map(token).collect())
        .collect()
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The largest difference of any logit between the GPU and the CPU in 32 bits.
fn logits(folder: &Path, device: &Device, options: &Options) -> Result<Value, Failure> {
    let time = options.number("context", 64);
    let all = |dtype: Dtype, device: &Device| -> Result<(Vec<f32>, usize), Failure> {
        let model = LanguageModel::load(folder, dtype, device)?;
        let tokens = TokenBatch::of_prompts(&prompts(&model, 2, time));
        let hidden = model.decoder.hidden(&tokens, None, None);
        let [batch, time, width] = hidden.dims();
        let logits = model.decoder.logits(hidden.reshape([batch * time, width]));
        Ok((floats(logits), model.config.vocab_size))
    };
    let (expected, vocabulary) = all(Dtype::F32, &Device::flex())?;
    let spread = {
        let mean =
            expected.iter().map(|value| f64::from(*value)).sum::<f64>() / expected.len() as f64;
        let square = |value: &f32| (f64::from(*value) - mean).powi(2);
        (expected.iter().map(square).sum::<f64>() / expected.len() as f64).sqrt()
    };
    let mut answer = json!({"spread": spread});
    for (name, dtype) in [("f32", Dtype::F32), ("bf16", Dtype::Bf16)] {
        let clock = Instant::now();
        let (found, _) = all(dtype, device)?;
        eprintln!("logits in {name}: {:.1} s", clock.elapsed().as_secs_f64());
        let gaps = found
            .iter()
            .zip(&expected)
            .map(|(a, b)| f64::from((a - b).abs()));
        let largest = gaps.clone().fold(0.0, f64::max);
        let mean = gaps.sum::<f64>() / expected.len() as f64;
        let best = |row: &[f32]| {
            let mut best = 0;
            for (place, value) in row.iter().enumerate() {
                if *value > row[best] {
                    best = place;
                }
            }
            best
        };
        let rows = found.chunks(vocabulary).zip(expected.chunks(vocabulary));
        let total = rows.len();
        let equal = rows.filter(|(a, b)| best(a) == best(b)).count();
        answer[name] = json!({
            "largest": largest, "mean": mean, "same_argmax": equal as f64 / total as f64,
        });
    }
    Ok(answer)
}

/// Seconds of each greedy step of the decoder; the token is read from the device after each.
fn decode(folder: &Path, device: &Device, options: &Options) -> Result<Value, Failure> {
    let (batch, context, steps) = (
        options.number("batch", 8),
        options.number("context", 700),
        options.number("steps", 64),
    );
    let clock = Instant::now();
    let model = LanguageModel::load(folder, options.dtype(), device)?;
    device.sync()?;
    let load = clock.elapsed().as_secs_f64();
    let mut cache = KvCache::new(model.decoder.num_layers());
    let clock = Instant::now();
    let mut next = greedy(&model.decoder, &prompts(&model, batch, context), &mut cache);
    let first_prompt = clock.elapsed().as_secs_f64();
    eprintln!("loaded in {load:.1} s, first prompt in {first_prompt:.1} s");
    let mut seconds = Vec::new();
    for _ in 0..steps {
        let tokens: Vec<Vec<u32>> = next.iter().map(|token| vec![*token]).collect();
        let clock = Instant::now();
        next = greedy(&model.decoder, &tokens, &mut cache);
        seconds.push(clock.elapsed().as_secs_f64());
        eprintln!("step {:.1} ms", clock.elapsed().as_secs_f64() * 1e3);
    }
    let mut cache = KvCache::new(model.decoder.num_layers());
    let clock = Instant::now();
    greedy(&model.decoder, &prompts(&model, batch, context), &mut cache);
    let prompt = clock.elapsed().as_secs_f64();
    Ok(json!({
        "load": load, "first_prompt": first_prompt, "prompt": prompt, "seconds": seconds,
        "pool": format!("{:?}", device.memory_pool_usage()),
    }))
}

fn greedy(decoder: &Decoder, tokens: &[Vec<u32>], cache: &mut KvCache) -> Vec<u32> {
    let hidden = decoder.hidden(&TokenBatch::of_prompts(tokens), Some(cache), None);
    let [batch, time, width] = hidden.dims();
    let hidden: Tensor<2> = hidden.narrow(1, time - 1, 1).reshape([batch, width]);
    let best: Tensor<2, Int> = decoder.logits(hidden).argmax(1);
    best.into_data().iter::<u32>().collect()
}

/// Tokens a second of whole completions, sampled.
fn complete(folder: &Path, device: &Device, options: &Options) -> Result<Value, Failure> {
    let (batch, context, steps) = (
        options.number("batch", 8),
        options.number("context", 700),
        options.number("steps", 64),
    );
    let mut model = LanguageModel::load(folder, options.dtype(), device)?;
    model.stop_tokens = Vec::new();
    model.kv_cache = MemorySize::gib(40);
    let settings = SamplingSettings {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        max_completion_tokens: steps,
    };
    let mut runs = Vec::new();
    for run in 0..2_u64 {
        // A group of completions of one prompt, as a training draws them.
        let prompt = prompts(&model, 1, context).remove(0);
        let streams = (0..batch as u64).map(|row| stream(run, "bench", 0, row));
        let mut times = Vec::new();
        let clock = Instant::now();
        let completions = generate(
            &model,
            &vec![prompt; batch],
            &settings,
            streams.collect(),
            &mut || {
                times.push(clock.elapsed().as_secs_f64());
                false
            },
        )?;
        let tokens: usize = completions.iter().map(|one| one.tokens.len()).sum();
        runs.push(json!({
            "seconds": clock.elapsed().as_secs_f64(), "tokens": tokens, "times": times,
        }));
    }
    Ok(json!({"runs": runs}))
}

/// Microseconds of single operations at the shapes of the 7B decode step.
#[expect(clippy::too_many_lines, reason = "a list of what is timed")]
fn parts(device: &Device, options: &Options) -> Result<Value, Failure> {
    let (rows, total) = (options.number("batch", 8), options.number("context", 700));
    let (d, wide, kv, heads, head, vocabulary) = (3584, 18944, 4, 28, 128, 152_064);
    let dtype = DType::BF16;
    let random = |shape: [usize; 2]| -> Tensor<2> {
        Tensor::<2>::random(shape, Distribution::Normal(0.0, 0.02), device).cast(dtype)
    };
    let random4 = |shape: [usize; 4]| -> Tensor<4> {
        Tensor::<4>::random(shape, Distribution::Normal(0.0, 0.02), device).cast(dtype)
    };
    let mut answer = serde_json::Map::new();
    let mut time = |name: &str, bytes: usize, work: &mut dyn FnMut()| -> Result<(), Failure> {
        let clock = Instant::now();
        work();
        device.sync()?;
        let first = clock.elapsed().as_secs_f64();
        for _ in 0..5 {
            work();
        }
        device.sync()?;
        let (count, clock) = (40, Instant::now());
        for _ in 0..count {
            work();
        }
        let queued = clock.elapsed().as_secs_f64() / f64::from(count);
        device.sync()?;
        let each = clock.elapsed().as_secs_f64() / f64::from(count);
        eprintln!(
            "{name}: {:.1} us, {:.1} us to queue, {:.0} GB/s, {first:.2} s at first",
            each * 1e6,
            queued * 1e6,
            bytes as f64 / each / 1e9
        );
        answer.insert(
            name.to_owned(),
            json!({
                "us": each * 1e6, "queued_us": queued * 1e6, "first_s": first,
                "gb_per_s": bytes as f64 / each / 1e9,
            }),
        );
        Ok(())
    };
    let x = random([rows, d]);
    for (name, k, n) in [
        ("product d-d", d, d),
        ("product d-kv", d, kv * head),
        ("product d-wide", d, wide),
        ("product wide-d", wide, d),
    ] {
        let (x, w) = (random([rows, k]), random([k, n]));
        time(name, 2 * k * n, &mut || drop(x.clone().matmul(w.clone())))?;
        let w = random([n, k]).transpose();
        let name = format!("{name}, transposed");
        time(&name, 2 * k * n, &mut || drop(x.clone().matmul(w.clone())))?;
    }
    let head_weight = random([vocabulary, d]);
    time("head, transposed", 2 * vocabulary * d, &mut || {
        drop(x.clone().matmul(head_weight.clone().transpose()));
    })?;
    drop(head_weight);
    let group = heads / kv;
    let q = random4([rows, kv, group, head]);
    let capacity = total + 64;
    let buffer = random4([rows, kv, capacity, head]);
    let cached = rows * kv * total * head * 2;
    time("scores, view of the cache", cached, &mut || {
        let k = buffer.clone().narrow(2, 0, total);
        drop(q.clone().matmul(k.swap_dims(2, 3)));
    })?;
    let scores = random4([rows, kv, group, total]);
    time("softmax in 32 bits", 0, &mut || {
        drop(softmax(scores.clone().cast(DType::F32), 3).cast(dtype));
    })?;
    time("mix, view of the cache", cached, &mut || {
        drop(scores.clone().matmul(buffer.clone().narrow(2, 0, total)));
    })?;
    let new = random4([rows, kv, 1, head]);
    let mut owned = Some(random4([rows, kv, capacity, head]));
    time("append in place", 0, &mut || {
        if let Some(buffer) = owned.take() {
            let place = [0..rows, 0..kv, total..total + 1, 0..head];
            owned = Some(buffer.slice_assign(place, new.clone()));
        }
    })?;
    let weight = random([1, d]);
    time("norm", 0, &mut || {
        let wide = x.clone().cast(DType::F32);
        let scale = wide
            .clone()
            .square()
            .mean_dim(1)
            .add_scalar(1e-6)
            .sqrt()
            .recip();
        drop((wide * scale).cast(dtype) * weight.clone());
    })?;
    let (gate, up) = (random([rows, wide]), random([rows, wide]));
    time("gate", 0, &mut || {
        drop(burn::tensor::activation::silu(gate.clone()) * up.clone());
    })?;
    let small = random([8, 64]);
    let square = random([64, 64]);
    time("small product (a launch)", 0, &mut || {
        drop(small.clone().matmul(square.clone()));
    })?;
    time("addition (a launch)", 0, &mut || drop(small.clone() + 1.0))?;
    time("read four bytes", 0, &mut || {
        drop((small.clone().narrow(0, 0, 1).narrow(1, 0, 1) + 1.0).into_data());
    })?;
    Ok(answer.into())
}

/// The bytes of weights that are read before one is read again, so that no cache holds them.
const ROTATED: usize = 400 << 20;

/// The shape of a block: `d`, keys and values, the width of the feed-forward layer, the vocabulary.
const LARGE: [usize; 4] = [3_584, 512, 18_944, 152_064];
const TINY: [usize; 4] = [64, 32, 176, 512];

/// Spans of `k`, steps in flight and warps side by side, around those of the table of choices.
const CHOICES: [[usize; 3]; 8] = [
    [512, 4, 1],
    [1_024, 4, 1],
    [2_048, 4, 1],
    [1_024, 2, 1],
    [1_024, 6, 1],
    [512, 4, 2],
    [1_024, 4, 2],
    [2_048, 4, 2],
];

/// Microseconds of products of a few rows, for each choice.
fn choices(device: &Device, options: &Options) -> Result<Value, Failure> {
    let rows = options.number("rows", 8);
    let is_tiny = options.0.get("shape").is_some_and(|shape| shape == "tiny");
    let [d, _, wide, _] = if is_tiny { TINY } else { LARGE };
    let mut answer = serde_json::Map::new();
    for (name, [k, columns]) in [("o", [d, d]), ("gate", [d, wide]), ("down", [wide, d])] {
        let random = |shape: [usize; 2]| {
            Tensor::<2>::random(shape, Distribution::Normal(0.0, 0.02), device).cast(DType::BF16)
        };
        let copies = ROTATED.div_ceil(2 * k * columns).max(1);
        let weights: Vec<Tensor<2>> = (0..copies).map(|_| random([k, columns])).collect();
        let x = random([rows, k]);
        for choice in CHOICES {
            let run = |count: usize| -> Result<f64, Failure> {
                let clock = Instant::now();
                for round in 0..count {
                    let found = gpu_product_by_choice(&x, &weights[round % copies], choice);
                    found.map_err(Declined::reason)?;
                }
                device.sync()?;
                Ok(clock.elapsed().as_secs_f64() / count as f64)
            };
            // The first one compiles the kernel.
            run(8)?;
            let each = run(60)?;
            let [span, ahead, side] = choice;
            answer.insert(
                format!("{name}, span {span}, {ahead} ahead, {side} side by side"),
                json!({"us": each * 1e6, "gb_per_s": 2.0 * (k * columns) as f64 / each / 1e9}),
            );
        }
    }
    Ok(answer.into())
}

/// One product, or several of the same rows, and what they read and compute.
struct Timed {
    name: &'static str,
    weights: Vec<[usize; 2]>,
    /// Whether the rows are multiplied by the transposed weights.
    is_turned: bool,
    run: fn(&Tensor<2>, &[Tensor<2>]),
}

/// Each product of a block with our kernels and with Burn's, for a number of rows.
#[expect(clippy::too_many_lines, reason = "a list of what is timed")]
fn all_products(device: &Device, options: &Options) -> Result<Value, Failure> {
    let rows = options.number("rows", 8);
    let is_tiny = options.0.get("shape").is_some_and(|shape| shape == "tiny");
    let [d, kv, wide, vocabulary] = if is_tiny { TINY } else { LARGE };
    let all = [
        Timed {
            name: "q, k, v",
            weights: vec![[d, d], [d, kv], [d, kv]],
            is_turned: false,
            run: |x, w| drop(products(x, [(&w[0], None), (&w[1], None), (&w[2], None)])),
        },
        Timed {
            name: "o",
            weights: vec![[d, d]],
            is_turned: false,
            run: |x, w| drop(product(x.clone(), &w[0])),
        },
        Timed {
            name: "o, Burn",
            weights: vec![[d, d]],
            is_turned: false,
            run: |x, w| drop(x.clone().matmul(w[0].clone())),
        },
        Timed {
            name: "gate, up, down",
            weights: vec![[d, wide], [d, wide], [wide, d]],
            is_turned: false,
            run: |x, w| drop(gated_mlp(x, [&w[0], &w[1], &w[2]])),
        },
        Timed {
            name: "gate",
            weights: vec![[d, wide]],
            is_turned: false,
            run: |x, w| drop(product(x.clone(), &w[0])),
        },
        Timed {
            name: "gate, Burn",
            weights: vec![[d, wide]],
            is_turned: false,
            run: |x, w| drop(x.clone().matmul(w[0].clone())),
        },
        Timed {
            name: "down",
            weights: vec![[wide, d]],
            is_turned: false,
            run: |x, w| drop(product(x.clone(), &w[0])),
        },
        Timed {
            name: "down, Burn",
            weights: vec![[wide, d]],
            is_turned: false,
            run: |x, w| drop(x.clone().matmul(w[0].clone())),
        },
        // As the gradient of `gate` with respect to its input.
        Timed {
            name: "gate, turned",
            weights: vec![[d, wide]],
            is_turned: true,
            run: |x, w| drop(product(x.clone(), &w[0].clone().transpose())),
        },
        Timed {
            name: "head",
            weights: vec![[vocabulary, d]],
            is_turned: true,
            run: |x, w| drop(head_logits(x.clone(), w[0].clone().transpose())),
        },
    ];
    let mut answer = serde_json::Map::new();
    for timed in all {
        if rows > 1_000 && timed.name == "head" {
            continue;
        }
        answer.insert(timed.name.to_owned(), timed.measure(rows, device)?);
    }
    let fallbacks: Vec<String> = fallbacks()
        .iter()
        .map(|one| {
            format!(
                "{}: {}, {}",
                one.operation.name(),
                one.reason.reason(),
                one.count
            )
        })
        .collect();
    answer.insert("fallbacks".to_owned(), fallbacks.into());
    Ok(answer.into())
}

impl Timed {
    fn measure(&self, rows: usize, device: &Device) -> Result<Value, Failure> {
        let random = |shape: [usize; 2]| {
            Tensor::<2>::random(shape, Distribution::Normal(0.0, 0.02), device).cast(DType::BF16)
        };
        let numbers: usize = self.weights.iter().map(|[k, n]| k * n).sum();
        let copies = ROTATED.div_ceil(2 * numbers).max(1);
        let sets: Vec<Vec<Tensor<2>>> = (0..copies)
            .map(|_| self.weights.iter().map(|shape| random(*shape)).collect())
            .collect();
        let [k, columns] = self.weights[0];
        let k = if self.is_turned { columns } else { k };
        let x = random([rows, k]);
        device.sync()?;
        let clock = Instant::now();
        (self.run)(&x, &sets[0]);
        device.sync()?;
        let first = clock.elapsed().as_secs_f64();
        let rounds = |count: usize| -> Result<[f64; 2], Failure> {
            let clock = Instant::now();
            for round in 0..count {
                (self.run)(&x, &sets[round % copies]);
            }
            let queued = clock.elapsed().as_secs_f64() / count as f64;
            device.sync()?;
            Ok([queued, clock.elapsed().as_secs_f64() / count as f64])
        };
        rounds(8)?;
        let [queued, each] = rounds(if rows > 1_000 { 10 } else { 60 })?;
        eprintln!("{rows} rows, {}: {:.1} us", self.name, each * 1e6);
        Ok(json!({
            "us": each * 1e6,
            "queued_us": queued * 1e6,
            "first_s": first,
            "gb_per_s": 2.0 * numbers as f64 / each / 1e9,
            "tflop_per_s": 2.0 * (rows * numbers) as f64 / each / 1e12,
        }))
    }
}
