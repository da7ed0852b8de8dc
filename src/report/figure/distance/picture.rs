//! The figure of distances as SVG.

use std::fmt::Write as _;

use crate::report::figure::{
    axis::marks,
    style::style,
    svg::{escaped, polyline, rule, write_text},
};

use super::data::{ABOUT, AXIS, Distances, Measured, Panel};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 704.0;
/// Panels next to each other.
const COLUMNS: usize = 2;
/// Between two panels.
const GAP: f64 = 64.0;
/// The top of the first panel.
const TOP: f64 = 92.0;
const HEIGHT: f64 = 220.0;
/// From the top of a panel to that of the one below.
const STEP: f64 = 310.0;
/// From one line of the legend to the next.
const LINE: f64 = 20.0;
/// Methods at one distance are drawn so far from each other, so that no interval hides another.
const ASIDE: f64 = 5.0;
/// More data than this are not numbered: their numbers would cover each other.
const MOST_NUMBERED: usize = 12;
/// The least room of a number.
const NUMBER: f64 = 10.0;

/// Panels, and below them the methods and the data.
pub(super) fn svg(experiment: &str, distances: &Distances) -> String {
    let columns = distances.panels.len().clamp(1, COLUMNS);
    let width = (RIGHT - LEFT - GAP * (columns - 1) as f64) / columns as f64;
    let lines = distances.panels.len().div_ceil(columns);
    let legend = TOP + STEP * lines as f64;
    let data = numbered(distances);
    let height = legend + LINE * distances.methods.len().max(data.len() + 1) as f64;
    let title = "change against the distance of the targets from the model";
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"#222222\">\n<title>{}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        escaped(&format!("{experiment}: {title}"))
    );
    write_text(&mut text, (LEFT, 24.0), "font-size=\"16\"", title);
    let about = format!("{experiment} · points, with 95 % intervals · {ABOUT}");
    write_text(&mut text, (LEFT, 43.0), "fill=\"#555555\"", &about);
    for (place, panel) in distances.panels.iter().enumerate() {
        let left = LEFT + (width + GAP) * (place % columns) as f64;
        let top = TOP + STEP * (place / columns) as f64;
        let frame = Frame::new(left, top, width, distances.range(), panel);
        frame.draw(&mut text, panel, data);
    }
    for (place, method) in distances.methods.iter().enumerate() {
        let y = legend + LINE * place as f64;
        let line = format!("{LEFT:.1},{:.1} {:.1},{:.1}", y - 4.0, LEFT + 30.0, y - 4.0);
        polyline(&mut text, &line, place);
        circle(&mut text, LEFT + 15.0, y - 4.0, place);
        write_text(&mut text, (LEFT + 40.0, y), "", method);
    }
    if !data.is_empty() {
        let left = LEFT.midpoint(RIGHT);
        write_text(
            &mut text,
            (left, legend),
            "fill=\"#555555\"",
            "targets, with their mean log-probability",
        );
        for (place, (log_prob, name)) in data.iter().enumerate() {
            let y = legend + LINE * (place + 1) as f64;
            let name = format!("{}  {name}  ({log_prob:.3})", place + 1);
            write_text(&mut text, (left, y), "", &name);
        }
    }
    text + "</svg>\n"
}

/// The data that have numbers.
fn numbered(distances: &Distances) -> &[(f64, String)] {
    if distances.data.len() > MOST_NUMBERED {
        return &[];
    }
    &distances.data
}

/// The area of a panel, and what its axes span.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: [f64; 2],
    y: [f64; 2],
}

impl Frame {
    fn new(left: f64, top: f64, width: f64, x: [f64; 2], panel: &Panel) -> Self {
        let ends = panel.lines.iter().flatten().map(Measured::ends);
        // No change is always seen.
        let y = ends.fold([0.0_f64; 2], |[low, high], ends| {
            [low.min(ends[0]), high.max(ends[1])]
        });
        Self {
            left,
            right: left + width,
            top,
            bottom: top + HEIGHT,
            x: with_margin(x),
            y: with_margin(y),
        }
    }

    fn x(&self, log_prob: f64) -> f64 {
        let [low, high] = self.x;
        self.left + (self.right - self.left) * (log_prob - low) / (high - low)
    }

    fn y(&self, change: f64) -> f64 {
        let [low, high] = self.y;
        self.bottom - (self.bottom - self.top) * (change - low) / (high - low)
    }

    fn draw(&self, text: &mut String, panel: &Panel, data: &[(f64, String)]) {
        let Self {
            left,
            right,
            top,
            bottom,
            ..
        } = *self;
        let bold = "font-weight=\"bold\"";
        write_text(text, (left, top - 22.0), bold, &panel.heading);
        self.numbers(text, data);
        for (value, label) in marks(self.y[0], self.y[1], 6) {
            let y = self.y(value);
            let colour = if value == 0.0 { "#888888" } else { "#e0e0e0" };
            rule(text, [left, y, right, y], colour);
            write_text(text, (left - 6.0, y + 4.0), "text-anchor=\"end\"", &label);
        }
        for (value, label) in marks(self.x[0], self.x[1], 6) {
            let x = self.x(value);
            rule(text, [x, bottom, x, bottom + 4.0], "#555555");
            write_text(text, (x, bottom + 18.0), "text-anchor=\"middle\"", &label);
        }
        rule(text, [left, top, left, bottom], "#555555");
        rule(text, [left, bottom, right, bottom], "#555555");
        let middle = left.midpoint(right);
        let below = (middle, bottom + 36.0);
        write_text(text, below, "text-anchor=\"middle\"", AXIS);
        let (x, y) = (left - 48.0, top.midpoint(bottom));
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 {x:.1} {y:.1})\"");
        write_text(text, (x, y), &turned, "change in points");
        let methods = panel.lines.len() as f64;
        for (place, line) in panel.lines.iter().enumerate() {
            let aside = ASIDE * (place as f64 - (methods - 1.0) / 2.0);
            self.line(text, line, place, aside);
        }
    }

    /// The number of each of the data above the panel, at its distance.
    fn numbers(&self, text: &mut String, data: &[(f64, String)]) {
        let mut least = f64::NEG_INFINITY;
        for (place, (log_prob, _)) in data.iter().enumerate() {
            let at = self.x(*log_prob);
            rule(text, [at, self.top, at, self.bottom], "#f0f0f0");
            let x = at.max(least);
            least = x + NUMBER;
            let number = (place + 1).to_string();
            let soft = "text-anchor=\"middle\" font-size=\"10\" fill=\"#555555\"";
            write_text(text, (x, self.top - 4.0), soft, &number);
        }
    }

    fn line(&self, text: &mut String, line: &[Measured], place: usize, aside: f64) {
        let (colour, _) = style(place);
        let x = |point: &Measured| self.x(point.log_prob) + aside;
        let places: Vec<String> = line
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point), self.y(point.change)))
            .collect();
        polyline(text, &places.join(" "), place);
        for point in line {
            if let Some([low, high]) = point.interval {
                rule(
                    text,
                    [x(point), self.y(low), x(point), self.y(high)],
                    colour,
                );
            }
            circle(text, x(point), self.y(point.change), place);
        }
    }
}

fn with_margin([low, high]: [f64; 2]) -> [f64; 2] {
    let margin = if high > low { (high - low) * 0.05 } else { 0.5 };
    [low - margin, high + margin]
}

fn circle(text: &mut String, x: f64, y: f64, place: usize) {
    let (colour, _) = style(place);
    let _ = writeln!(
        text,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>"
    );
}

#[cfg(test)]
mod tests {
    use super::{super::data::tests::table, *};

    /// By hand: two panels are 288 wide. Distances from -1.25 to -0.25 have margins of 0.05, so -0.75 is in the
    /// middle of the first panel, at 208, and the first of two methods 2.5 to its left. Its change of 20 points is
    /// in a panel whose ends are 0 and 45 with margins of 2.25: (20 + 2.25) / 49.5 of 220 above its bottom, 312.
    #[test]
    fn points_and_intervals_are_where_the_axes_say() {
        let text = svg("an & x", &Distances::of(&table()).unwrap());

        assert!(text.contains("cx=\"205.5\" cy=\"213.1\""), "{text}");
        // 5 points are 22.2 of 220.
        assert!(
            text.contains("x1=\"205.5\" y1=\"235.3\" x2=\"205.5\" y2=\"190.9\""),
            "{text}"
        );
        // The points of both methods in both panels, and one for each method in the legend.
        assert_eq!(text.matches("<circle").count(), 2 * 5 + 2);
        assert_eq!(text.matches("<polyline").count(), 2 * 2 + 2);
        assert_eq!(text.matches(&format!(">{AXIS}</text>")).count(), 2);
        assert!(text.contains("an &amp; x ·") && !text.contains("NaN"));
        assert!(text.contains(">1  far  (-1.250)</text>"), "{text}");
    }

    #[test]
    fn the_legend_is_below_all_panels_and_within_the_picture() {
        let mut table = table();
        let (heading, cells) = (table.columns[0].clone(), table.rows[1].cells[0].clone());
        table.columns.push(heading);
        table
            .rows
            .iter_mut()
            .for_each(|row| row.cells.push(cells.clone()));

        let text = svg("x", &Distances::of(&table).unwrap());

        let number = |line: &str, before: &str| -> f64 {
            let rest = line.split(before).nth(1).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let axes = text.lines().filter(|line| line.contains(AXIS));
        let lowest = axes.map(|line| number(line, " y=\"")).fold(0.0, f64::max);
        let height = number(&text, " height=\"");
        for name in [">sft</text>", ">grpo es_star</text>", ">3  own"] {
            let line = text.lines().find(|line| line.contains(name)).unwrap();
            let y = number(line, " y=\"");
            assert!(y > lowest + 15.0 && y < height, "{line}");
        }
    }
}
