//! What a plan has found, as warnings with their places.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    reason::reason,
    written::{Comparison, WrittenSetting},
};
use crate::{
    spec::{
        code::Code,
        experiment::Experiment,
        problem::{Problem, Warnings},
        schema::rest_below,
    },
    train::Algorithm,
};

/// The most names in the title of a warning.
const MOST_NAMES: usize = 4;

/// Something about an experiment that changes nothing.
#[derive(Debug)]
pub enum Finding {
    /// No job reads a setting.
    Unread(WrittenSetting),
    /// Points that differ in these axes alone are the same jobs.
    SameJobs {
        /// The axes.
        axes: Vec<String>,
        /// Where: another axis and its values; nothing if it holds for all points.
        only_where: Option<(String, Vec<Json>)>,
    },
    /// No row is compared with the baseline.
    NoComparison,
}

impl Experiment {
    /// The settings that a user has chosen, except those of included files.
    pub fn written_settings(&self) -> Vec<WrittenSetting> {
        self.written.settings()
    }

    /// The points, compared with what they would be with other values of a setting.
    pub fn comparisons(&self, setting: &WrittenSetting) -> impl Iterator<Item = Comparison> {
        self.written.comparisons(setting)
    }

    /// The warnings of the spec, with those that follow from its plan.
    pub fn warnings(&self, findings: Vec<Finding>) -> Warnings {
        let mut problems = self.written.warnings.clone();
        let mut unread = Vec::new();
        for finding in findings {
            match finding {
                Finding::Unread(setting) => unread.push(setting),
                Finding::SameJobs { axes, only_where } => {
                    problems.extend(self.same_jobs(&axes, only_where.as_ref()));
                }
                Finding::NoComparison => problems.extend(self.no_comparison()),
            }
        }
        problems.extend(self.unread(unread));
        Warnings {
            sources: self.written.sources.clone(),
            problems,
        }
    }

    /// One warning for the settings of a table that have one reason.
    fn unread(&self, settings: Vec<WrittenSetting>) -> Vec<Problem> {
        let mut groups: BTreeMap<_, Vec<WrittenSetting>> = BTreeMap::new();
        for setting in settings {
            let above = self.written.set_above(&setting);
            let reason = above.map_or_else(
                || reason(&setting.path, &self.points, &self.axes),
                |place| format!("it is set again, by the {place}"),
            );
            let key = (setting.place.source, table_of(&setting.path), reason);
            groups.entry(key).or_default().push(setting);
        }
        let warning =
            |((_, table, reason), settings): ((usize, String, String), Vec<WrittenSetting>)| {
                let mut names: Vec<String> = settings
                    .iter()
                    .map(|setting| rest_below(&setting.path, &table).unwrap_or(&setting.path))
                    .map(|name| format!("`{name}`"))
                    .collect();
                let first = settings.iter().map(|setting| setting.place).min()?;
                let title = if let [only] = settings.as_slice() {
                    format!("`{}` changes nothing", only.path)
                } else {
                    if names.len() > MOST_NAMES {
                        let more = names.len() - MOST_NAMES;
                        names.truncate(MOST_NAMES);
                        names.push(format!("{more} more"));
                    }
                    let last = names.pop().unwrap_or_default();
                    format!(
                        "{} and {last} of [{table}] change nothing",
                        names.join(", ")
                    )
                };
                let problem = Problem::new(Code::W201, first, title, reason);
                Some(problem.help(if settings.len() == 1 {
                    "remove it, or change what keeps it from being read"
                } else {
                    "remove them, or change what keeps them from being read"
                }))
            };
        groups.into_iter().filter_map(warning).collect()
    }

    fn same_jobs(
        &self,
        axes: &[String],
        only_where: Option<&(String, Vec<Json>)>,
    ) -> Option<Problem> {
        let place_of = |axis: &String| {
            let mut places = self.written.axes.iter();
            places
                .find(|(path, _)| path == axis)
                .map(|(_, place)| *place)
        };
        let place = axes.iter().find_map(place_of)?;
        let names: Vec<String> = axes.iter().map(|axis| format!("`{axis}`")).collect();
        let names = names.join(" and ");
        let (title, help) = match only_where {
            None => (
                format!("{names} makes no difference: all of its values are the same jobs"),
                "remove it from [grid], or change what keeps it from being read".to_owned(),
            ),
            Some((axis, values)) => {
                let values: Vec<String> = values.iter().map(Json::to_string).collect();
                let values = values.join(" or ");
                (
                    format!("{names} makes no difference where `{axis}` is {values}"),
                    format!(
                        "exclude the repeated points with a [[grid.exclude]], or accept equal rows where `{axis}` is {values}"
                    ),
                )
            }
        };
        let label = "several rows of the table would be the same jobs";
        Some(Problem::new(Code::W202, place, title, label).help(help))
    }

    fn no_comparison(&self) -> Option<Problem> {
        let (place, may_be_switched_off) = self.written.baseline?;
        if may_be_switched_off {
            return None;
        }
        let title = "no row of the table is compared with the baseline";
        let label = "every row is the baseline itself, or has none";
        let problem = Problem::new(Code::W204, place, title, label);
        Some(problem.help("remove it, or add a row that differs from it"))
    }
}

/// The table that a setting belongs to in a message: the algorithm's own, or the one around the key.
fn table_of(path: &str) -> String {
    let names = Algorithm::names();
    let algorithms = names.iter().map(|name| format!("train.{name}"));
    let mut sections = algorithms.chain(["train".to_owned()]);
    let section = sections.find(|section| rest_below(path, section).is_some());
    section.unwrap_or_else(|| {
        path.rsplit_once('.')
            .map_or("", |(table, _)| table)
            .to_owned()
    })
}
