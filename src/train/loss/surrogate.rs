//! The policy-gradient loss of each token.

use burn::tensor::Tensor;

/// Beyond this the logarithm of a ratio is cut off, as verl does, so that no ratio is infinite.
const LOG_RATIO_BOUND: f64 = 20.0;

/// How far one update may move the probability of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) struct ClipRange {
    /// The ratio stays above `1 - low`.
    pub(in crate::train) low: f64,
    /// The ratio stays below `1 + high`.
    pub(in crate::train) high: f64,
    /// Where the advantage is negative, the loss stays below `-dual * advantage`.
    pub(in crate::train) dual: Option<f64>,
}

/// Clipped policy-gradient loss of each token, to be minimised.
///
/// The two bounds differ in DAPO, so that unlikely tokens may grow (arXiv 2503.14476, eq. 10); the
/// dual clip bounds the loss of a token that the policy has made much more likely against its
/// advantage (arXiv 1912.09729, eq. 4).
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
    // A gain of at least `bound * A` is a loss of at most `-bound * A`; where A is positive the
    // bound must not act.
    let floor = (advantage.clone() * bound).expand(gain.dims());
    let negative = advantage.lower_elem(0.0).expand(gain.dims());
    let bounded = gain.clone().max_pair(floor);
    gain.mask_where(negative, bounded).neg()
}
