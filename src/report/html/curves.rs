//! The data of the figures.

use serde::Serialize;

use crate::{
    plan::Plan,
    report::{
        ReportError,
        figure::{
            BEFORE, Curve, Logs, Point, QUANTITIES, Quantity, curve,
            distance::{self, Distances, Measured},
            logs, style,
        },
        table::Table,
    },
    results::Store,
};

/// A curve has at most about so many points: a screen shows no more.
const MOST_POINTS: usize = 600;

#[derive(Debug, Serialize)]
pub(super) struct FigureData {
    file: String,
    title: String,
    axis: &'static str,
    /// What is measured from left to right.
    across: &'static str,
    /// Whether these are points with intervals, from the lowest to the highest place, instead of curves from step 0.
    has_points: bool,
    /// What is at some places.
    names: Vec<(f64, String)>,
    smoothing: f64,
    /// What else there is to know.
    note: Option<&'static str>,
    curves: Vec<CurveData>,
}

#[derive(Debug, Serialize)]
struct CurveData {
    label: String,
    colour: &'static str,
    dashes: &'static str,
    /// How many trainings it is the mean of.
    seeds: usize,
    /// Every so many steps are drawn.
    every: usize,
    steps: Vec<f64>,
    raw: Series,
    /// The moving average, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    smooth: Option<Series>,
}

/// The values of a curve, and with several seeds their range.
#[derive(Debug, PartialEq, Serialize)]
struct Series {
    mean: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lowest: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    highest: Option<Vec<f64>>,
}

impl CurveData {
    fn has_start(&self) -> bool {
        self.steps.first().is_some_and(|step| *step == 0.0)
    }
}

/// The figures of what the finished trainings logged, and of the distance of their targets.
pub(super) fn figures(
    plan: &Plan,
    store: &Store,
    table: &Table,
) -> Result<Vec<FigureData>, ReportError> {
    let logs = logs(plan, store)?;
    let figure = |quantity: &Quantity| {
        let curves = logs.iter().filter_map(|logs| curve_data(logs, *quantity));
        let curves: Vec<CurveData> = curves.collect();
        (!curves.is_empty()).then_some(FigureData {
            file: quantity.file.to_owned(),
            title: quantity.title.to_owned(),
            axis: quantity.axis,
            across: "step",
            has_points: false,
            names: Vec::new(),
            smoothing: quantity.smoothing,
            note: curves.iter().any(CurveData::has_start).then_some(BEFORE),
            curves,
        })
    };
    let mut figures: Vec<FigureData> = QUANTITIES.iter().filter_map(figure).collect();
    if let Some(distances) = Distances::of(table) {
        figures.extend((0..distances.panels.len()).map(|panel| of_distances(&distances, panel)));
    }
    Ok(figures)
}

/// A panel of the figure of distances.
fn of_distances(distances: &Distances, panel: usize) -> FigureData {
    let heading = &distances.panels[panel].heading;
    let lines = distances.panels[panel].lines.iter().enumerate();
    let line = |(place, line): (usize, &Vec<Measured>)| {
        let (colour, dashes) = style(place);
        let of = |value: fn(&Measured) -> f64| line.iter().map(value).map(rounded).collect();
        CurveData {
            label: distances.methods[place].clone(),
            colour,
            dashes,
            seeds: 1,
            every: 1,
            steps: line.iter().map(|point| point.log_prob).collect(),
            raw: Series {
                mean: of(|point| point.change),
                lowest: Some(of(|point| point.ends()[0])),
                highest: Some(of(|point| point.ends()[1])),
            },
            smooth: None,
        }
    };
    FigureData {
        file: format!("distance_{}", panel + 1),
        title: format!("change of {heading} against the distance of the targets"),
        axis: "change in points",
        across: distance::AXIS,
        has_points: true,
        names: distances.data.clone(),
        smoothing: 0.0,
        note: Some(distance::ABOUT),
        curves: lines
            .filter(|(_, line)| !line.is_empty())
            .map(line)
            .collect(),
    }
}

fn curve_data(logs: &Logs, quantity: Quantity) -> Option<CurveData> {
    let as_logged = Quantity {
        smoothing: 0.0,
        ..quantity
    };
    let raw = curve(logs, as_logged)?;
    let smooth = (quantity.smoothing > 0.0)
        .then(|| curve(logs, quantity))
        .flatten();
    let every = raw.points.len().div_ceil(MOST_POINTS).max(1);
    let (colour, dashes) = style(raw.place);
    let steps = thinned(&raw, every).map(|point| point.step);
    Some(CurveData {
        label: raw.label.clone(),
        colour,
        dashes,
        seeds: raw.seeds,
        every,
        steps: steps.collect(),
        raw: series(&raw, every),
        smooth: smooth.map(|smooth| series(&smooth, every)),
    })
}

fn series(curve: &Curve, every: usize) -> Series {
    let mean = thinned(curve, every).map(|point| rounded(point.mean));
    let has_band = curve.seeds > 1;
    let lowest = || thinned(curve, every).map(|point| rounded(point.lowest));
    let highest = || thinned(curve, every).map(|point| rounded(point.highest));
    Series {
        mean: mean.collect(),
        lowest: has_band.then(|| lowest().collect()),
        highest: has_band.then(|| highest().collect()),
    }
}

/// Every so many points of a curve, and the last one.
fn thinned(curve: &Curve, every: usize) -> impl Iterator<Item = &Point> {
    let last = curve.points.len().saturating_sub(1);
    let points = curve.points.iter().enumerate();
    points
        .filter(move |(place, _)| place.is_multiple_of(every) || *place == last)
        .map(|(_, point)| point)
}

/// Six figures that matter: more are not seen, and cost bytes.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_ends() {
        let point = |step: u32| Point {
            step: f64::from(step),
            mean: f64::from(step) / 3.0,
            lowest: 0.0,
            highest: 1.0,
        };
        let curve = Curve {
            label: "a".into(),
            place: 0,
            seeds: 1,
            points: (1..=9).map(point).collect(),
        };

        let steps: Vec<f64> = thinned(&curve, 3).map(|point| point.step).collect();

        // By hand: places 0, 3 and 6, and the last.
        assert_eq!(steps, [1.0, 4.0, 7.0, 9.0]);
        let series = series(&curve, 3);
        assert_eq!(series.mean, [0.333_333, 1.333_33, 2.333_33, 3.0]);
        assert_eq!(series.lowest, None);
    }

    #[test]
    fn a_panel_of_distances_has_points_with_their_intervals_and_names() {
        let table = distance::tests::table();

        let figure = of_distances(&Distances::of(&table).unwrap(), 1);

        let json = serde_json::to_value(&figure).unwrap();
        assert_eq!(
            json["title"],
            "change of general pass@1 against the distance of the targets"
        );
        // By hand, from the rows of the table: SFT loses 50, 10 and 0 points, each with 5 to each side.
        let sft = &json["curves"][0];
        assert_eq!(sft["label"], "sft");
        assert_eq!(sft["steps"], serde_json::json!([-1.25, -0.75, -0.25]));
        assert_eq!(sft["raw"]["mean"], serde_json::json!([-50.0, -10.0, 0.0]));
        assert_eq!(
            sft["raw"]["lowest"],
            serde_json::json!([-55.0, -15.0, -5.0])
        );
        assert_eq!(json["names"][1], serde_json::json!([-0.75, "mid"]));
        assert_eq!(json["has_points"], true);
    }
}
