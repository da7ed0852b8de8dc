//! Means over problems and their errors: exact formulas, no random numbers.
//!
//! A mean over problems is uncertain because the benchmark could have had other problems. Problems
//! of one group (the tasks of one API update) tend to be solved together, so the error is that of
//! groups:
//! with `e` a problem's distance from the mean, `SE² = G/(G-1) · Σ over groups (Σ e)² / n²`. If
//! every group has one problem, that is the textbook's `s² / n`.

use std::collections::BTreeMap;

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
    })
}

/// Half of the 95 % interval of a share of `n` independent problems, by the normal distribution.
pub(super) fn share_half_width(share: f64, n: usize) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    Z * (share * (1.0 - share) / n as f64).max(0.0).sqrt()
}

/// The 97.5 % quantile of Student's t: tabled, and by the expansion in 1/f beyond the table.
fn t_quantile(degrees_of_freedom: usize) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    let tabled = degrees_of_freedom
        .checked_sub(1)
        .and_then(|index| TABLE.get(index));
    if let Some(quantile) = tabled {
        return *quantile;
    }
    // Abramowitz and Stegun, 26.7.5, to the third order: 5e-6 off at 31, less beyond.
    let f = degrees_of_freedom as f64;
    Z + (Z.powi(3) + Z) / (4.0 * f)
        + (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * f.powi(2))
        + (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / (384.0 * f.powi(3))
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

    /// By hand: mean 0.5, s² = 4 · 0.25 / 3, SE = sqrt(s² / 4) = sqrt(1 / 12), t(3) = 3.182.
    #[test]
    fn the_error_of_lone_problems_is_the_textbook_s() {
        let estimate = of(&alone(&[1.0, 0.0, 1.0, 0.0]));
        assert!((estimate.mean - 0.5).abs() < 1e-15);
        let error = (1.0_f64 / 12.0).sqrt();
        // 1e-15: a handful of roundings of numbers below 1.
        assert!((estimate.standard_error.unwrap() - error).abs() < 1e-15);
        assert!((estimate.half_width.unwrap() - error * 3.182).abs() < 1e-15);
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

    /// Oracle: tables of the t distribution: t(40) = 2.0211, t(60) = 2.0003, t(120) = 1.9799.
    #[test]
    fn quantiles_go_on_where_the_table_ends() {
        for (degrees, expected) in [
            (1, 12.706),
            (30, 2.042),
            (40, 2.0211),
            (60, 2.0003),
            (120, 1.9799),
        ] {
            // 5e-5: the tables' last digit.
            assert!(
                (t_quantile(degrees) - expected).abs() <= 5e-5 + 1e-9,
                "{degrees}"
            );
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
