//! Measurements of the parts that training spends its time in.
#![expect(clippy::print_stdout, reason = "a measurement is its output")]

use crate::seed::{Stream, stream};

use super::{
    AdapterKind, AdapterSettings, SamplingSettings, Targets, TokenBatch, fixture, generate,
};

const VOCABULARY: usize = 800;
const PROMPT: usize = 200;
const COMPLETION: usize = 100;

fn rows(count: usize, length: usize) -> Vec<Vec<u32>> {
    let token = |stream: &mut Stream| u32::try_from(stream.below(VOCABULARY)).unwrap();
    (0..count as u64)
        .map(|row| {
            let mut stream = stream(1, "rows", 0, row);
            (0..length).map(|_| token(&mut stream)).collect()
        })
        .collect()
}

/// Processor time of all threads: other programs on the machine do not count.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn report(what: &str, tokens: usize, seconds: f64) {
    println!(
        "{what:42} {:9.1} ms {:9.0} tokens/s",
        seconds * 1e3,
        tokens as f64 / seconds
    );
}

#[test]
#[ignore = "a measurement: cargo test --release --lib model::speed -- --ignored --nocapture"]
fn of_sampling() {
    let model = fixture::wide_model(VOCABULARY);
    let settings = SamplingSettings {
        temperature: 1.0,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
        max_completion_tokens: COMPLETION,
    };
    for (batch, group) in [(8, 1), (64, 1), (64, 8)] {
        let streams = (0..batch as u64)
            .map(|row| stream(1, "sampling", 0, row))
            .collect();
        let distinct = rows(batch / group, PROMPT);
        let prompts: Vec<Vec<u32>> = (0..batch)
            .map(|row| distinct[row / group].clone())
            .collect();
        let start = cpu_seconds();
        generate(&model, &prompts, &settings, streams, &mut || false).unwrap();
        let what = format!("sampling, batch {batch}, groups of {group}");
        report(&what, batch * COMPLETION, cpu_seconds() - start);
    }
}

#[test]
#[ignore = "a measurement: cargo test --release --lib model::speed -- --ignored --nocapture"]
fn of_training() {
    const BATCH: usize = 16;
    let mut model = fixture::wide_model(VOCABULARY);
    let tokens = TokenBatch::new(&rows(BATCH, PROMPT), &rows(BATCH, COMPLETION));
    let count = BATCH * (PROMPT + COMPLETION);
    for kind in [AdapterKind::None, AdapterKind::Dora] {
        let targets = Targets(vec!["attention".to_owned()]);
        let settings = AdapterSettings {
            kind,
            r: 16,
            alpha: 16.0,
            dropout: 0.0,
            targets,
        };
        model.attach_adapter(&settings, 1).unwrap();
        let start = cpu_seconds();
        let output = model.decoder.log_probs(&tokens, 1.0, None);
        report(&format!("{kind:?}, forward"), count, cpu_seconds() - start);
        let mut gradients = output.log_probs.sum().backward();
        model.decoder.gradients(&mut gradients);
        report(
            &format!("{kind:?}, forward and backward"),
            count,
            cpu_seconds() - start,
        );
        let start = cpu_seconds();
        model
            .decoder
            .without_adapter()
            .log_probs(&tokens, 1.0, None);
        report(
            &format!("{kind:?}, frozen forward"),
            count,
            cpu_seconds() - start,
        );
    }
}
