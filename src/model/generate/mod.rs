//! Completions drawn from a model, many at a time.

mod sampler;

use crate::seed::Stream;

use super::{KvCache, LanguageModel, ModelError, SamplingSettings, TokenBatch};

use sampler::Sampler;

/// A completion of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The tokens, with the stop token if there is one.
    pub tokens: Vec<u32>,
    /// The natural log-probability of each token at the sampling temperature, before any filter
    /// (at temperature 0: at temperature 1).
    pub log_probs: Vec<f32>,
    /// Why the completion ends.
    pub finish: Finish,
}

/// Why a completion ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Its last token is a stop token.
    Stop,
    /// It is as long as it may be.
    Length,
}

/// Draws a completion of each prompt, the row's numbers from its own stream.
///
/// A completion depends on the model, the prompt and the stream, not on the rows beside it. All
/// prompts run together, so that memory grows with their number. Before each token
/// `should_stop` is asked, and if it says so, generation ends with [`ModelError::Interrupted`].
///
/// # Panics
///
/// If there is another number of streams than of prompts.
pub fn generate(
    model: &LanguageModel,
    prompts: &[Vec<u32>],
    settings: &SamplingSettings,
    streams: Vec<Stream>,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<Vec<Completion>, ModelError> {
    assert_eq!(prompts.len(), streams.len(), "every prompt has a stream");
    check(model, prompts)?;
    if prompts.is_empty() || settings.max_completion_tokens == 0 {
        return Ok(prompts.iter().map(|_| Completion::empty()).collect());
    }
    let decoder = model.decoder.merged();
    let device = decoder.device();
    let sampler = Sampler::new(settings);
    let mut cache = KvCache::new(decoder.num_layers());
    let mut completions: Vec<Completion> = prompts.iter().map(|_| Completion::empty()).collect();
    let mut rows = Rows::new(model, prompts, settings, streams);
    let mut tokens = TokenBatch::of_prompts(prompts);
    loop {
        if should_stop() {
            return Err(ModelError::Interrupted);
        }
        let hidden = decoder.hidden(&tokens, Some(&mut cache), None);
        let [batch, time, width] = hidden.dims();
        let last = hidden.narrow(1, time - 1, 1).reshape([batch, width]);
        let logits = decoder.logits(last).into_data();
        let logits = logits
            .as_slice::<f32>()
            .expect("the head's output has 32 bits");
        let drawn = sampler.draw(logits, rows.streams());

        let mut next = Vec::with_capacity(batch);
        let mut kept = Vec::with_capacity(batch);
        for (place, (token, log_prob)) in drawn.into_iter().enumerate() {
            let row = &rows.0[place];
            let completion = &mut completions[row.index];
            completion.tokens.push(token);
            completion.log_probs.push(log_prob);
            if model.stop_tokens.contains(&token) {
                completion.finish = Finish::Stop;
            } else if completion.tokens.len() < row.limit {
                kept.push(place);
                next.push(token);
            }
        }
        if kept.is_empty() {
            return Ok(completions);
        }
        if kept.len() < batch {
            cache.select_rows(&kept, &device);
            rows.keep(&kept);
        }
        tokens = TokenBatch::of_next(next, rows.left_padding());
    }
}

/// A prompt whose completion is not finished.
struct Row {
    /// The place among all prompts.
    index: usize,
    left_padding: usize,
    /// The longest that the completion may become.
    limit: usize,
    stream: Stream,
}

struct Rows(Vec<Row>);

impl Rows {
    fn new(
        model: &LanguageModel,
        prompts: &[Vec<u32>],
        settings: &SamplingSettings,
        streams: Vec<Stream>,
    ) -> Self {
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let rows = prompts
            .iter()
            .zip(streams)
            .enumerate()
            .map(|(index, (prompt, stream))| {
                let room = model.config.max_position_embeddings - prompt.len();
                let limit = settings.max_completion_tokens.min(room);
                Row {
                    index,
                    left_padding: longest - prompt.len(),
                    limit,
                    stream,
                }
            });
        Self(rows.collect())
    }

    fn streams(&mut self) -> Vec<&mut Stream> {
        self.0.iter_mut().map(|row| &mut row.stream).collect()
    }

    fn left_padding(&self) -> Vec<usize> {
        self.0.iter().map(|row| row.left_padding).collect()
    }

    fn keep(&mut self, places: &[usize]) {
        let mut place = 0;
        self.0.retain(|_| {
            place += 1;
            places.binary_search(&(place - 1)).is_ok()
        });
    }
}

impl Completion {
    fn empty() -> Self {
        Self {
            tokens: Vec::new(),
            log_probs: Vec::new(),
            finish: Finish::Length,
        }
    }
}

fn check(model: &LanguageModel, prompts: &[Vec<u32>]) -> Result<(), ModelError> {
    let limit = model.config.max_position_embeddings;
    for (index, prompt) in prompts.iter().enumerate() {
        let problem = if prompt.is_empty() {
            "it has no tokens".to_owned()
        } else if prompt.len() >= limit {
            format!(
                "it has `{}` tokens, expected less than `{limit}`",
                prompt.len()
            )
        } else if let Some(token) = prompt
            .iter()
            .find(|token| **token as usize >= model.config.vocab_size)
        {
            format!("token `{token}` is not below `{}`", model.config.vocab_size)
        } else {
            continue;
        };
        return Err(ModelError::Prompt { index, problem });
    }
    Ok(())
}
