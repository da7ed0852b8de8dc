//! The settings of the reward: the section `[reward]` of a spec.

use serde::{Deserialize, Serialize};

use crate::settings::{COUNT, Kind, above_to, choice, from_below, from_to, settings};

settings! {
    /// How the reward prepares code and adds its parts; `train.reward` chooses the reward.
    pub struct RewardSettings {
        /// How code is prepared before it is compared: `published` as the paper's code does it, faults
        /// included, or `fixed` as it was meant.
        #[key(
            choice::<Normalizer>("normalizer"),
            default = "fixed",
            source = "ours; the paper's tables are reproduced with \"published\""
        )]
        pub normalizer: Normalizer,
        /// The largest size of each part's value before its weight; 0 cuts nothing.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[key(from_to(0.0, 1000.0), default = 0.0, source = "the paper cuts nothing")]
        pub clip: f64,
        /// Whether each part is scaled before its weight: `group` gives it mean 0 and deviation 1 within
        /// each group of completions, `none` leaves it as it is.
        #[serde(default, skip_serializing_if = "PartScale::is_none")]
        #[key(choice::<PartScale>("scale"), default = "none", source = "the paper scales only the sum")]
        pub scale: PartScale,
        /// The unit tests of rows, for the part `tests`; nothing if the reward runs none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[table(source = "ours; the paper's rewards run no code")]
        pub tests: Option<TestSettings>,
        /// A process that gives rewards, for the part `custom`; nothing if the reward has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[table(source = "ours")]
        pub custom: Option<CustomSettings>,
    }
}

settings! {
    /// How the unit tests of a row are run and counted.
    pub struct TestSettings {
        /// What a completion gets: the `share` of the tests that pass, or 1 if `all` pass, else 0.
        #[key(choice::<TestScore>("score"), default = "share")]
        pub score: TestScore,
        /// The time limit of a test in seconds; waiting for a CPU does not count.
        #[key(above_to(0.0, 3600.0), default = 5.0)]
        pub timeout_seconds: f64,
        /// The share of each row's tests that is never rewarded: its pass rate is logged next to that of
        /// the others.
        #[key(from_below(0.0, 1.0), default = 0.0)]
        pub hidden_share: f64,
        /// Whether tests may run on a system that lacks a safeguard.
        #[key(Kind::Flag, default = false)]
        pub allow_unsandboxed: bool,
    }
}

settings! {
    /// A process of one's own that reads completions and writes rewards, as lines of JSON.
    pub struct CustomSettings {
        /// The program and its arguments; the bytes of each argument that is a file are part of the job.
        #[serde(default)]
        #[key(Kind::Words)]
        pub command: Vec<String>,
        /// Other files that the program reads, whose bytes are part of the job too.
        #[serde(default)]
        #[key(Kind::List(&Kind::File))]
        pub files: Vec<String>,
        /// The most completions in one line.
        #[key(COUNT, default = 64)]
        pub batch_size: usize,
        /// The time limit of an answer in seconds, and of the start.
        #[key(above_to(0.0, 86400.0), default = 60.0)]
        pub timeout_seconds: f64,
        /// Whether the program also gets the share of the row's unit tests that a completion passes.
        #[key(Kind::Flag, default = false)]
        pub tests: bool,
    }
}

/// Leaves the default out of a job's identity: jobs from before the key are the same jobs.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

impl RewardSettings {
    /// The defaults, with this way to prepare code.
    pub fn of(normalizer: Normalizer) -> Self {
        Self {
            normalizer,
            clip: 0.0,
            scale: PartScale::None,
            tests: None,
            custom: None,
        }
    }
}

/// What a completion gets for the tests that it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestScore {
    /// The share of the tests.
    Share,
    /// 1 if all pass, else 0.
    All,
}

/// How code is prepared before it is compared and parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalizer {
    /// As the paper's reference code does it, faults included.
    Published,
    /// As it was meant.
    Fixed,
}

/// Whether the values of a part are scaled before they are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartScale {
    /// They are not.
    #[default]
    None,
    /// To mean 0 and standard deviation 1 within each group.
    Group,
}

impl PartScale {
    /// Leaves the default out of a job's identity.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}
