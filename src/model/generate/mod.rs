//! Completions drawn from a model, many at a time.

mod sampler;

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::seed::Stream;

use super::{
    Decoder, KvCache, LanguageModel, ModelError, SamplingSettings, TokenBatch, token_batch::indices,
};

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
    // A group's prompt is read once; its rows part where their first tokens are drawn.
    let (distinct, group_of) = distinct(prompts);
    let mut last = last_hidden(&decoder, &TokenBatch::of_prompts(&distinct), &mut cache);
    if distinct.len() < prompts.len() {
        cache.select_rows(&group_of, &device);
        last = last.select(0, indices(group_of.iter().map(|row| *row as i64), &device));
    }
    loop {
        if should_stop() {
            return Err(ModelError::Interrupted);
        }
        let logits = decoder.logits(last).into_data();
        let logits = logits
            .as_slice::<f32>()
            .expect("the head's output has 32 bits");
        let drawn = sampler.draw(logits, rows.streams());

        let batch = drawn.len();
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
        let tokens = TokenBatch::of_next(next, rows.left_padding());
        last = last_hidden(&decoder, &tokens, &mut cache);
    }
}

/// Runs the decoder and keeps what predicts the next token of each row, `[batch, d]`.
fn last_hidden(decoder: &Decoder, tokens: &TokenBatch, cache: &mut KvCache) -> Tensor<2> {
    let hidden = decoder.hidden(tokens, Some(cache), None);
    let [batch, time, width] = hidden.dims();
    hidden.narrow(1, time - 1, 1).reshape([batch, width])
}

/// The prompts without repetitions, and the place of each prompt among them.
fn distinct(prompts: &[Vec<u32>]) -> (Vec<Vec<u32>>, Vec<usize>) {
    let mut places = BTreeMap::new();
    let mut distinct = Vec::new();
    let group_of = prompts
        .iter()
        .map(|prompt| {
            *places.entry(prompt).or_insert_with(|| {
                distinct.push(prompt.clone());
                distinct.len() - 1
            })
        })
        .collect();
    (distinct, group_of)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            AdapterKind,
            fixture::{self, distance, values},
        },
        seed::stream,
    };

    const SETTINGS: SamplingSettings = SamplingSettings {
        temperature: 0.9,
        top_k: 0,
        top_p: 1.0,
        max_completion_tokens: 12,
    };

    fn prompts() -> Vec<Vec<u32>> {
        [3, 7, 1, 5]
            .into_iter()
            .zip(30..)
            .map(|(count, seed)| fixture::tokens(seed, count))
            .collect()
    }

    fn streams(count: u64) -> Vec<Stream> {
        (0..count)
            .map(|index| stream(4, "sampling", 0, index))
            .collect()
    }

    fn run(model: &LanguageModel, settings: &SamplingSettings) -> Vec<Completion> {
        generate(model, &prompts(), settings, streams(4), &mut || false).unwrap()
    }

    #[test]
    fn log_probs_are_those_of_the_trainer() {
        for kind in [AdapterKind::Lora, AdapterKind::Dora] {
            let model = fixture::adapted("qwen2", kind);
            // Filters do not change what a token's log-probability is.
            let settings = SamplingSettings {
                top_k: 10,
                ..SETTINGS
            };
            let completions = run(&model, &settings);

            let tokens: Vec<Vec<u32>> = completions.iter().map(|one| one.tokens.clone()).collect();
            let batch = TokenBatch::new(&prompts(), &tokens);
            let trainer = model.decoder.log_probs(&batch, 0.9, None).log_probs.inner();

            for (row, completion) in completions.iter().enumerate() {
                let expected = values(trainer.clone().narrow(0, row, 1));
                let length = completion.tokens.len();
                let worst = distance(&completion.log_probs, &expected[..length]);
                // 1e-5: merged against unmerged weights, 32 bits, two layers.
                assert!(worst < 1e-5, "{kind:?}, row {row}: {worst}");
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours() {
        let model = fixture::model("llama");
        let together = run(&model, &SETTINGS);

        for (index, expected) in together.iter().enumerate() {
            let prompt = [prompts()[index].clone()];
            let stream = vec![streams(4)[index].clone()];
            let alone = generate(&model, &prompt, &SETTINGS, stream, &mut || false).unwrap();
            assert_eq!(alone[0].tokens, expected.tokens, "row {index}");
            assert_eq!(alone[0].finish, expected.finish);
        }
    }

    #[test]
    fn a_group_that_shares_its_prompt_draws_what_its_members_draw_alone() {
        let mut model = fixture::model("qwen2");
        model.stop_tokens = Vec::new();
        let [one, two, ..] = prompts().try_into().unwrap_or([const { Vec::new() }; 4]);
        let group = [one.clone(), two.clone(), one.clone(), two, one];
        let together = generate(&model, &group, &SETTINGS, streams(5), &mut || false).unwrap();

        for (index, (prompt, expected)) in group.into_iter().zip(&together).enumerate() {
            let stream = vec![streams(5)[index].clone()];
            let alone = generate(&model, &[prompt], &SETTINGS, stream, &mut || false).unwrap();
            assert_eq!(alone[0].tokens, expected.tokens, "row {index}");
        }
        assert_ne!(together[0].tokens, together[2].tokens);
    }

    #[test]
    fn equal_streams_give_equal_tokens_and_others_do_not() {
        let model = fixture::model("qwen2");
        let other = (0..4)
            .map(|index| stream(5, "sampling", 0, index))
            .collect();

        assert_eq!(run(&model, &SETTINGS), run(&model, &SETTINGS));
        let others = generate(&model, &prompts(), &SETTINGS, other, &mut || false).unwrap();
        assert_ne!(run(&model, &SETTINGS), others);
    }

    #[test]
    fn greedy_tokens_are_the_likeliest_of_the_formulas_in_plain_loops() {
        let model = fixture::model("qwen2");
        let settings = SamplingSettings {
            temperature: 0.0,
            ..SETTINGS
        };

        for (completion, prompt) in run(&model, &settings).into_iter().zip(prompts()) {
            let tokens = [prompt.clone(), completion.tokens.clone()].concat();
            let logits = fixture::reference_logits(&model.config, &model.decoder, &tokens);
            for (place, token) in completion.tokens.iter().enumerate() {
                let row = &logits[prompt.len() + place - 1];
                let best = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                // 1e-4: the margin within which rounding may decide.
                assert!(best - row[*token as usize] < 1e-4);
            }
        }
    }

    #[test]
    fn completions_end_with_a_stop_token_or_at_their_length() {
        let mut model = fixture::model("qwen2");
        model.stop_tokens = fixture::tokens(40, 5);
        let completions = run(&model, &SETTINGS);

        let ends = |finish| completions.iter().filter(move |one| one.finish == finish);
        assert!(ends(Finish::Stop).count() > 0 && ends(Finish::Length).count() > 0);
        for one in &completions {
            assert_eq!(one.tokens.len(), one.log_probs.len());
            let (last, before) = one.tokens.split_last().unwrap();
            assert!(
                before
                    .iter()
                    .all(|token| !model.stop_tokens.contains(token))
            );
            let is_stopped = model.stop_tokens.contains(last);
            assert_eq!(is_stopped, one.finish == Finish::Stop);
            assert!(is_stopped || one.tokens.len() == 12);
        }
    }

    #[test]
    fn a_completion_ends_where_the_positions_do() {
        let mut model = fixture::model("qwen2");
        model.stop_tokens = Vec::new();
        let prompt = vec![fixture::tokens(1, 60), fixture::tokens(2, 10)];

        let completions = generate(&model, &prompt, &SETTINGS, streams(2), &mut || false).unwrap();

        let lengths: Vec<usize> = completions.iter().map(|one| one.tokens.len()).collect();
        assert_eq!(lengths, [4, 12]);
    }

    #[test]
    fn the_caller_can_stop_it() {
        let model = fixture::model("qwen2");
        let mut steps = 0;
        let mut stop = || {
            steps += 1;
            steps > 3
        };

        let result = generate(&model, &prompts(), &SETTINGS, streams(4), &mut stop);

        assert!(matches!(result, Err(ModelError::Interrupted)));
    }

    #[test]
    fn a_prompt_that_cannot_be_continued_is_named() {
        let model = fixture::model("qwen2");
        let error = |prompt: Vec<u32>| {
            let prompts = [vec![4], prompt];
            let result = generate(&model, &prompts, &SETTINGS, streams(2), &mut || false);
            result.unwrap_err().to_string()
        };

        insta::assert_snapshot!(error(Vec::new()), @"cannot continue prompt 1: it has no tokens");
        insta::assert_snapshot!(error(vec![4; 64]), @"cannot continue prompt 1: it has `64` tokens, expected less than `64`");
        insta::assert_snapshot!(error(vec![99]), @"cannot continue prompt 1: token `99` is not below `23`");
    }
}
