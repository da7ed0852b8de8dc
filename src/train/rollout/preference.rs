//! Preferences between two completions of a group (DPO, arXiv 2305.18290, eq. 7).
//!
//! The loss of a pair is `-log σ(β m)`, where the margin `m` is the sum over the tokens of the better
//! completion of the log-probability less that of the reference, minus the same sum of the worse one. It
//! couples two completions, which may be in different micro-batches. So the margin is computed first,
//! without a graph, and the update then has the exact gradient: `-β σ(-β m)` times that of the margin,
//! which is a sum over completions.

/// What a pair of completions is worth to the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) struct Preference {
    /// How far the policy may move from the reference: the larger, the less.
    pub(in crate::train) beta: f64,
}

/// A pair at the current weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) struct PairLoss {
    /// `-log σ(β m)`.
    pub(in crate::train) loss: f64,
    /// The derivative of the loss by the margin, with its sign turned: the weight of the better
    /// completion. That of the worse one is its negative.
    pub(in crate::train) weight: f64,
}

impl Preference {
    /// The places of the first of the best and the first of the worst rewards of a group; `None` if all
    /// are equal.
    pub(in crate::train) fn extremes(rewards: &[f64]) -> Option<[usize; 2]> {
        let mut best = 0;
        let mut worst = 0;
        for (place, reward) in rewards.iter().enumerate() {
            if reward > rewards.get(best)? {
                best = place;
            }
            if reward < rewards.get(worst)? {
                worst = place;
            }
        }
        (best != worst).then_some([best, worst])
    }

    /// The loss of a pair with this margin.
    pub(in crate::train) fn of_margin(self, margin: f64) -> PairLoss {
        let x = self.beta * margin;
        PairLoss {
            // log(1 + exp(-x)), of which no term overflows.
            loss: (-x).max(0.0) + (-x.abs()).exp().ln_1p(),
            weight: self.beta / (1.0 + x.exp()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_and_the_worst_are_the_first_of_equals() {
        assert_eq!(
            Preference::extremes(&[0.0, 2.0, -1.0, 2.0, -1.0]),
            Some([1, 2])
        );
        assert_eq!(Preference::extremes(&[1.0, 0.0]), Some([0, 1]));
        assert_eq!(Preference::extremes(&[0.5; 4]), None);
        assert_eq!(Preference::extremes(&[]), None);
    }

    /// Oracles: log 2 and β/2 at a margin of 0, by hand; elsewhere the quotient of differences of the plain
    /// formula, and the limits.
    #[test]
    fn loss_and_weight_of_a_pair_are_those_of_the_formula() {
        let preference = Preference { beta: 0.1 };
        let even = preference.of_margin(0.0);
        assert!((even.loss - 2.0_f64.ln()).abs() < 1e-15);
        assert!((even.weight - 0.05).abs() < 1e-15);
        let plain = |margin: f64| -(1.0 / (1.0 + (-0.1 * margin).exp())).ln();
        for margin in [-40.0, -3.0, 0.7, 12.0, 90.0] {
            let pair = preference.of_margin(margin);
            // 1e-12: double precision, losses of order one.
            assert!((pair.loss - plain(margin)).abs() < 1e-12, "{margin}");
            let step = 1e-5;
            let slope = (plain(margin + step) - plain(margin - step)) / (2.0 * step);
            // 1e-9: the error of the quotient.
            assert!((pair.weight + slope).abs() < 1e-9, "{margin}");
        }
        // By hand: far from 0 the loss is -β m, or nothing.
        assert!((preference.of_margin(-1e6).loss - 1e5).abs() < 1e-9);
        let sure = preference.of_margin(1e6);
        assert_eq!((sure.loss, sure.weight), (0.0, 0.0));
    }
}
