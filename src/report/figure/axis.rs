//! Marks of an axis: round numbers, few enough to read.

/// The marks of an axis, in order, each with its text.
pub(super) fn marks(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    round_numbers(low, high, spacing(high - low, most))
}

/// The marks of an axis of steps: whole numbers from 0 to `last`.
pub(super) fn whole_marks(last: f64, most: usize) -> Vec<(f64, String)> {
    round_numbers(0.0, last, spacing(last, most).max(1.0))
}

/// The smallest of 1, 2 and 5 times a power of ten that makes at most so many marks.
fn spacing(range: f64, most: usize) -> f64 {
    let least = range / most.max(1) as f64;
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| {
        // A range of exactly so many marks is one, in spite of rounding.
        factor * power >= least * (1.0 - 1e-9)
    });
    factor.unwrap_or(10.0) * power
}

fn round_numbers(low: f64, high: f64, spacing: f64) -> Vec<(f64, String)> {
    let is_usable = spacing.is_finite() && spacing > 0.0 && low.is_finite() && high.is_finite();
    if !is_usable {
        return Vec::new();
    }
    let slack = spacing * 1e-9;
    let mut number = ((low - slack) / spacing).ceil();
    let mut marks = Vec::new();
    while number * spacing <= high + slack {
        let value = number * spacing + 0.0;
        marks.push((value, in_figures(value, spacing)));
        number += 1.0;
    }
    marks
}

/// A multiple of `spacing`, with as many decimals as it takes.
fn in_figures(value: f64, spacing: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let power = (spacing.log10() + 1e-9).floor();
    if !(-4.0..6.0).contains(&power) {
        let digits = (value.abs().log10() - power).round().max(0.0);
        let text = format!("{value:.*e}", whole(digits));
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = if digits.contains('.') {
            digits.trim_end_matches('0').trim_end_matches('.')
        } else {
            digits
        };
        return format!("{digits}e{exponent}");
    }
    format!("{value:.*}", whole(-power))
}

/// A small number of digits.
fn whole(digits: f64) -> usize {
    (0_u8..16)
        .find(|count| f64::from(*count) >= digits)
        .map_or(16, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(marks: &[(f64, String)]) -> Vec<&str> {
        marks.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Oracle: by hand.
    #[test]
    fn marks_are_round_and_few() {
        assert_eq!(
            texts(&marks(0.0, 1.0, 5)),
            ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        let around_zero = ["-0.05", "0", "0.05", "0.10"];
        assert_eq!(texts(&marks(-0.07, 0.13, 4)), around_zero);
        assert_eq!(texts(&marks(17.0, 96.0, 5)), ["20", "40", "60", "80"]);
        assert_eq!(texts(&marks(0.0, 3e-7, 3)), ["0", "1e-7", "2e-7", "3e-7"]);
        assert_eq!(
            texts(&marks(0.0, 1.5e-6, 3)),
            ["0", "5e-7", "1e-6", "1.5e-6"]
        );
        assert_eq!(texts(&marks(0.0, 3e7, 3)), ["0", "1e7", "2e7", "3e7"]);
    }

    #[test]
    fn steps_are_whole() {
        assert_eq!(texts(&whole_marks(3.0, 8)), ["0", "1", "2", "3"]);
        assert_eq!(
            texts(&whole_marks(40.0, 8)),
            ["0", "5", "10", "15", "20", "25", "30", "35", "40"]
        );
        assert_eq!(texts(&whole_marks(1.0, 8)), ["0", "1"]);
    }

    #[test]
    fn an_axis_that_is_none_has_no_marks() {
        assert!(marks(0.0, 0.0, 5).is_empty());
        assert!(marks(f64::NAN, 1.0, 5).is_empty());
        assert!(marks(0.0, f64::INFINITY, 5).is_empty());
    }
}
