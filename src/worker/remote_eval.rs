//! The evaluation of a remote model as a job.

use std::collections::BTreeMap;

use super::{
    Context, WorkerError,
    measuring::{SampleLog, judged_again},
};
use crate::{
    disk::JsonLines,
    eval::{Inputs, SampleRecord, benchmark::Benchmark, measure_remote},
    remote::{Remote, RemoteSettings},
};

/// The samples of a remote model. Each sample of an earlier attempt is kept and not requested again.
pub(super) fn samples(
    context: Context<'_>,
    settings: &RemoteSettings,
    remote: &Remote,
    benchmark: &dyn Benchmark,
    inputs: &Inputs<'_>,
) -> Result<Vec<SampleRecord>, WorkerError> {
    let dir = context.dir;
    // Opened before the samples are read, which removes an incomplete last line.
    drop(JsonLines::open(&dir.samples())?);
    let done: Vec<SampleRecord> = JsonLines::read(&dir.samples())?;
    let done = judged_again(&dir.samples(), benchmark, done, inputs.pool)?;
    let lines = JsonLines::open(&dir.samples())?;
    context.attempt.remote = usage(settings, &done);
    dir.write_attempt(context.attempt)?;
    let mut log = SampleLog::new(lines, &done, context.progress, context.stop);
    let concurrency = settings.concurrency;
    let samples = measure_remote(remote, concurrency, benchmark, inputs, done, &mut log)?;
    context.attempt.remote = usage(settings, &samples);
    Ok(samples)
}

/// The endpoint, and what the completions of all attempts have used.
fn usage(settings: &RemoteSettings, samples: &[SampleRecord]) -> BTreeMap<String, String> {
    let prompt_tokens = samples
        .iter()
        .filter_map(|sample| sample.prompt_tokens)
        .sum();
    let completion_tokens = samples.iter().map(|sample| sample.tokens).sum();
    let uncounted = samples
        .iter()
        .filter(|sample| sample.prompt_tokens.is_none());
    let mut usage = BTreeMap::from([
        ("endpoint", settings.address().to_owned()),
        ("model", settings.model.clone()),
        ("completions", samples.len().to_string()),
        ("prompt_tokens", usize::to_string(&prompt_tokens)),
        ("completion_tokens", usize::to_string(&completion_tokens)),
    ]);
    let uncounted = uncounted.count();
    if uncounted > 0 {
        usage.insert("completions_without_token_counts", uncounted.to_string());
    }
    if let Some(dollars) = settings.dollars(prompt_tokens, completion_tokens) {
        usage.insert("dollars", format!("{dollars:.6}"));
    }
    usage
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
