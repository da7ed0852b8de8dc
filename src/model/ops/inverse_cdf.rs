//! The inverse of a cumulative distribution, by which tokens are drawn.

/// Finds the place where the sum of the weights exceeds `rest`, and how much of `rest` is left
/// there.
///
/// Places without weight are never found.
pub(super) fn pick(weights: &[f64], mut rest: f64) -> (usize, f64) {
    let mut last = (0, 0.0);
    for (place, weight) in weights.iter().enumerate() {
        if *weight > 0.0 {
            last = (place, rest);
            if rest < *weight {
                break;
            }
            rest -= weight;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_as_often_as_its_weight_says() {
        let weights = [0.0, 2.0, 0.0, 1.0, 0.0];

        assert_eq!(pick(&weights, 0.0), (1, 0.0));
        assert_eq!(pick(&weights, 1.5), (1, 1.5));
        assert_eq!(pick(&weights, 2.0), (3, 0.0));
        // Rounding may leave a rest after all weights: the last place that has one.
        assert_eq!(pick(&weights, 3.0), (3, 1.0));
    }
}
