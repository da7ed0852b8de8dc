//! Means over problems and their errors: exact formulas, no random numbers.
//!
//! A mean over problems is uncertain because the benchmark could have had other problems. Problems
//! of one group (the tasks of one API update) tend to be solved together, so the error is that of
//! groups:
//! with `e` a problem's distance from the mean, `SE² = G/(G-1) · Σ over groups (Σ e)² / n²`. If
//! every group has one problem, that is the textbook's `s² / n`.

use std::collections::BTreeMap;

use statrs::distribution::{Continuous as _, ContinuousCDF as _, StudentsT};

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
    /// Whether all problems have the same result.
    pub(super) are_alike: bool,
}

/// Estimates the mean of `values`, each with the group that its problem belongs to.
pub(super) fn estimate(values: &[(&str, f64)]) -> Option<Estimate> {
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
    let is_known = groups.len() > 1 && squares > 0.0;
    let standard_error = is_known.then(|| (count / (count - 1.0) * squares).sqrt() / n as f64);
    let half_width = standard_error.map(|error| error * t_quantile(groups.len() - 1));
    Some(Estimate {
        mean,
        n,
        standard_error,
        half_width,
        are_alike: values
            .windows(2)
            .all(|pair| pair[0].1.total_cmp(&pair[1].1).is_eq()),
    })
}

/// Half of the 95 % interval of a share of `n` independent problems, by the normal distribution.
pub(super) fn share_half_width(share: f64, n: usize) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    Z * (share * (1.0 - share) / n as f64).max(0.0).sqrt()
}

/// The 97.5 % quantile of Student's t.
fn t_quantile(degrees_of_freedom: usize) -> f64 {
    const SHARE: f64 = 0.975;
    let Ok(t) = StudentsT::new(0.0, 1.0, degrees_of_freedom as f64) else {
        // No degree of freedom: nothing is known.
        return f64::INFINITY;
    };
    // Its inverse is right to 1e-12; a step of Newton's method makes it as right as its own `cdf`.
    let quantile = t.inverse_cdf(SHARE);
    quantile - (t.cdf(quantile) - SHARE) / t.pdf(quantile)
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
        estimate(&values).unwrap()
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
        assert_eq!(estimate(&grouped).unwrap().standard_error, Some(0.5));
        assert_eq!(of(&alone(&[1.0, 0.0])).standard_error, Some(0.5));
    }

    #[test]
    fn equal_problems_have_no_error_and_none_no_mean() {
        assert_eq!(of(&alone(&[1.0])).standard_error, None);
        assert_eq!(of(&alone(&[1.0, 1.0])).half_width, None);
        assert_eq!(estimate(&[]), None);
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
