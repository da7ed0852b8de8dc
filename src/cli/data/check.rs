//! `recode data check`: prints every problem of files of migrations.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use serde_json::json;

use super::{read, row_tests::Runner, syntax};
use crate::{
    cli::{
        exit::{Exit, Failure},
        output::{self, count},
    },
    data::{FileReport, MigrationChecker, Severity},
};

const AFTER_HELP: &str = "\
A line of a file is a JSON object. Required, all texts: dependency, new_version (such as `==2.0.0`),
description, update_info, old_code, new_code. Optional: source and not_run (texts), uses and
not_uses (lists of what new_code must and must not use; old_code must use all of not_uses):
  numpy.prod           a name, or anything below it, under whatever alias
  .append              an attribute of anything
  read_csv(sep=)       a keyword argument; `plot(kind=\"bar\")` with its value, `axis=` of any call
Also optional: tests (a list of programs that raise an exception if the code is wrong) and setup (a
program that applies the update). new_code must pass all of them, old_code must fail one; they run in
the sandbox, unless the row says why it is not_run.

Exit codes: 0 no errors (there may be warnings), 2 some row is wrong.";

/// Arguments of `recode data check`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Arguments {
    /// Files of JSON lines; duplicate rows are found across all of them
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Do not run the unit tests of rows that have some
    #[arg(long)]
    no_run: bool,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// Runs `recode data check`.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut checker = MigrationChecker::new(&syntax);
    let mut runner = Runner::default();
    let mut reports = Vec::new();
    for file in &arguments.files {
        let name = file.display().to_string();
        let content = read(file)?;
        let mut report = checker.check(&name, &content);
        if !arguments.no_run {
            runner.check(&content, &mut report)?;
        }
        reports.push((name, report));
    }
    output::result(&if arguments.json {
        as_json(&reports)
    } else {
        as_lines(&reports)
    });
    Ok(match total(&reports, Severity::Error) {
        0 => Exit::Done,
        _ => Exit::Usage,
    })
}

fn total(reports: &[(String, FileReport)], severity: Severity) -> usize {
    reports
        .iter()
        .map(|(_, report)| report.count(severity))
        .sum()
}

fn as_json(reports: &[(String, FileReport)]) -> String {
    let files: Vec<_> = reports
        .iter()
        .map(|(name, report)| json!({"path": name, "rows": report.rows, "problems": report.problems}))
        .collect();
    let errors = total(reports, Severity::Error);
    let warnings = total(reports, Severity::Warning);
    json!({"files": files, "errors": errors, "warnings": warnings}).to_string()
}

fn as_lines(reports: &[(String, FileReport)]) -> String {
    let mut text = String::new();
    for (name, report) in reports {
        for problem in &report.problems {
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let field = problem.field.as_ref();
            let field = field.map_or_else(String::new, |field| format!("`{field}`: "));
            let (line, problem) = (problem.line, &problem.problem);
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{name}:{line}: {severity}: {field}{problem}");
        }
    }
    let rows = reports.iter().map(|(_, report)| report.rows).sum();
    let (errors, warnings) = (
        total(reports, Severity::Error),
        total(reports, Severity::Warning),
    );
    let (files, rows) = (count(reports.len(), "file"), count(rows, "row"));
    let (errors, warnings) = (count(errors, "error"), count(warnings, "warning"));
    text + &format!("{files}, {rows}: {errors}, {warnings}")
}
