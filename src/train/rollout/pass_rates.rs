//! How often the untrained model solves each row.

use std::ops::Range;

use crate::{
    model::{LanguageModel, ModelError, generate},
    reward::{Scorer, Variant},
    seed,
    train::{
        error::TrainError, observer::RewardRecord, settings::TrainSettings, step::ShouldStop,
        task::Task,
    },
};

use super::{answer::Answer, reward::RewardFn};

/// The share of successful answers to each of some rows, in 0..=1; `None` if it has to stop.
pub(in crate::train) fn pass_rates(
    model: &LanguageModel,
    task: &Task<'_>,
    settings: &TrainSettings,
    reward_fn: &dyn RewardFn,
    rows: Range<usize>,
    should_stop: &mut ShouldStop<'_>,
) -> Result<Option<Vec<f64>>, TrainError> {
    let samples = settings.curriculum.samples;
    let scorer = Scorer::new(Variant::Em, settings.reward_settings.normalizer);
    let succeeds = |answer: &Answer<'_>, reward: &RewardRecord| {
        if let Some(least) = settings.curriculum.success {
            return reward.total >= least;
        }
        if let Some(tests) = &reward.tests {
            return tests.rewarded >= 1.0;
        }
        let target = &task.rows[answer.row].target_code;
        scorer.score(answer.text, target).correctness >= 1.0
    };
    let rows: Vec<usize> = rows
        .flat_map(|row| std::iter::repeat_n(row, samples))
        .collect();
    let prompts: Vec<_> = rows
        .iter()
        .map(|row| task.sequences[*row].prompt.clone())
        .collect();
    let streams = rows.iter().enumerate().map(|(place, row)| {
        let sample = (place % samples) as u64;
        seed::stream(task.seed, "curriculum", *row as u64, sample)
    });
    let streams = streams.collect();
    let found = generate(model, &prompts, &settings.sampling, streams, should_stop);
    let completions = match found {
        Err(ModelError::Interrupted) => return Ok(None),
        other => other?,
    };
    let texts = completions
        .iter()
        .map(|completion| model.tokenizer.decode(&completion.tokens))
        .collect::<Result<Vec<_>, _>>()?;
    let answers: Vec<Answer<'_>> = texts
        .iter()
        .zip(&rows)
        .map(|(text, row)| Answer { row: *row, text })
        .collect();
    let rewards = reward_fn.rewards(&answers, samples);
    let rewards = rewards.map_err(|source| TrainError::Reward { step: 0, source })?;
    let passed: Vec<bool> = answers
        .iter()
        .zip(&rewards)
        .map(|(answer, reward)| succeeds(answer, reward))
        .collect();
    let rate =
        |passed: &[bool]| passed.iter().filter(|passed| **passed).count() as f64 / samples as f64;
    Ok(Some(passed.chunks(samples).map(rate).collect()))
}
