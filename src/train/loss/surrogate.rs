//! The policy-gradient loss of each token.

use burn::tensor::Tensor;

/// The logarithm of a ratio is clamped to this magnitude, as in verl, so that no ratio is infinite.
const LOG_RATIO_BOUND: f64 = 20.0;

/// The range to which the ratio of new to old probability is clipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) struct ClipRange {
    /// The lower bound is `1 - low`.
    pub(in crate::train) low: f64,
    /// The upper bound is `1 + high`.
    pub(in crate::train) high: f64,
    /// Where the advantage is negative, the loss is at most `-dual * advantage`.
    pub(in crate::train) dual: Option<f64>,
}

/// The gain that a policy-gradient loss assigns to a token or to a whole completion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) enum Surrogate {
    /// The ratio of each token, clipped (PPO, GRPO, DAPO).
    Token(ClipRange),
    /// The geometric mean of the ratios of a completion, clipped and shared by its tokens (GSPO).
    Sequence(ClipRange),
    /// The log-probability of each token, weighted by its bounded ratio. The weight has no gradient
    /// (CISPO).
    Weight {
        /// The largest ratio.
        most: f64,
    },
    /// The log-probability of each token, without a ratio (REINFORCE). It does not correct for an
    /// old policy, so there must be one update a rollout.
    LogProb,
    /// The gradient of [`Self::LogProb`] with a value of 0, for a loss whose value is known.
    Gradient,
    /// None: no reward is learned from, only what the objective adds.
    Nothing,
}

impl Surrogate {
    /// The loss of each token, to be minimised.
    ///
    /// # Shapes
    ///
    /// - `log_prob`, `old_log_prob`, output: `[batch, time]`
    /// - `mask`: `[batch, time]`, 1 at the tokens of the completion and 0 after them
    /// - `advantage`: `[batch, 1]`, constant over a completion
    pub(in crate::train) fn token_loss(
        self,
        log_prob: Tensor<2>,
        old_log_prob: Tensor<2>,
        advantage: Tensor<2>,
        mask: Tensor<2>,
    ) -> Tensor<2> {
        match self {
            Self::Token(clip) => clipped_surrogate(log_prob, old_log_prob, advantage, clip),
            Self::Sequence(clip) => {
                sequence_surrogate(log_prob, old_log_prob, advantage, mask, clip)
            }
            Self::Weight { most } => weighted_log_prob(log_prob, old_log_prob, advantage, most),
            Self::LogProb => (log_prob * advantage).neg(),
            Self::Gradient => {
                let change = log_prob.clone() - log_prob.detach();
                (change * advantage).neg()
            }
            Self::Nothing => log_prob.zeros_like(),
        }
    }
}

/// The clipped loss of whole completions, repeated for each token (arXiv 2507.18071, eq. 5 to 7).
///
/// # Shapes
///
/// As of [`Surrogate::token_loss`].
fn sequence_surrogate(
    log_prob: Tensor<2>,
    old_log_prob: Tensor<2>,
    advantage: Tensor<2>,
    mask: Tensor<2>,
    clip: ClipRange,
) -> Tensor<2> {
    let shape = log_prob.dims();
    let length = mask.clone().sum_dim(1).clamp_min(1.0);
    let mean = ((log_prob - old_log_prob) * mask).sum_dim(1) / length;
    // The old mean is already part of the difference.
    let nothing = mean.clone().zeros_like();
    clipped_surrogate(mean, nothing, advantage, clip).expand(shape)
}

/// REINFORCE with truncated importance weights (arXiv 2506.13585, eq. 4 and 5).
///
/// # Shapes
///
/// As of [`Surrogate::token_loss`].
fn weighted_log_prob(
    log_prob: Tensor<2>,
    old_log_prob: Tensor<2>,
    advantage: Tensor<2>,
    most: f64,
) -> Tensor<2> {
    let log_ratio = (log_prob.clone() - old_log_prob).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND);
    let weight = log_ratio.exp().clamp_max(most).detach();
    (weight * advantage * log_prob).neg()
}

/// Clipped policy-gradient loss of each token, to be minimised.
///
/// In DAPO the upper bound is wider, so that unlikely tokens can become more likely (arXiv
/// 2503.14476, eq. 10). The dual clip bounds the loss of a token that has become much more likely
/// although its advantage is negative (arXiv 1912.09729, eq. 4).
///
/// # Shapes
///
/// - `log_prob`, `old_log_prob`, output: `[batch, time]`
/// - `advantage`: `[batch, 1]`, constant over a completion
pub(in crate::train) fn clipped_surrogate(
    log_prob: Tensor<2>,
    old_log_prob: Tensor<2>,
    advantage: Tensor<2>,
    clip: ClipRange,
) -> Tensor<2> {
    let log_ratio = (log_prob - old_log_prob).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND);
    let ratio = log_ratio.exp();
    let clipped = ratio.clone().clamp(1.0 - clip.low, 1.0 + clip.high);
    let gain = (ratio * advantage.clone()).min_pair(clipped * advantage.clone());
    let Some(bound) = clip.dual else {
        return gain.neg();
    };
    // A gain of at least `bound * A` is a loss of at most `-bound * A`. The bound must not act
    // where A is positive.
    let floor = (advantage.clone() * bound).expand(gain.dims());
    let negative = advantage.lower_elem(0.0).expand(gain.dims());
    let bounded = gain.clone().max_pair(floor);
    gain.mask_where(negative, bounded).neg()
}
