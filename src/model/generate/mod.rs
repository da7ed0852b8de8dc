//! Completions drawn from a model, many at a time.

mod batch;
mod fit;
mod stream;

use std::collections::{BTreeSet, VecDeque};

use crate::seed::Stream;

use super::{LanguageModel, ModelError, SamplingSettings, ops::Sampler};

pub use fit::{Room, fit_prompt};
pub use stream::{TextStream, stream};

use batch::{Batch, Row};

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
    /// It has reached the largest length.
    Length,
}

/// Draws a completion of each prompt, with random numbers from the stream of the prompt.
///
/// A completion depends on the model, the prompt and the stream, but not on the other rows. As many
/// rows run at once as the model's [`kv_cache`](LanguageModel::kv_cache) holds; when a row ends,
/// the next prompt takes its place. Equal prompts that start together are read once. `should_stop`
/// is called before each token, and if it returns true, generation ends with
/// [`ModelError::Interrupted`]. Logits that are not finite are [`ModelError::NotFinite`].
///
/// # Panics
///
/// If the number of streams is not the number of prompts.
pub fn generate(
    model: &LanguageModel,
    prompts: &[Vec<u32>],
    settings: &SamplingSettings,
    streams: Vec<Stream>,
    should_stop: &mut dyn FnMut() -> bool,
) -> Result<Vec<Completion>, ModelError> {
    generate_watched(
        model,
        prompts,
        settings,
        streams,
        should_stop,
        &mut |_, _| {},
    )
}

/// [`generate`], which hands each completion to `on_end`, with the number of its prompt, as soon as it ends.
///
/// # Panics
///
/// If the number of streams is not the number of prompts.
pub fn generate_watched(
    model: &LanguageModel,
    prompts: &[Vec<u32>],
    settings: &SamplingSettings,
    streams: Vec<Stream>,
    should_stop: &mut dyn FnMut() -> bool,
    on_end: &mut dyn FnMut(usize, &Completion),
) -> Result<Vec<Completion>, ModelError> {
    assert_eq!(prompts.len(), streams.len(), "every prompt has a stream");
    check(model, prompts)?;
    let mut completions: Vec<Completion> = prompts.iter().map(|_| Completion::empty()).collect();
    if settings.max_completion_tokens == 0 {
        for (index, completion) in completions.iter().enumerate() {
            on_end(index, completion);
        }
        return Ok(completions);
    }
    let limit = |prompt: &Vec<u32>| {
        let room = model.config.max_position_embeddings - prompt.len();
        settings.max_completion_tokens.min(room)
    };
    let mut waiting: VecDeque<Row<'_>> = prompts
        .iter()
        .zip(streams)
        .enumerate()
        .map(|(index, (prompt, stream))| Row::new(index, prompt, limit(prompt), stream))
        .collect();
    let longest = prompts
        .iter()
        .map(|prompt| prompt.len() + limit(prompt))
        .max();
    let places = places(model, longest.unwrap_or(1));
    let mut batch = Batch::new(model, Sampler::new(settings));
    let mut running: BTreeSet<usize> = BTreeSet::new();
    while batch.has_rows() || !waiting.is_empty() {
        let free = places.saturating_sub(batch.rows()).min(waiting.len());
        if free > 0 {
            if should_stop() {
                return Err(ModelError::Interrupted);
            }
            let admitted: Vec<Row<'_>> = waiting.drain(..free).collect();
            running.extend(admitted.iter().map(Row::index));
            batch.admit(admitted, &mut completions)?;
        } else if batch.has_rows() {
            if should_stop() {
                return Err(ModelError::Interrupted);
            }
            batch.step(&mut completions)?;
        }
        let now: BTreeSet<usize> = batch.indices().collect();
        for ended in running.difference(&now) {
            on_end(*ended, &completions[*ended]);
        }
        running = now;
    }
    Ok(completions)
}

/// How many sequences of `longest` tokens the cache may hold, at least one.
fn places(model: &LanguageModel, longest: usize) -> usize {
    let config = &model.config;
    let token = config.kv_cache_numbers() * model.decoder.number_bytes();
    model.kv_cache.holds(token * longest).max(1)
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

/// Refuses a token of logits that have NaN or infinity: its log-probability is then NaN, whichever token was drawn.
fn check_logits(log_prob: f32, index: usize, token: usize) -> Result<(), ModelError> {
    if log_prob.is_nan() {
        return Err(ModelError::NotFinite { index, token });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        model::{
            AdapterKind, MemorySize, TokenBatch,
            fixture::{self, distance, values},
        },
        seed::stream,
    };

    const SETTINGS: SamplingSettings = SamplingSettings {
        temperature: 0.9,
        top_k: 0,
        top_p: 1.0,
        min_p: 0.0,
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
    fn the_places_of_the_batch_change_no_bit_of_a_completion() {
        let mut model = fixture::model("qwen2");
        // Some end early, so that others start while the rest are further on.
        model.stop_tokens = fixture::tokens(40, 3);
        let [one, two, three, four] = prompts().try_into().unwrap_or([const { Vec::new() }; 4]);
        let prompts = [one.clone(), two.clone(), one.clone(), three, two, four, one];
        let run = |places: usize| {
            let mut model = model.clone();
            let config = &model.config;
            let sequence = 4 * config.kv_cache_numbers() * (7 + SETTINGS.max_completion_tokens);
            model.kv_cache = MemorySize::of_bytes(places * sequence);
            generate(&model, &prompts, &SETTINGS, streams(7), &mut || false).unwrap()
        };
        let all_at_once = run(7);

        let lengths: BTreeSet<usize> = all_at_once.iter().map(|one| one.tokens.len()).collect();
        assert!(
            lengths.len() > 2,
            "rows leave at different times: {lengths:?}"
        );
        for places in [0, 1, 2, 3, 5] {
            // Log-probabilities too, to the last bit.
            assert_eq!(run(places), all_at_once, "{places} places");
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
    fn each_completion_is_handed_over_once_and_whole() {
        for kv_cache in ["1GiB", "1B"] {
            let mut model = fixture::model("qwen2");
            model.kv_cache = MemorySize::parse(kv_cache).unwrap_or(model.kv_cache);
            let mut seen: Vec<Option<Completion>> = vec![None; 4];
            let completions = generate_watched(
                &model,
                &prompts(),
                &SETTINGS,
                streams(4),
                &mut || false,
                &mut |index, completion| {
                    assert_eq!(seen[index].replace(completion.clone()), None);
                },
            );
            let seen: Vec<Completion> = seen.into_iter().flatten().collect();
            assert_eq!(seen, completions.unwrap());
        }
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

    #[test]
    fn logits_that_are_not_finite_are_an_error_and_no_token() {
        let greedy = SamplingSettings {
            temperature: 0.0,
            ..SETTINGS
        };
        for damage in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut model = fixture::adapted("qwen2", AdapterKind::Lora);
            model.decoder = model.decoder.clone().map_trainable(|name, value| {
                let is_last = name.contains("layers.1.mlp");
                if is_last { value * damage } else { value }
            });
            for settings in [&SETTINGS, &greedy] {
                let all = generate(&model, &prompts(), settings, streams(4), &mut || false);
                let one =
                    super::stream(&model, &[4], settings, stream(1, "t", 0, 0), &mut |_| true);

                for error in [all.unwrap_err(), one.unwrap_err()] {
                    assert!(
                        matches!(error, ModelError::NotFinite { token: 0, .. }),
                        "{error}"
                    );
                }
            }
        }
    }
}
