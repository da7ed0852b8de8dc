//! The probability that at least one of k samples solves a task.

/// The unbiased estimate of pass@k from `samples` drawn, of which `correct` solve the task.
///
/// `1 - C(n - c, k) / C(n, k)`, as a product that does not overflow (arXiv:2107.03374, eq. 1 and
/// fig. 3). None if `k` exceeds `samples`.
pub fn pass_at_k(samples: usize, correct: usize, k: usize) -> Option<f64> {
    if k == 0 || k > samples || correct > samples {
        return None;
    }
    let wrong = samples - correct;
    if wrong < k {
        return Some(1.0);
    }
    let none: f64 = (wrong + 1..=samples)
        .map(|i| 1.0 - k as f64 / i as f64)
        .product();
    Some(1.0 - none)
}

/// The mean of pass@k over tasks, each given as its number of samples and of correct ones.
///
/// None if some task has fewer than `k` samples.
pub fn pass_at_k_of_tasks(tasks: &[(usize, usize)], k: usize) -> Option<f64> {
    let each: Option<Vec<f64>> = tasks
        .iter()
        .map(|(samples, correct)| pass_at_k(*samples, *correct, k))
        .collect();
    let each = each?;
    (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        rows: Vec<(usize, usize, usize, f64)>,
    }

    #[test]
    fn the_estimate_is_the_recorded_one() {
        // Oracle: tests/golden/rl/pass_at_k.json, its own formulas in float64.
        let golden = include_str!("../../tests/golden/rl/pass_at_k.json");
        let golden: Golden = serde_json::from_str(golden).unwrap();
        assert!(golden.rows.len() > 40);
        for (samples, correct, k, expected) in golden.rows {
            let estimate = pass_at_k(samples, correct, k).unwrap();
            // 1e-12: a product of at most 200 factors in float64.
            assert!(
                (estimate - expected).abs() < 1e-12,
                "{samples} {correct} {k}: {estimate}"
            );
        }
    }

    #[test]
    fn there_is_no_estimate_for_more_than_the_samples() {
        assert_eq!(pass_at_k(4, 2, 5), None);
        assert_eq!(pass_at_k(4, 2, 0), None);
        assert_eq!(pass_at_k_of_tasks(&[(5, 5), (4, 4)], 5), None);
        assert_eq!(pass_at_k_of_tasks(&[], 1), None);
    }

    #[test]
    fn a_benchmark_is_the_mean_of_its_tasks() {
        // By hand: 1 of 2 and 2 of 2.
        assert_eq!(pass_at_k_of_tasks(&[(2, 1), (2, 2)], 1), Some(0.75));
    }
}
