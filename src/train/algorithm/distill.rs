//! Distillation on the model's own completions (arXiv 2306.13649): each token is drawn by the model in
//! training, and a larger teacher says how likely every token was.
//!
//! The loss is the divergence `KL(π ‖ teacher)` over the whole vocabulary, the reverse one, averaged over
//! the tokens of a step. Its gradient is exact, and does not go through the sampling. Rewards are measured
//! and logged, and nothing is learned from them.
//!
//! A teacher behind an endpoint says only how likely the drawn tokens were. Then, and with `estimator =
//! "sampled"`, the loss of a token is the estimator k1, `log π(token) - log teacher(token)`, whose mean over
//! tokens of the policy is the divergence. Its gradient is that of REINFORCE, `k1 · ∇ log π(token)`, with k1 as
//! the cost of this token alone. The mean of this gradient is that of the exact loss. Single ones vary
//! far more.
//!
//! # Differences
//!
//! The paper mixes in given targets and other divergences; here all completions are the model's own
//! (λ = 1) and the divergence is the reverse one (β = 1). Both models are at the temperature of sampling, which
//! must be 1 for a teacher behind an endpoint. The sampled gradient leaves out what a token does to the
//! costs of later tokens, as the exact one does.

use serde::{Deserialize, Serialize};

use crate::{
    remote::RemoteSettings,
    settings::{Kind, choice, settings},
    train::{
        algorithm::AlgorithmSettings,
        loss::{Aggregation, Surrogate},
        rollout::{
            advantage::{AdvantageRule, AdvantageScale, Baseline},
            objective::Objective,
        },
    },
};

settings! {
    /// The settings of distillation alone.
    pub struct DistillSettings {
        /// The model that is imitated: a name of the manifest, a folder in the Hugging Face layout, or
        /// `remote` for the model behind the endpoint of `[train.distill.remote]`. It must have the
        /// vocabulary of the model in training.
        #[serde(default)]
        #[key(Kind::Text)]
        pub teacher: String,
        /// How the divergence is found: `exact` over the whole vocabulary, or `sampled` from the tokens that
        /// were drawn, which are all that a remote teacher judges.
        #[serde(default, skip_serializing_if = "DistillEstimator::is_exact")]
        #[key(choice::<DistillEstimator>("estimator"), default = "exact")]
        pub estimator: DistillEstimator,
        /// The endpoint of the teacher; read only if `teacher = "remote"`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[table(
            source = "ours; read only by `teacher = \"remote\"`, which must name `base_url` and `model`"
        )]
        pub remote: Option<RemoteSettings>,
    }
}

/// How the divergence from the teacher is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DistillEstimator {
    /// The sum over the whole vocabulary.
    #[default]
    Exact,
    /// The estimator k1 of the drawn token.
    Sampled,
}

impl DistillEstimator {
    /// Leaves the default out of a job's identity: jobs from before the key are the same jobs.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    fn is_exact(&self) -> bool {
        *self == Self::Exact
    }
}

impl AlgorithmSettings for DistillSettings {
    const SOURCE: Option<&'static str> = Some("not in the paper");

    /// One update a rollout, from the teacher alone.
    fn objective(&self, batch_size: usize) -> Option<Objective> {
        Some(Objective {
            teacher_weight: 1.0,
            samples_teacher: self.estimator == DistillEstimator::Sampled,
            ..Objective::new(
                Surrogate::Nothing,
                Aggregation::Token,
                AdvantageRule {
                    baseline: Baseline::Group,
                    scale: AdvantageScale::None,
                    epsilon: 0.0,
                },
                batch_size,
            )
        })
    }

    fn teacher(&mut self) -> Option<&mut String> {
        Some(&mut self.teacher)
    }

    fn remote_teacher(&mut self) -> Option<&mut RemoteSettings> {
        self.remote.as_mut()
    }
}
