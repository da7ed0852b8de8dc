//! A figure as SVG.

use std::io;

use plotters::{
    drawing::DrawingAreaErrorKind,
    prelude::{
        ChartBuilder, IntoDrawingArea as _, LineSeries, PathElement, Polygon, RGBColor, SVGBackend,
    },
    style::{Color as _, WHITE},
};

use super::curves::Curve;

const SIZE: (u32, u32) = (720, 420);

/// Colours that people with red-green colour blindness can distinguish (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Curves against the step, each with a band from its lowest to its highest seed.
pub(super) fn svg(
    title: &str,
    curves: &[Curve],
) -> Result<String, DrawingAreaErrorKind<io::Error>> {
    let mut text = String::new();
    draw(&mut text, title, curves)?;
    Ok(text)
}

fn draw(
    text: &mut String,
    title: &str,
    curves: &[Curve],
) -> Result<(), DrawingAreaErrorKind<io::Error>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let last = points().map(|point| point.step).fold(1.0, f64::max);
    let low = points()
        .map(|point| point.lowest)
        .fold(f64::INFINITY, f64::min);
    let high = points()
        .map(|point| point.highest)
        .fold(f64::NEG_INFINITY, f64::max);
    // A flat curve has no range of values to draw over.
    let margin = ((high - low) * 0.05).max(0.01);
    let area = SVGBackend::with_string(text, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..last, low - margin..high + margin)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .max_light_lines(0)
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let colour = *colour;
        let there = curve.points.iter().map(|point| (point.step, point.highest));
        let back = curve
            .points
            .iter()
            .rev()
            .map(|point| (point.step, point.lowest));
        let band: Vec<(f64, f64)> = there.chain(back).collect();
        chart.draw_series(std::iter::once(Polygon::new(band, colour.mix(0.15))))?;
        let line = curve.points.iter().map(|point| (point.step, point.mean));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(curve.label.clone())
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2))
            });
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figure::curves::Point;

    fn flat(label: &str, value: f64) -> Curve {
        let point = |step: f64| Point {
            step,
            mean: value,
            lowest: value,
            highest: value,
        };
        Curve {
            label: label.to_owned(),
            points: vec![point(1.0), point(2.0)],
        }
    }

    #[test]
    fn every_curve_is_drawn_and_named_and_equal_curves_give_equal_bytes() {
        let curves = [flat("grpo <1>", 2.0), flat("dapo", 2.0)];

        let text = svg("reward", &curves).unwrap();

        assert_eq!(text.matches("<polygon").count(), 2);
        assert!(text.contains("grpo &lt;1&gt;") && text.contains("dapo"));
        assert!(!text.contains("NaN") && text.ends_with("</svg>\n"));
        assert_eq!(svg("reward", &curves).unwrap(), text);
    }
}
