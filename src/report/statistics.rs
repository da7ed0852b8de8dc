//! Means over problems and their errors: exact formulas, no random numbers.
//!
//! A mean over problems is uncertain because the benchmark could have had other problems. Problems
//! of one group (the tasks of one API update) tend to be solved together, so the error is that of
//! groups:
//! with `e` a problem's distance from the mean, `SE² = G/(G-1) · Σ over groups (Σ e)² / n²`. If
//! every group has one problem, that is the textbook's `s² / n`.
//!
//! The 95 % interval is symmetric, by Student's t. Where it would leave the range of the mean, it is Student's t
//! on the log-odds instead: `logit m ± t · SE / (m (1 - m))`, mapped back. That is the interval of surveys, and that
//! of a logistic regression with an intercept and errors by group.

use std::collections::BTreeMap;

use statrs::{
    distribution::{Continuous as _, ContinuousCDF as _, StudentsT},
    function::beta::beta_reg,
};

/// What a mean is of, which says where it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// In 0..=1.
    Shares,
    /// Of shares; in -1..=1.
    Changes,
}

impl Of {
    /// The lowest mean; the highest is 1.
    fn low(self) -> f64 {
        match self {
            Self::Shares => 0.0,
            Self::Changes => -1.0,
        }
    }
}

/// A mean over problems.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    /// Problems.
    pub(super) n: usize,
    /// The standard error; nothing for a single group, or if all problems have the same result, from
    /// which no error can be estimated.
    pub(super) standard_error: Option<f64>,
    /// Half of the 95 % interval, from Student's t with one less than the groups.
    pub(super) half_width: Option<f64>,
    /// The 95 % interval on the log-odds, if the mean less and plus half the width would leave its range.
    pub(super) interval: Option<[f64; 2]>,
    /// The chance of a mean at least as far from 0, if it is 0; of changes.
    pub(super) p_value: Option<f64>,
    /// Whether all problems have the same result.
    pub(super) are_alike: bool,
}

/// Estimates the mean of `values`, each with the group that its problem belongs to.
pub(super) fn estimate(values: &[(&str, f64)], of: Of) -> Option<Estimate> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().map(|(_, value)| value).sum::<f64>() / n as f64;
    let mut groups: BTreeMap<&str, f64> = BTreeMap::new();
    for (group, value) in values {
        *groups.entry(group).or_default() += value - mean;
    }
    let count = groups.len() as f64;
    let squares: f64 = groups.values().map(|sum| sum * sum).sum();
    let are_alike = values
        .windows(2)
        .all(|pair| pair[0].1.total_cmp(&pair[1].1).is_eq());
    // The mean of equal values is rounded, so that their distances from it need not be 0.
    let is_known = groups.len() > 1 && !are_alike && squares > 0.0;
    let standard_error = is_known.then(|| (count / (count - 1.0) * squares).sqrt() / n as f64);
    let freedom = groups.len().saturating_sub(1);
    let half_width = standard_error.map(|error| error * t_quantile(freedom));
    let odds = match (standard_error, half_width) {
        (Some(error), Some(half)) if mean - half < of.low() || mean + half > 1.0 => {
            Odds::of(mean, error, of)
        }
        _ => None,
    };
    // The interval leaves out 0 if and only if this is below 5 %.
    let t = match &odds {
        Some(odds) => Some(odds.log / odds.error),
        None => standard_error.map(|error| mean / error),
    };
    Some(Estimate {
        mean,
        n,
        standard_error,
        half_width,
        interval: odds.map(|odds| odds.interval(freedom, of)),
        p_value: t
            .filter(|_| of == Of::Changes)
            .map(|t| two_sided(t, freedom)),
        are_alike,
    })
}

/// A mean as the logarithm of its odds, the range of the mean being 0..=1.
struct Odds {
    log: f64,
    error: f64,
}

impl Odds {
    /// Nothing at an end of the range.
    fn of(mean: f64, standard_error: f64, of: Of) -> Option<Self> {
        let length = 1.0 - of.low();
        let share = (mean - of.low()) / length;
        let rest = (1.0 - mean) / length;
        (share > 0.0 && rest > 0.0).then(|| Self {
            log: (share / rest).ln(),
            error: standard_error / length / (share * rest),
        })
    }

    fn interval(&self, freedom: usize, of: Of) -> [f64; 2] {
        let half = self.error * t_quantile(freedom);
        let mean = |log: f64| of.low() + (1.0 - of.low()) / (1.0 + (-log).exp());
        [mean(self.log - half), mean(self.log + half)]
    }
}

/// The chance that Student's t is at least as far from 0.
fn two_sided(t: f64, freedom: usize) -> f64 {
    let freedom = freedom as f64;
    beta_reg(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// The p-values with Holm's correction, in their order: what is below 5 % then is wrong in no more than 5 % of
/// such tables, however the comparisons depend on each other.
pub(super) fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|first, second| p_values[*first].total_cmp(&p_values[*second]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut highest: f64 = 0.0;
    for (rank, place) in order.into_iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        highest = highest.max((left * p_values[place]).min(1.0));
        corrected[place] = highest;
    }
    corrected
}

/// Half of the 95 % interval of a share of `n` independent problems, by the normal distribution.
pub(super) fn share_half_width(share: f64, n: usize) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    Z * (share * (1.0 - share) / n as f64).max(0.0).sqrt()
}

/// The 97.5 % quantile of Student's t.
fn t_quantile(degrees_of_freedom: usize) -> f64 {
    quantile_of_t(0.975, degrees_of_freedom)
}

/// A quantile of Student's t.
pub(super) fn quantile_of_t(share: f64, degrees_of_freedom: usize) -> f64 {
    let Ok(t) = StudentsT::new(0.0, 1.0, degrees_of_freedom as f64) else {
        // No degree of freedom: nothing is known.
        return f64::INFINITY;
    };
    // Its inverse is right to 1e-12; a step of Newton's method makes it as right as its own `cdf`.
    let quantile = t.inverse_cdf(share);
    quantile - (t.cdf(quantile) - share) / t.pdf(quantile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(values: &[f64]) -> Vec<(String, f64)> {
        values
            .iter()
            .enumerate()
            .map(|(i, value)| (i.to_string(), *value))
            .collect()
    }

    fn of(values: &[(String, f64)]) -> Estimate {
        let values: Vec<(&str, f64)> = values.iter().map(|(g, v)| (g.as_str(), *v)).collect();
        estimate(&values, Of::Shares).unwrap()
    }

    /// By hand: mean 0.5, s² = 4 · 0.25 / 3, SE = sqrt(s² / 4) = sqrt(1 / 12), t(3) = 3.18244….
    #[test]
    fn the_error_of_lone_problems_is_the_textbook_s() {
        let estimate = of(&alone(&[1.0, 0.0, 1.0, 0.0]));
        assert!((estimate.mean - 0.5).abs() < 1e-15);
        let error = (1.0_f64 / 12.0).sqrt();
        // 1e-15: a handful of roundings of numbers below 1.
        assert!((estimate.standard_error.unwrap() - error).abs() < 1e-15);
        // 1e-13: the quantile's own error.
        assert!((estimate.half_width.unwrap() - error * 3.182_446_305_283_71).abs() < 1e-13);
    }

    /// By hand: two groups whose problems agree are two observations; e = ±0.5, group sums ±1,
    /// SE = sqrt(2 / 1 · 2) / 4 = 0.5, and the textbook's error of {1, 0} is 0.5 too.
    #[test]
    fn problems_that_agree_within_groups_count_once() {
        let grouped = [("a", 1.0), ("a", 1.0), ("b", 0.0), ("b", 0.0)];
        assert_eq!(
            estimate(&grouped, Of::Shares).unwrap().standard_error,
            Some(0.5)
        );
        assert_eq!(of(&alone(&[1.0, 0.0])).standard_error, Some(0.5));
    }

    #[test]
    fn equal_problems_have_no_error_and_none_no_mean() {
        assert_eq!(of(&alone(&[1.0])).standard_error, None);
        assert_eq!(of(&alone(&[1.0, 1.0])).half_width, None);
        assert_eq!(estimate(&[], Of::Shares), None);
        // The sum of these is not 8 · 0.2 in float64.
        let alike = of(&alone(&[0.2; 8]));
        let mean = [0.2_f64; 8].iter().sum::<f64>() / 8.0;
        assert_ne!(mean.to_bits(), 0.2_f64.to_bits(), "rounding");
        assert_eq!((alike.standard_error, alike.half_width), (None, None));
        assert!(alike.are_alike && alike.interval.is_none());
    }

    /// Oracle: statsmodels 0.15.0, `GLM(y, 1, Binomial()).fit(cov_type="cluster", use_correction=True)` and scipy
    /// 1.17.1's `t.ppf(0.975, groups - 1)`, mapped back by `1 / (1 + exp(-x))`.
    #[test]
    fn an_interval_that_would_leave_its_range_is_that_of_a_logistic_regression() {
        let lone = (0..10).map(|place| if place < 9 { 0.0 } else { 0.2 });
        let of_groups: [&[(&str, f64)]; 2] = [
            &[("a", 1.0), ("a", 1.0), ("b", 1.0), ("b", 0.0)],
            &[
                ("a", 1.0),
                ("a", 0.5),
                ("b", 0.0),
                ("b", 0.0),
                ("c", 0.5),
                ("c", 0.0),
                ("d", 1.0),
                ("d", 0.5),
            ],
        ];
        let found = [
            estimate(of_groups[0], Of::Shares).unwrap(),
            estimate(of_groups[1], Of::Shares).unwrap(),
            of(&alone(&lone.collect::<Vec<_>>())),
        ];
        let expected = [
            [1.316_664_300_375_841_8e-7, 0.999_999_985_370_394_9],
            [0.064_402_348_616_501_82, 0.897_835_863_133_43],
            [0.002_025_029_488_612_109_8, 0.170_300_839_226_357_14],
        ];
        for (found, expected) in found.iter().zip(expected) {
            let interval = found.interval.unwrap();
            for (end, wanted) in interval.into_iter().zip(expected) {
                // 1e-9: the regression stops when its deviance changes by less than 1e-15 of its value.
                assert!((end - wanted).abs() < 1e-9, "{found:?} {wanted}");
            }
            assert_eq!(found.p_value, None);
        }
    }

    /// Oracle: the same regression of `(1 + change) / 2`, mapped back; and scipy's `ttest_1samp` for an interval
    /// that stays in its range.
    #[test]
    fn changes_have_p_values_that_agree_with_their_intervals() {
        let changes = |values: &[f64]| {
            let values = alone(values);
            let values: Vec<(&str, f64)> = values.iter().map(|(g, v)| (g.as_str(), *v)).collect();
            estimate(&values, Of::Changes).unwrap()
        };
        let wide = changes(&[1.0, 1.0, 0.5, 0.0]);
        let [low, high] = wide.interval.unwrap();
        // 1e-9, as above.
        assert!((low + 0.475_277_939_806_997_73).abs() < 1e-9);
        assert!((high - 0.962_821_481_334_544_6).abs() < 1e-9);
        assert!((wide.p_value.unwrap() - 0.158_793_231_097_821_92).abs() < 1e-9);

        // `ttest_1samp([0.5, 0.25, 0, 0.25], 0)`: t = √6, p = 0.0917
        let narrow = changes(&[0.5, 0.25, 0.0, 0.25]);
        assert_eq!(narrow.interval, None);
        // 1e-12: the incomplete beta function.
        assert!((narrow.p_value.unwrap() - 0.091_721_113_311_571_86).abs() < 1e-12);
    }

    /// However few the groups and however far apart, no end is outside the range, and the mean is between them.
    #[test]
    fn no_interval_leaves_its_range() {
        let mut random = 7_u64;
        let mut next = |below: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(random >> 33).unwrap() % below
        };
        let names = ["a", "b", "c", "d", "e", "f"];
        for _ in 0..2_000 {
            let (count, groups) = (2 + next(9), 2 + next(5));
            let values: Vec<(&str, f64)> = (0..count)
                .map(|_| (names[next(groups)], next(5) as f64 / 4.0))
                .collect();
            for (kind, low) in [(Of::Shares, 0.0), (Of::Changes, -1.0)] {
                let values: Vec<_> = values
                    .iter()
                    .map(|(group, value)| (*group, low + (1.0 - low) * value))
                    .collect();
                let found = estimate(&values, kind).unwrap();
                let Some(half) = found.half_width else {
                    continue;
                };
                let ends = found
                    .interval
                    .unwrap_or([found.mean - half, found.mean + half]);
                assert!(low <= ends[0] && ends[1] <= 1.0, "{found:?}");
                assert!(ends[0] <= found.mean && found.mean <= ends[1], "{found:?}");
                let holds_zero = ends[0] <= 0.0 && ends[1] >= 0.0;
                if let Some(p_value) = found
                    .p_value
                    .filter(|p_value| (p_value - 0.05).abs() > 1e-9)
                {
                    assert_eq!(holds_zero, p_value > 0.05, "{found:?}");
                }
            }
        }
    }

    /// Oracle: scipy 1.17.1, `2 * t.sf(t, freedom)`.
    #[test]
    fn p_values_of_students_t() {
        for (t, freedom, expected) in [
            (2.5, 3, 0.087_706_647_008_065_56),
            (-0.3, 1, 0.814_452_841_844_515_4),
            (12.0, 27, 2.481_708_718_753_891e-12),
            (2.0, 669, 0.045_904_068_781_705_63),
        ] {
            // 1e-12 of the value: some 200 roundings of the incomplete beta function, with large logarithms.
            let error: f64 = two_sided(t, freedom) / expected - 1.0;
            assert!(error.abs() < 1e-12, "{t} {freedom}: {error:e}");
        }
    }

    /// Oracle: statsmodels 0.15.0, `multipletests(p, method="holm")`.
    #[test]
    fn holms_correction() {
        for (given, expected) in [
            (
                vec![0.01, 0.04, 0.03, 0.005, 0.2],
                vec![0.04, 0.09, 0.09, 0.025, 0.2],
            ),
            (vec![0.6, 0.7, 0.012], vec![1.0, 1.0, 0.036]),
            (vec![0.03], vec![0.03]),
            (vec![], vec![]),
        ] {
            let found = holm(&given);
            let pairs = found.iter().zip(&expected);
            // 1e-15: one rounding of a product.
            assert!(
                pairs
                    .clone()
                    .all(|(one, other)| (one - other).abs() < 1e-15),
                "{found:?}"
            );
            assert_eq!(found.len(), expected.len());
        }
    }

    /// Oracle: mpmath 1.3 with 30 digits, the root of 1 - betainc(f/2, 1/2, 0, f/(f + t²))/2 - 0.975.
    #[test]
    fn quantiles_of_students_t_are_exact() {
        for (degrees, expected) in [
            (1, 12.706_204_736_174_705),
            (2, 4.302_652_729_749_464),
            (3, 3.182_446_305_283_709_5),
            (5, 2.570_581_835_636_315_5),
            (10, 2.228_138_851_986_275),
            (13, 2.160_368_656_462_792_6),
            (30, 2.042_272_456_301_238),
            (31, 2.039_513_446_396_408_6),
            (60, 2.000_297_822_014_260_4),
            (163, 1.974_624_620_966_361_4),
            (669, 1.963_516_295_343_816_3),
        ] {
            // 1e-13: some 200 roundings of the incomplete beta function.
            let error: f64 = t_quantile(degrees) - expected;
            assert!(error.abs() < 1e-13, "{degrees}: {error:e}");
        }
    }

    /// By hand: at 75 % of 670 the standard error is 1.67 points; of 164, 3.38.
    #[test]
    fn shares_have_the_binomial_error() {
        assert!((share_half_width(0.75, 670) / 1.96 - 0.0167).abs() < 5e-5);
        assert!((share_half_width(0.75, 164) / 1.96 - 0.0338).abs() < 5e-5);
        assert!(share_half_width(1.0, 10).abs() < 1e-15);
    }
}
