//! What the reward of a training runs besides this program: unit tests, and a process of the user's own.

use std::{collections::BTreeMap, time::Duration};

use super::{WorkerError, measuring::workers_of_a_rank};
use crate::{
    data::Cache,
    reward::{CustomReward, TestJudge, TestSettings},
    sandbox::{Settings, choose_interpreter},
    train::{RewardTools, TrainSettings},
};

/// What is running for the reward.
pub(super) struct Tools {
    tests: Option<TestJudge>,
    custom: Option<CustomReward>,
}

impl Tools {
    /// Starts what the settings need, for one of so many ranks.
    pub(super) fn start(settings: &TrainSettings, ranks: usize) -> Result<Self, WorkerError> {
        let reward = &settings.reward_settings;
        let is_rewarded = settings.algorithm.has_reward();
        let tests = match &reward.tests {
            Some(tests) if is_rewarded => Some(start_judge(tests, ranks)?),
            _ => None,
        };
        let custom = match &reward.custom {
            Some(custom) if is_rewarded => Some(CustomReward::start(custom)?),
            _ => None,
        };
        Ok(Self { tests, custom })
    }

    /// Python, sandbox and the version of the user's process, for the provenance.
    pub(super) fn versions(&self) -> BTreeMap<String, String> {
        let mut versions = BTreeMap::new();
        if let Some(tests) = &self.tests {
            let pool = tests.pool();
            versions.insert("python".to_owned(), pool.interpreter().version.clone());
            versions.insert("sandbox".to_owned(), pool.safeguards().to_string());
        }
        if let Some(custom) = &self.custom {
            versions.insert("reward.custom".to_owned(), custom.version().to_owned());
        }
        versions
    }

    /// The same for the training.
    pub(super) fn as_reward_tools(&self) -> RewardTools<'_> {
        RewardTools {
            tests: self.tests.as_ref(),
            custom: self.custom.as_ref(),
        }
    }
}

fn start_judge(settings: &TestSettings, ranks: usize) -> Result<TestJudge, WorkerError> {
    let cache = Cache::from_environment();
    let interpreter = choose_interpreter(None, true, cache.folder());
    let timeout = Duration::try_from_secs_f64(settings.timeout_seconds).unwrap_or(Duration::MAX);
    let judge = TestJudge::start(
        &Settings {
            interpreter,
            workers: workers_of_a_rank(ranks),
            is_unsandboxed_allowed: settings.allow_unsandboxed,
            ..Settings::default()
        },
        timeout,
    );
    Ok(judge?)
}
