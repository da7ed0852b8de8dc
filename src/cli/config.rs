//! `recode config`: every value of a spec, and where it was set.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::{
    exit::{Exit, Failure},
    output::{self, count},
    planned_job,
    spec_arguments::{self, SpecArguments},
};
use crate::{
    plan::{Job, Plan},
    spec::{Experiment, SetValue},
};

/// A longer value does not move the origins of all others.
const MOST_CHARACTERS: usize = 60;

/// Arguments of `recode config`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The spec, such as `experiments/quickstart.toml`, or its name: `quickstart`
    #[arg(value_parser = super::spec_name::parser())]
    spec: std::path::PathBuf,

    /// A job of its plan, or the beginning of its name: print the values of that point of the grid
    job: Option<String>,

    /// Change a setting, as for `run`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,

    /// Print also the file and line, the variable or the flag that set a value, and what it won over
    #[arg(long)]
    origin: bool,

    /// Print the same as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    /// The values of the axes, if there is a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    point: Option<&'a std::collections::BTreeMap<String, Json>>,
    values: &'a [SetValue],
}

/// Runs `recode config`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let spec = SpecArguments {
        spec: arguments.spec.clone(),
        overrides: arguments.overrides.clone(),
    };
    let (experiment, around) = spec.load()?;
    let mut lines = Vec::new();
    let point = match &arguments.job {
        Some(name) => {
            let plan = spec_arguments::plan(&experiment, &around)?;
            let job = planned_job::find(name, &plan, &spec.spec)?;
            let (point, others) = point_of(job, &plan, &experiment)?;
            lines.push(format!("# {}: {}", job.id, job.what()));
            let values = &experiment.points[point].values;
            if !values.is_empty() {
                lines.push(format!("# the point {}", axes(values)));
            }
            if others > 0 {
                let others = count(others, "other point");
                lines.push(format!("# the job is shared with {others} of the grid"));
            }
            Some(point)
        }
        None if experiment.axes.is_empty() => Some(0),
        None => None,
    };
    let values = experiment.values(point);
    if arguments.json {
        let point = point.map(|point| &experiment.points[point].values);
        let report = Report {
            point,
            values: &values,
        };
        let text = serde_json::to_string_pretty(&report);
        output::result(&text.map_err(|error| Failure::new(Exit::Bug, &error))?);
        return Ok(Exit::Done);
    }
    lines.extend(text(&values, arguments.origin));
    output::result(&lines.join("\n"));
    Ok(Exit::Done)
}

/// The first point of the grid that needs a job, and how many others do.
fn point_of(job: &Job, plan: &Plan, experiment: &Experiment) -> Result<(usize, usize), Failure> {
    let mut found: Vec<usize> = Vec::new();
    for cell in plan.cells.iter().filter(|cell| plan.needs(cell, &job.id)) {
        // A baseline that was added has fewer axes than the points that it is compared with.
        let is_of = |point: &crate::spec::Point| {
            let mut values = cell.point.iter();
            values.all(|(axis, value)| point.values.get(axis) == Some(value))
        };
        let point = experiment.points.iter().position(is_of);
        found.extend(point.filter(|point| !found.contains(point)));
    }
    let first = found.first().ok_or_else(|| {
        let text = format!("no point of the grid needs `{}`", job.id);
        Failure::text(Exit::Bug, text)
    })?;
    Ok((*first, found.len() - 1))
}

/// The values of the axes in a line.
fn axes(values: &std::collections::BTreeMap<String, Json>) -> String {
    let values = values
        .iter()
        .map(|(axis, value)| format!("{axis} = {}", toml(value)));
    values.collect::<Vec<_>>().join(", ")
}

/// A line for each value; without the origins, the lines are a spec.
fn text(values: &[SetValue], with_origin: bool) -> Vec<String> {
    let setting = |one: &SetValue| format!("{} = {}", key(&one.keys), toml(&one.value));
    if !with_origin {
        // In a spec without layers, the table of an algorithm always wins.
        let is_beaten = |one: &&SetValue| {
            let other = one.instead.as_ref();
            other.is_some_and(|other| other.len() < one.path.len())
        };
        return values
            .iter()
            .filter(|one| !is_beaten(one))
            .map(setting)
            .collect();
    }
    let settings: Vec<String> = values.iter().map(setting).collect();
    let lengths = settings.iter().map(|text| text.chars().count());
    let width = lengths
        .filter(|length| *length <= MOST_CHARACTERS)
        .max()
        .unwrap_or(0);
    let line = |(one, setting): (&SetValue, &String)| {
        let mut line = format!("{setting:width$}  {}", one.place);
        for (number, over) in one.over.iter().enumerate() {
            let word = if number == 0 { " (over" } else { "," };
            let _ = write!(line, "{word} {} {}", toml(&over.value), over.place);
        }
        if !one.over.is_empty() {
            line.push(')');
        }
        if let Some(other) = &one.instead {
            let _ = write!(line, "  not read: `{other}` holds");
        }
        line
    };
    values.iter().zip(&settings).map(line).collect()
}

/// A path as TOML writes it.
fn key(keys: &[String]) -> String {
    let keys = keys.iter().map(|key| {
        let is_bare = |one: char| one.is_ascii_alphanumeric() || matches!(one, '_' | '-');
        if !key.is_empty() && key.chars().all(is_bare) {
            key.clone()
        } else {
            Json::from(key.as_str()).to_string()
        }
    });
    keys.collect::<Vec<_>>().join(".")
}

/// A value as TOML writes it.
fn toml(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(members) => table(members),
        other => other.to_string(),
    }
}

fn table(members: &Map<String, Json>) -> String {
    if members.is_empty() {
        return "{}".to_owned();
    }
    let members = members.iter();
    let members: Vec<String> = members
        .map(|(name, value)| format!("{} = {}", key(std::slice::from_ref(name)), toml(value)))
        .collect();
    format!("{{ {} }}", members.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_toml() {
        let value = json!({"a.b": [1, 0.25, "x\"y"], "c": {}, "d": true});

        let text = format!("v = {}", toml(&value));

        assert_eq!(
            text,
            r#"v = { "a.b" = [1, 0.25, "x\"y"], c = {}, d = true }"#
        );
        // Oracle: another reader of TOML has the same value.
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(serde_json::to_value(&read["v"]).unwrap(), value);
    }
}
