//! Numbers as a row of small bars.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The weight of earlier values in [`moving_average`], as in the figures of a report.
const SMOOTHING: f64 = 0.9;

/// The moving average up to each value.
pub(super) fn moving_average(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut past = None;
    values
        .map(|value| {
            let before = past.unwrap_or(value);
            let moved = SMOOTHING * before + (1.0 - SMOOTHING) * value;
            past = Some(moved);
            moved
        })
        .collect()
}

/// A bar for each value, scaled from the least to the greatest. Of more than `width` values, evenly
/// spaced ones are shown, including the last.
pub(super) fn sparkline(values: &[f64], width: usize) -> String {
    let columns = values.len().min(width);
    let shown: Vec<f64> = (1..=columns)
        .filter_map(|column| values.get(column * values.len() / columns - 1).copied())
        .collect();
    let least = shown.iter().copied().fold(f64::INFINITY, f64::min);
    let range = shown.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
    let bar = |value: f64| {
        let share = (value - least) / range;
        let higher = BARS[1..].iter().zip(1_u8..);
        // If all values are equal, the share is NaN and the lowest bar is used.
        let reached = higher.take_while(|(_, place)| share >= f64::from(*place) / 8.0);
        reached.last().map_or(BARS[0], |(bar, _)| *bar)
    };
    shown.into_iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_rise_from_the_least_to_the_greatest_value() {
        // By hand: eighths of the range from -1 to 7.
        let values: Vec<f64> = (-1..8).map(f64::from).collect();

        assert_eq!(sparkline(&values, 20), "▁▂▃▄▅▆▇██");
        assert_eq!(sparkline(&values, 3), "▁▅█");
        assert_eq!(sparkline(&[2.0, 2.0], 20), "▁▁");
        assert_eq!(sparkline(&[], 20), "");
    }

    #[test]
    fn the_average_moves_a_tenth_of_the_way() {
        // By hand: 1, then 0.9 * 1 + 0.1 * 2 = 1.1.
        let averages = moving_average([1.0, 2.0].into_iter());

        assert!((averages[0] - 1.0).abs() < 1e-12);
        assert!((averages[1] - 1.1).abs() < 1e-12);
    }
}
