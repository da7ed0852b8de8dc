//! What the reward of a training runs besides this program: unit tests, and a process of the user's own.

use std::{collections::BTreeMap, time::Duration};

use super::{Context, WorkerError};
use crate::{
    data::Cache,
    reward::{CustomReward, TestJudge, TestSettings},
    sandbox::choose_interpreter,
    train::{RewardTools, TrainSettings},
};

/// What is running for the reward.
pub(super) struct Tools {
    tests: Option<TestJudge>,
    custom: Option<CustomReward>,
}

impl Tools {
    /// Starts what the settings need, and records Python, sandbox and version in the provenance.
    pub(super) fn start(
        context: &mut Context<'_>,
        settings: &TrainSettings,
    ) -> Result<Self, WorkerError> {
        let mut judge = BTreeMap::new();
        let reward = &settings.reward_settings;
        let is_rewarded = settings.algorithm.has_reward();
        let tests = match &reward.tests {
            Some(tests) if is_rewarded => Some(start_judge(tests)?),
            _ => None,
        };
        if let Some(tests) = &tests {
            let pool = tests.pool();
            judge.insert("python".to_owned(), pool.interpreter().version.clone());
            judge.insert("sandbox".to_owned(), pool.safeguards().to_string());
        }
        let custom = match &reward.custom {
            Some(custom) if is_rewarded => Some(CustomReward::start(custom)?),
            _ => None,
        };
        if let Some(custom) = &custom {
            judge.insert("reward.custom".to_owned(), custom.version().to_owned());
        }
        if !judge.is_empty() {
            context.attempt.judge.extend(judge);
            context.dir.write_attempt(context.attempt)?;
        }
        Ok(Self { tests, custom })
    }

    /// The same for the training.
    pub(super) fn as_reward_tools(&self) -> RewardTools<'_> {
        RewardTools {
            tests: self.tests.as_ref(),
            custom: self.custom.as_ref(),
        }
    }
}

fn start_judge(settings: &TestSettings) -> Result<TestJudge, WorkerError> {
    let cache = Cache::from_environment();
    let interpreter = choose_interpreter(None, true, cache.folder());
    let timeout = Duration::try_from_secs_f64(settings.timeout_seconds).unwrap_or(Duration::MAX);
    let judge = TestJudge::start(Some(interpreter), timeout, settings.allow_unsandboxed);
    Ok(judge?)
}
