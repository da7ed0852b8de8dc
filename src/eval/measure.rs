//! The evaluation of a model that runs here: complete every task, judge every completion.

use std::io;

use crate::{
    data::PromptTemplate,
    model::{Completion, Finish, LanguageModel, Room, fit_prompt, generate},
    ranks::Ranks,
    sandbox::Pool,
    seed,
};

use super::{
    EvalError, EvalSettings, SampleRecord,
    benchmark::{Benchmark, Task},
    judging::judge_records,
    prompt::{is_raw, prompt_text},
};

/// The inputs of an evaluation except the model and the benchmark.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The settings.
    pub settings: &'a EvalSettings,
    /// The template of the prompts.
    pub template: &'a PromptTemplate,
    /// The pool that runs the tests.
    pub pool: &'a Pool,
    /// The seed of the run.
    pub seed: u64,
    /// The processes that share the evaluation; all of them call [`measure`].
    pub ranks: &'a Ranks,
}

/// Receives the samples of an evaluation as they are judged.
pub trait Observer {
    /// Takes the samples of one chunk, in order; the evaluation has `total` samples.
    fn on_chunk(&mut self, samples: &[SampleRecord], total: usize) -> io::Result<()>;

    /// Takes a warning about the measurement, the same however often it was interrupted.
    fn on_warning(&mut self, warning: String) {
        tracing::warn!("{warning}");
    }

    /// Whether to stop as soon as possible.
    fn should_stop(&self) -> bool;
}

/// Measures a model: `settings.samples` completions of each task, judged.
///
/// Samples are made in the order of the tasks, in chunks of `settings.batch_size`. `done` are the
/// complete chunks of an earlier attempt, which are kept as they are. The random numbers of a
/// completion depend on the seed, the task and its index alone.
///
/// Chunks go to the ranks in turn. Only the first rank knows what is done; it alone observes the chunks, and its result
/// alone is whole.
#[expect(
    clippy::too_many_lines,
    reason = "the steps of an evaluation, in their order"
)]
pub fn measure(
    model: &LanguageModel,
    benchmark: &dyn Benchmark,
    inputs: &Inputs<'_>,
    done: Vec<SampleRecord>,
    observer: &mut dyn Observer,
) -> Result<Vec<SampleRecord>, EvalError> {
    let tasks = chosen(benchmark.tasks(), inputs.settings.limit);
    let prompts = tasks
        .iter()
        .map(|task| prompt_tokens(model, inputs, task))
        .collect::<Result<Vec<_>, _>>()?;
    let cut = prompts.iter().filter(|(_, is_cut)| *is_cut).count();
    if cut > 0 {
        let of = prompts.len();
        observer.on_warning(format!(
            "{cut} of {of} prompts were too long and are cut at their beginning"
        ));
    }
    let prompts: Vec<Vec<u32>> = prompts.into_iter().map(|(tokens, _)| tokens).collect();
    let work: Vec<(usize, usize)> = (0..tasks.len())
        .flat_map(|task| (0..inputs.settings.samples).map(move |index| (task, index)))
        .collect();
    let mut records = done;
    let chunk_size = inputs.settings.batch_size.max(1);
    let ranks = inputs.ranks;
    let done = ranks.first_says(ranks.is_first().then_some(records.len()))?;
    let chunks: Vec<_> = work
        .chunks(chunk_size)
        .enumerate()
        .skip(done.div_ceil(chunk_size))
        .collect();
    for wave in chunks.chunks(ranks.count()) {
        let own = match wave.get(ranks.rank()) {
            Some(&(number, chunk)) => {
                let completions = complete(model, inputs, &prompts, chunk, observer);
                let measured = |completions| {
                    judged(
                        model,
                        benchmark,
                        inputs,
                        tasks,
                        (number, chunk),
                        completions,
                    )
                };
                match completions.and_then(measured) {
                    Err(EvalError::Stopped) => None,
                    samples => Some(samples?),
                }
            }
            None => Some(Vec::new()),
        };
        let all = if ranks.count() == 1 {
            vec![own]
        } else {
            ranks.gather_values(&own)?
        };
        for samples in all.into_iter().take(wave.len()) {
            let samples = samples.ok_or(EvalError::Stopped)?;
            if ranks.is_first() {
                observer
                    .on_chunk(&samples, work.len())
                    .map_err(EvalError::Keep)?;
            }
            records.extend(samples);
        }
    }
    let cramped = cramped(&records, inputs.settings.sampling.max_completion_tokens);
    if cramped > 0 {
        let of = records.len();
        observer.on_warning(format!(
            "{cramped} of {of} completions end at the model's last position, before their limit"
        ));
    }
    Ok(records)
}

/// The judged samples of a chunk, which has a number.
fn judged(
    model: &LanguageModel,
    benchmark: &dyn Benchmark,
    inputs: &Inputs<'_>,
    tasks: &[Task],
    (number, chunk): (usize, &[(usize, usize)]),
    completions: Vec<Completion>,
) -> Result<Vec<SampleRecord>, EvalError> {
    let unjudged = chunk
        .iter()
        .zip(completions)
        .map(|(&(task, index), completion)| {
            let task = &tasks[task];
            let record = record(model, number, task, index, &completion)?;
            Ok((task, record))
        })
        .collect::<Result<Vec<_>, EvalError>>()?;
    Ok(judge_records(benchmark, unjudged, inputs.pool))
}

/// The number of completions that have neither an end nor as many tokens as they may have: the prompt left
/// them too few positions.
fn cramped(records: &[SampleRecord], limit: usize) -> usize {
    let is_cramped = |record: &&SampleRecord| record.is_truncated && record.tokens < limit;
    records.iter().filter(is_cramped).count()
}

/// The record of a completion that is still to be judged.
fn record(
    model: &LanguageModel,
    chunk: usize,
    task: &Task,
    index: usize,
    completion: &Completion,
) -> Result<SampleRecord, EvalError> {
    let text = model.tokenizer.decode(&without_stop(model, completion))?;
    Ok(SampleRecord {
        chunk,
        task_id: task.id.clone(),
        index,
        completion: text,
        tokens: completion.tokens.len(),
        prompt_tokens: None,
        is_truncated: completion.finish == Finish::Length,
        judgement: None,
        error: None,
    })
}

/// The first tasks of a benchmark; all if the limit is 0.
pub(super) fn chosen(tasks: &[Task], limit: usize) -> &[Task] {
    let count = if limit == 0 {
        tasks.len()
    } else {
        limit.min(tasks.len())
    };
    tasks.get(..count).unwrap_or(tasks)
}

/// The prompt of a task, cut at its beginning if it is too long, and whether it was.
fn prompt_tokens(
    model: &LanguageModel,
    inputs: &Inputs<'_>,
    task: &Task,
) -> Result<(Vec<u32>, bool), EvalError> {
    let rendered = inputs.template.render(&task.fields);
    let prompt = rendered.map_err(|source| EvalError::Prompt {
        task: task.id.clone(),
        source,
    })?;
    let is_raw = is_raw(&prompt, &model.chat);
    let text = prompt_text(prompt, &model.chat)?;
    let mut tokens = model.tokenizer.encode_prompt(&text, is_raw)?;
    let before = tokens.len();
    let room = Room::AtMost(inputs.settings.sampling.max_completion_tokens);
    let is_cut = fit_prompt(model, &mut tokens, inputs.settings.max_prompt_tokens, room)?;
    if is_cut {
        tracing::warn!(
            task = task.id,
            tokens = before,
            left = tokens.len(),
            "a prompt is too long and was cut at its beginning"
        );
    }
    Ok((tokens, is_cut))
}

/// Generates the completions of a chunk.
fn complete(
    model: &LanguageModel,
    inputs: &Inputs<'_>,
    prompts: &[Vec<u32>],
    chunk: &[(usize, usize)],
    observer: &dyn Observer,
) -> Result<Vec<Completion>, EvalError> {
    let chunk_prompts: Vec<Vec<u32>> = chunk
        .iter()
        .map(|&(task, _)| prompts[task].clone())
        .collect();
    let streams = chunk
        .iter()
        .map(|&(task, index)| seed::stream(inputs.seed, "evaluate", task as u64, index as u64))
        .collect();
    let sampling = &inputs.settings.sampling;
    let mut should_stop = || observer.should_stop();
    Ok(generate(
        model,
        &chunk_prompts,
        sampling,
        streams,
        &mut should_stop,
    )?)
}

/// The tokens of a completion without the stop token at its end.
fn without_stop(model: &LanguageModel, completion: &Completion) -> Vec<u32> {
    let mut tokens = completion.tokens.clone();
    if tokens
        .last()
        .is_some_and(|last| model.stop_tokens.contains(last))
    {
        tokens.pop();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        eval::{
            Judgement,
            benchmark::{Flavour, Repairs},
        },
        model::{SamplingSettings, fixture},
        ranks::tests::on_ranks,
        sandbox::{Settings, Verdict},
    };

    /// Passes completions with an even number of letters; fails to judge task 2.
    #[derive(Debug)]
    struct Even(Vec<Task>);

    impl Even {
        fn new() -> Self {
            let task = |index: usize| Task {
                id: format!("task/{index}"),
                group: None,
                kind: None,
                fields: json!({"text": format!("w{} w{}", index + 4, index + 5)}),
            };
            Self((0..5).map(task).collect())
        }
    }

    impl Benchmark for Even {
        fn name(&self) -> &'static str {
            "even"
        }

        fn tasks(&self) -> &[Task] {
            &self.0
        }

        fn extract(&self, _: &Task, answer: &str) -> Option<String> {
            Some(answer.to_owned())
        }

        fn reference(&self, _: &Task) -> Option<String> {
            None
        }

        fn judge(&self, task: &Task, solution: &str, _: &Pool) -> Result<Judgement, EvalError> {
            if task.id == "task/2" {
                return Err(EvalError::UnknownTask {
                    task: task.id.clone(),
                });
            }
            let verdict = if solution.len().is_multiple_of(2) {
                Verdict::Pass
            } else {
                Verdict::Timeout
            };
            Ok(Judgement::of_tests("tests", &[verdict]))
        }
    }

    #[derive(Default)]
    struct Chunks(Vec<usize>, Option<usize>, Vec<String>);

    impl Observer for Chunks {
        fn on_chunk(&mut self, samples: &[SampleRecord], total: usize) -> io::Result<()> {
            assert!([15, 12].contains(&total));
            self.0.push(samples.len());
            Ok(())
        }

        fn on_warning(&mut self, warning: String) {
            self.2.push(warning);
        }

        fn should_stop(&self) -> bool {
            self.1.is_some_and(|chunks| self.0.len() >= chunks)
        }
    }

    fn settings() -> EvalSettings {
        EvalSettings {
            benchmark: "even".to_owned(),
            samples: 3,
            sampling: SamplingSettings {
                temperature: 1.0,
                top_k: 0,
                top_p: 1.0,
                min_p: 0.0,
                max_completion_tokens: 6,
            },
            max_prompt_tokens: 20,
            batch_size: 4,
            limit: 0,
            allow_unsandboxed: true,
            in_process: false,
            evalplus: Flavour::Tip,
            repairs: Repairs::None,
            python: "auto".to_owned(),
        }
    }

    fn run(
        settings: &EvalSettings,
        done: Vec<SampleRecord>,
        observer: &mut Chunks,
    ) -> Result<Vec<SampleRecord>, EvalError> {
        run_with(&fixture::model("qwen2"), settings, done, observer)
    }

    fn run_with(
        model: &LanguageModel,
        settings: &EvalSettings,
        done: Vec<SampleRecord>,
        observer: &mut Chunks,
    ) -> Result<Vec<SampleRecord>, EvalError> {
        run_as(&Ranks::alone(), model, settings, done, observer)
    }

    fn run_as(
        ranks: &Ranks,
        model: &LanguageModel,
        settings: &EvalSettings,
        done: Vec<SampleRecord>,
        observer: &mut Chunks,
    ) -> Result<Vec<SampleRecord>, EvalError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompt.jinja");
        std::fs::write(&path, "{{ text }}").unwrap();
        let template = PromptTemplate::load(&path).unwrap();
        // Nothing untrusted runs: the benchmark of these tests does not use the pool.
        let unused = Settings {
            workers: 1,
            is_unsandboxed_allowed: true,
            ..Settings::default()
        };
        let pool = Pool::start(&unused).unwrap();
        let inputs = Inputs {
            settings,
            template: &template,
            pool: &pool,
            seed: 9,
            ranks,
        };
        measure(model, &Even::new(), &inputs, done, observer)
    }

    #[test]
    fn every_task_gets_its_samples_in_order_and_a_failure_to_judge_is_kept_apart() {
        let mut chunks = Chunks::default();

        let samples = run(&settings(), Vec::new(), &mut chunks).unwrap();

        assert_eq!(chunks.0, [4, 4, 4, 3]);
        for (place, sample) in samples.iter().enumerate() {
            assert_eq!(sample.task_id, format!("task/{}", place / 3));
            assert_eq!((sample.index, sample.chunk), (place % 3, place / 4));
            assert_eq!(sample.judgement.is_none(), place / 3 == 2);
            assert_eq!(sample.error.is_some(), place / 3 == 2);
            assert!((1..=6).contains(&sample.tokens));
        }
    }

    #[test]
    fn an_evaluation_goes_on_from_whole_chunks_to_the_same_samples() {
        let whole = run(&settings(), Vec::new(), &mut Chunks::default()).unwrap();

        let mut chunks = Chunks::default();
        let resumed = run(&settings(), whole[..8].to_vec(), &mut chunks).unwrap();

        assert_eq!(chunks.0, [4, 3]);
        assert_eq!(resumed, whole);
    }

    #[test]
    fn prompts_that_are_cut_are_worth_a_warning_however_often_the_evaluation_was_interrupted() {
        let short = EvalSettings {
            max_prompt_tokens: 1,
            ..settings()
        };
        for settings in [settings(), short] {
            let whole = run(&settings, Vec::new(), &mut Chunks::default()).unwrap();
            for done in [0, 8, whole.len()] {
                let mut chunks = Chunks::default();
                let again = run(&settings, whole[..done].to_vec(), &mut chunks).unwrap();
                // Also if the worker has died between the last chunk, which is a short one, and the outcome.
                assert_eq!(again, whole);

                let warning = "5 of 5 prompts were too long and are cut at their beginning";
                let is_short = settings.max_prompt_tokens == 1;
                let expected: &[&str] = if is_short { &[warning] } else { &[] };
                assert_eq!(chunks.2, expected);
            }
        }
    }

    #[test]
    fn a_ceiling_that_no_completion_needs_changes_no_sample_and_one_that_does_not_fit_is_reported()
    {
        // The fixture has 64 positions, and prompts of two tokens. Without stop tokens every completion
        // reaches its limit or the last position.
        let mut model = fixture::model("qwen2");
        model.stop_tokens = Vec::new();
        let of_ceiling = |max_completion_tokens| {
            let sampling = SamplingSettings {
                max_completion_tokens,
                ..settings().sampling
            };
            let settings = EvalSettings {
                sampling,
                ..settings()
            };
            let mut chunks = Chunks::default();
            let samples = run_with(&model, &settings, Vec::new(), &mut chunks).unwrap();
            (samples, chunks.2)
        };
        let (fits, warnings) = of_ceiling(62);
        assert_eq!(warnings, [""; 0]);
        assert!(fits.iter().all(|sample| sample.tokens == 62));
        for ceiling in [63, 64, 1_000] {
            let (samples, warnings) = of_ceiling(ceiling);
            assert_eq!(samples, fits, "{ceiling}");
            let end = "end at the model's last position, before their limit";
            assert_eq!(warnings, [format!("15 of 15 completions {end}")]);
        }
    }

    #[test]
    fn a_limit_takes_the_first_tasks_and_changes_none_of_their_samples() {
        let whole = run(&settings(), Vec::new(), &mut Chunks::default()).unwrap();
        let limited = EvalSettings {
            limit: 4,
            batch_size: 12,
            ..settings()
        };

        let samples = run(&limited, Vec::new(), &mut Chunks::default()).unwrap();

        // Only the chunk differs: a completion depends on seed, task and index.
        let texts = |samples: &[SampleRecord]| -> Vec<String> {
            samples
                .iter()
                .map(|sample| sample.completion.clone())
                .collect()
        };
        assert_eq!(texts(&samples), texts(&whole[..12]));
    }

    #[test]
    fn several_ranks_have_the_samples_of_one_also_if_one_of_them_stops() {
        let model = fixture::model("qwen2");
        let whole = run(&settings(), Vec::new(), &mut Chunks::default()).unwrap();
        for count in [2, 3, 5] {
            // The last rank is asked to stop at once: what the others did before its chunk is kept.
            let stopped = on_ranks(count, |ranks| {
                let is_last = ranks.rank() + 1 == count;
                let mut chunks = Chunks(Vec::new(), is_last.then_some(0), Vec::new());
                let ended = run_as(&ranks, &model, &settings(), Vec::new(), &mut chunks);
                (ended.is_err(), chunks.0)
            });
            let kept = (count - 1).min(4);
            assert_eq!(stopped[0].0, count < 5, "{count}");
            assert_eq!(stopped[0].1, [4, 4, 4, 3][..kept]);

            let resumed = on_ranks(count, |ranks| {
                let done = if ranks.is_first() { 4 * kept } else { 0 };
                let done = whole[..done.min(15)].to_vec();
                let mut chunks = Chunks::default();
                let samples = run_as(&ranks, &model, &settings(), done, &mut chunks);
                (samples.unwrap(), chunks.0)
            });
            assert_eq!(resumed[0].0, whole);
            assert_eq!(resumed[0].1, [4, 4, 4, 3][kept..]);
        }
    }

    #[test]
    fn a_stop_keeps_the_chunks_that_are_whole() {
        let mut chunks = Chunks(Vec::new(), Some(2), Vec::new());

        let error = run(&settings(), Vec::new(), &mut chunks).unwrap_err();

        assert!(matches!(error, EvalError::Stopped));
        assert_eq!(chunks.0, [4, 4]);
    }
}
