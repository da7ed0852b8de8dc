//! A figure as SVG: curves with their bands, and the legend below them, where it hides nothing.

use std::fmt::Write as _;

use super::{
    axis::{marks, whole_marks},
    curves::{Curve, Point},
    quantity::Quantity,
    style::style,
};

const WIDTH: f64 = 720.0;
/// The corners of the area of the curves.
const LEFT: f64 = 72.0;
const RIGHT: f64 = 704.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 356.0;
/// What step 0 is.
pub(in crate::report) const BEFORE: &str = "step 0: before training";
/// From one line of the legend to the next.
const LINE: f64 = 20.0;

/// Curves of a quantity against the step, each with a band from its lowest to its highest seed.
pub(super) fn svg(experiment: &str, quantity: Quantity, curves: &[Curve]) -> String {
    let scale = Scale::of(curves);
    let height = BOTTOM + 56.0 + LINE * curves.len() as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"#222222\">\n<title>{}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        escaped(&format!("{experiment}: {}", quantity.title))
    );
    write_text(&mut text, (LEFT, 24.0), "font-size=\"16\"", quantity.title);
    let about = subtitle(experiment, quantity, curves);
    write_text(&mut text, (LEFT, 43.0), "fill=\"#555555\"", &about);
    axes(&mut text, quantity, &scale);
    for curve in curves {
        draw(&mut text, curve, &scale);
    }
    for (place, curve) in curves.iter().enumerate() {
        let y = BOTTOM + 60.0 + LINE * place as f64;
        let line = format!(
            "{:.1},{:.1} {:.1},{:.1}",
            LEFT,
            y - 4.0,
            LEFT + 30.0,
            y - 4.0
        );
        polyline(&mut text, &line, curve.place);
        write_text(&mut text, (LEFT + 40.0, y), "", &curve.label);
    }
    text + "</svg>\n"
}

/// The experiment, and how to read the curves.
fn subtitle(experiment: &str, quantity: Quantity, curves: &[Curve]) -> String {
    let mut parts = vec![experiment.to_owned()];
    if quantity.smoothing > 0.0 {
        parts.push(format!("moving average, {}", quantity.smoothing));
    }
    if let Some(seeds) = curves
        .iter()
        .map(|curve| curve.seeds)
        .max()
        .filter(|seeds| *seeds > 1)
    {
        parts.push(format!(
            "mean of {seeds} seeds; band: lowest to highest seed"
        ));
    }
    if curves.iter().any(Curve::has_start) {
        parts.push(BEFORE.to_owned());
    }
    parts.join(" · ")
}

/// From steps and values to places.
struct Scale {
    last: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn of(curves: &[Curve]) -> Self {
        let points = || curves.iter().flat_map(|curve| &curve.points);
        let low = points()
            .map(|point| point.lowest)
            .fold(f64::INFINITY, f64::min);
        let high = points()
            .map(|point| point.highest)
            .fold(f64::NEG_INFINITY, f64::max);
        // A flat curve has no range of values to draw over.
        let margin = if high > low {
            (high - low) * 0.05
        } else {
            (high.abs() * 0.05).max(0.01)
        };
        Self {
            last: points().map(|point| point.step).fold(1.0, f64::max),
            low: low - margin,
            high: high + margin,
        }
    }

    fn x(&self, step: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * step / self.last
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (value - self.low) / (self.high - self.low)
    }

    fn place(&self, step: f64, value: f64) -> String {
        format!("{:.1},{:.1}", self.x(step), self.y(value))
    }
}

fn axes(text: &mut String, quantity: Quantity, scale: &Scale) {
    for (value, label) in marks(scale.low, scale.high, 6) {
        let y = scale.y(value);
        rule(text, [LEFT, y, RIGHT, y], "#e0e0e0");
        write_text(text, (LEFT - 6.0, y + 4.0), "text-anchor=\"end\"", &label);
    }
    for (step, label) in whole_marks(scale.last, 9) {
        let x = scale.x(step);
        rule(text, [x, BOTTOM, x, BOTTOM + 4.0], "#555555");
        write_text(text, (x, BOTTOM + 18.0), "text-anchor=\"middle\"", &label);
    }
    rule(text, [LEFT, TOP, LEFT, BOTTOM], "#555555");
    rule(text, [LEFT, BOTTOM, RIGHT, BOTTOM], "#555555");
    let middle = LEFT.midpoint(RIGHT);
    write_text(
        text,
        (middle, BOTTOM + 36.0),
        "text-anchor=\"middle\"",
        "step",
    );
    let y = TOP.midpoint(BOTTOM);
    let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 16 {y:.1})\"");
    write_text(text, (16.0, y), &turned, quantity.axis);
}

fn draw(text: &mut String, curve: &Curve, scale: &Scale) {
    let join = |places: Vec<String>| places.join(" ");
    let (colour, _) = style(curve.place);
    let points = curve.points.iter();
    if curve.seeds > 1 {
        let there = points
            .clone()
            .map(|point| scale.place(point.step, point.highest));
        let back = points
            .clone()
            .rev()
            .map(|point| scale.place(point.step, point.lowest));
        let band = join(there.chain(back).collect());
        let _ = writeln!(
            text,
            "<polygon points=\"{band}\" fill=\"{colour}\" fill-opacity=\"0.15\"/>"
        );
    }
    polyline(
        text,
        &join(
            points
                .map(|point| scale.place(point.step, point.mean))
                .collect(),
        ),
        curve.place,
    );
    // A line of one point is not seen.
    if let [Point { step, mean, .. }] = curve.points[..] {
        let (x, y) = (scale.x(step), scale.y(mean));
        let _ = writeln!(
            text,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
        );
    }
}

/// A line in the style of a place, through points as `1.0,2.0 3.0,4.0`.
pub(super) fn polyline(text: &mut String, places: &str, place: usize) {
    let (colour, dashes) = style(place);
    let dashes = if dashes.is_empty() {
        String::new()
    } else {
        format!(" stroke-dasharray=\"{dashes}\"")
    };
    let _ = writeln!(
        text,
        "<polyline points=\"{places}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
         stroke-linejoin=\"round\"{dashes}/>"
    );
}

pub(super) fn rule(text: &mut String, [x1, y1, x2, y2]: [f64; 4], colour: &str) {
    let _ = writeln!(
        text,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>"
    );
}

pub(super) fn write_text(text: &mut String, (x, y): (f64, f64), attributes: &str, content: &str) {
    let space = if attributes.is_empty() { "" } else { " " };
    let content = escaped(content);
    let _ = writeln!(
        text,
        "<text x=\"{x:.1}\" y=\"{y:.1}\"{space}{attributes}>{content}</text>"
    );
}

/// Text as XML has it; characters that XML forbids are replaced.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push(' '),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::quantity::quantity;

    fn curve(label: &str, values: &[[f64; 3]]) -> Curve {
        let point = |([lowest, mean, highest], step): (&[f64; 3], i32)| Point {
            step: f64::from(step),
            mean: *mean,
            lowest: *lowest,
            highest: *highest,
        };
        Curve {
            label: label.to_owned(),
            place: 0,
            seeds: 2,
            points: values.iter().zip(1..).map(point).collect(),
        }
    }

    fn flat(label: &str) -> Curve {
        curve(label, &[[2.0; 3]; 2])
    }

    /// The numbers after an attribute, such as `y="`.
    fn numbers(svg: &str, before: &str) -> Vec<f64> {
        let parts = svg.split(before).skip(1);
        let numbers = parts.filter_map(|part| part.split(['"', ' ']).next()?.parse().ok());
        numbers.collect()
    }

    #[test]
    fn every_curve_is_drawn_and_named_and_equal_curves_give_equal_bytes() {
        let curves = [flat("grpo <1>"), flat("dapo\u{1}")];

        let text = svg("an & experiment", quantity("reward"), &curves);

        assert_eq!(text.matches("<polygon").count(), 2);
        assert!(text.contains("grpo &lt;1&gt;") && text.contains("dapo\u{fffd}"));
        assert!(text.contains("an &amp; experiment · moving average, 0.9 · mean of 2 seeds"));
        assert!(text.contains(">step</text>") && text.contains(">reward</text>"));
        assert!(!text.contains("NaN") && text.ends_with("</svg>\n"));
        assert_eq!(svg("an & experiment", quantity("reward"), &curves), text);
    }

    #[test]
    fn the_legend_is_below_the_curves_and_within_the_picture() {
        let curves: Vec<Curve> = (0..12).map(|place| flat(&format!("row {place}"))).collect();

        let text = svg("x", quantity("reward"), &curves);

        let height = numbers(&text, " height=\"")[0];
        for place in 0..12 {
            let named = format!(">row {place}</text>");
            let line = text.lines().find(|line| line.ends_with(&named)).unwrap();
            let y = numbers(line, " y=\"")[0];
            assert!(y > BOTTOM + 40.0 && y < height, "{line}");
        }
    }

    #[test]
    fn values_are_where_the_axes_say() {
        // By hand: values 0 to 1 have margins of 0.05, so 0 is 0.05/1.1 of 300 pixels above the bottom, and
        // 1 as much below the top. Of 2 steps the first is in the middle of 632 pixels.
        let text = svg(
            "x",
            quantity("reward"),
            &[curve("a", &[[0.0; 3], [1.0; 3]])],
        );

        let line = text
            .lines()
            .find(|line| line.starts_with("<polyline"))
            .unwrap();
        assert!(line.contains("points=\"388.0,342.4 704.0,69.6\""), "{line}");
        assert!(
            text.contains("y=\"346.4\" text-anchor=\"end\">0</text>"),
            "{text}"
        );
    }
}
