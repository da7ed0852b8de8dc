//! How curves differ: by colour, and by dashes for people and printers that see no colours.

/// Colours that can be distinguished on white and on black; the first ones (Okabe and Ito) also by people
/// with red-green colour blindness.
pub(in crate::report) const COLOURS: [&str; 10] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f4fc9", "#9c6b3f",
    "#858585", "#9a9a00",
];

/// The lengths of dashes and gaps; the first line is solid.
pub(in crate::report) const DASHES: [&str; 4] = ["", "7 3", "2 3", "8 3 2 3"];

/// The colour and the dashes of the curve at a place; the first twenty are all different.
pub(in crate::report) fn style(place: usize) -> (&'static str, &'static str) {
    (COLOURS[place % COLOURS.len()], DASHES[place % DASHES.len()])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn twenty_curves_look_different() {
        let styles: BTreeSet<_> = (0..20).map(style).collect();
        assert_eq!(styles.len(), 20);
        assert_eq!(BTreeSet::from(COLOURS).len(), 10);
    }

    #[test]
    fn colours_differ_and_are_seen_on_white_and_on_black() {
        let part = |colour: &str, at: usize| {
            let digits = colour.get(at..at + 2).unwrap();
            i32::from(u8::from_str_radix(digits, 16).unwrap())
        };
        let parts = |colour: &str| [1, 3, 5].map(|at| part(colour, at));
        for (place, colour) in COLOURS.iter().enumerate() {
            let [red, green, blue] = parts(colour);
            let brightness = (299 * red + 587 * green + 114 * blue) / 1000;
            assert!((75..=180).contains(&brightness), "{colour}: {brightness}");
            for other in &COLOURS[..place] {
                let differences = parts(colour).into_iter().zip(parts(other));
                let distance: i32 = differences.map(|(a, b)| (a - b) * (a - b)).sum();
                // A seventh of the way from black to white.
                assert!(distance > 60 * 60, "{colour} and {other}");
            }
        }
    }
}
