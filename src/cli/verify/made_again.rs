//! A table, made again from the outcomes of its jobs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use crate::{
    cli::{
        output::count,
        report, spec_arguments,
        spec_arguments::SpecArguments,
        table_file::{self, TableFile},
    },
    plan::{Job, Plan},
    report::{Origin, Table, lists},
    results::{Finding, Store, in_words},
    spec::Surroundings,
};

/// What a change has that depends on its own two cells only, and not on all changes of the table.
const OF_A_CHANGE: [&str; 5] = [
    "mean",
    "standard_error",
    "half_width",
    "interval",
    "p_value",
];

/// A table that is made again.
pub(super) struct Again<'a> {
    pub(super) plan: &'a Plan,
    pub(super) store: &'a Store,
    pub(super) origin: &'a Origin,
}

/// Makes a table again from the spec that it names, and compares the bytes.
pub(super) fn from_its_spec(table: &TableFile, file: &Path, store: &Store) -> Vec<Finding> {
    let made = by_its_spec(table, file, store);
    made.unwrap_or_else(|what| {
        let what = format!("it is not made again: {what}");
        vec![Finding::unchecked("table", what)]
    })
}

fn by_its_spec(table: &TableFile, file: &Path, store: &Store) -> Result<Vec<Finding>, String> {
    let spec = table.maker("spec").and_then(Json::as_str);
    let spec = spec.ok_or("it does not name its spec")?;
    let changes = table.maker("changes").and_then(Json::as_array).cloned();
    let changes = changes.unwrap_or_default();
    let changes = changes.iter().map(|change| change.as_str());
    let overrides = overrides(changes.map(Option::unwrap_or_default))?;
    let here = Surroundings::root_of(Path::new("."));
    let there = file.parent().map(Surroundings::root_of);
    let roots = [Some(here), there];
    let specs = roots.into_iter().flatten().map(|root| root.join(spec));
    let path: Option<PathBuf> = specs.into_iter().find(|path| path.is_file());
    let arguments = SpecArguments {
        spec: path.ok_or_else(|| format!("its spec `{spec}` is not here"))?,
        overrides,
    };
    let Ok(Ok((experiment, around))) =
        spec_arguments::load_file(&arguments.spec, &arguments.overrides)
    else {
        return Err(format!("`{spec}` has mistakes now"));
    };
    let plan = spec_arguments::plan(&experiment, &around);
    let plan = plan.map_err(|_| format!("the jobs of `{spec}` cannot be planned here"))?;
    let again = Again {
        plan: &plan,
        store,
        origin: &report::origin(&arguments, &experiment, &around),
    };
    let now = again.table()?.to_json().into_bytes();
    let now = TableFile::of_bytes(now)?;
    if now.maker("settings") != table.maker("settings") {
        return Err(format!("`{spec}` has other settings now"));
    }
    Ok(again.compared(table, file))
}

/// The values of `--set` that have changed a spec, if nothing else has.
pub(super) fn overrides<'a>(
    changes: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, &'static str> {
    let flag = |change: &str| change.strip_prefix("--set ").map(str::to_owned);
    let overrides: Option<Vec<String>> = changes.map(flag).collect();
    overrides.ok_or("variables of the environment have changed its spec")
}

impl Again<'_> {
    fn table(&self) -> Result<Table, String> {
        let reference = self.plan.reference.as_ref();
        let reference = reference.map(|reference| &reference.path);
        if let Some(path) = reference.filter(|path| !path.is_file()) {
            return Err(format!("its reference `{}` is not here", path.display()));
        }
        let table = Table::of(self.plan, self.store).map_err(|error| in_words(&error))?;
        Ok(table.made_by(self.origin, self.plan))
    }

    /// Whether a table and the files next to it are what its jobs give.
    pub(super) fn compared(&self, found: &TableFile, file: &Path) -> Vec<Finding> {
        let table = match self.table() {
            Ok(table) => table,
            Err(what) => {
                let what = format!("it is not made again: {what}");
                return vec![Finding::unchecked("table", what)];
            }
        };
        let again = table.to_json();
        if again.as_bytes() == found.bytes {
            let what = "`table.json` is what its jobs give, byte for byte";
            let mut findings = vec![Finding::same("table", what)];
            findings.extend(self.others(&table, file));
            return findings;
        }
        let is_gone = |job: &&Job| self.store.job_dir(&job.id).outcome().is_none();
        let gone = self.plan.jobs.iter().filter(is_gone).count();
        let what = match TableFile::of_bytes(again.into_bytes()) {
            Ok(again) if gone > 0 => self.other_cell(found, &again),
            _ => Some("`table.json`".to_owned()),
        };
        if let Some(what) = what {
            let what = format!("{what} is not what its jobs give: `recode report` makes it again");
            return vec![Finding::differs("table", what)];
        }
        let jobs = count(self.plan.jobs.len(), "job");
        let what = format!(
            "only the cells whose jobs are here are compared: the outcomes of {gone} of {jobs} are not in `{}`",
            self.store.root().display()
        );
        vec![Finding::unchecked("table", what)]
    }

    /// The files next to a table whose `table.json` is right; those that are not there are not claimed to be right.
    fn others(&self, table: &Table, file: &Path) -> Vec<Finding> {
        let mut files = table.files();
        let lists = lists(self.plan, self.store).into_iter();
        files.extend(lists.map(|(name, text)| (name.to_owned(), text)));
        let (mut findings, mut same) = (Vec::new(), Vec::new());
        for (name, text) in files.iter().filter(|(name, _)| name != table_file::NAME) {
            match fs::read(file.with_file_name(name)) {
                Ok(bytes) if bytes == text.as_bytes() => same.push(format!("`{name}`")),
                Ok(_) => {
                    let what = format!("`{name}` is not what its jobs give");
                    findings.push(Finding::differs("table", what));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let what = format!("cannot read `{name}`: {error}");
                    findings.push(Finding::unchecked("table", what));
                }
            }
        }
        if !same.is_empty() {
            let what = format!("the same holds for {}", same.join(", "));
            findings.push(Finding::same("table", what));
        }
        findings
    }

    /// The first cell that differs although the outcomes of all of its jobs are here, in words.
    fn other_cell(&self, found: &TableFile, again: &TableFile) -> Option<String> {
        let (found, again) = (found.cells(), again.cells());
        if found.len() != again.len() {
            return Some(format!(
                "`table.json`, with {} cells in place of {},",
                found.len(),
                again.len()
            ));
        }
        let is_here = |cell: &&table_file::Cell<'_>| {
            let mut jobs = cell.jobs.iter();
            jobs.all(|id| self.store.job_dir(id).outcome().is_some())
        };
        let is_other = |found: &table_file::Cell<'_>, again: &table_file::Cell<'_>| {
            let part = |cell: &Json, key: &str| cell.get(key).cloned();
            let change = |cell: &Json| {
                let change = cell.get("change").filter(|change| change.is_object())?;
                Some(OF_A_CHANGE.map(|key| change.get(key).cloned()))
            };
            let are_others = |key| part(found.json, key) != part(again.json, key);
            let heading = |cell: &table_file::Cell<'_>| {
                (
                    cell.labels.clone(),
                    cell.benchmark.to_owned(),
                    cell.jobs.clone(),
                )
            };
            heading(found) != heading(again)
                || is_here(&again)
                    && (["sources", "value", "seeds_range"].into_iter().any(are_others)
                        // A change is made if the jobs of the baseline are here, too.
                        || change(again.json).is_some_and(|made| change(found.json) != Some(made)))
        };
        let mut pairs = found.iter().zip(&again);
        let (cell, _) = pairs.find(|(found, again)| is_other(found, again))?;
        let labels = cell.labels.join(" ");
        Some(format!("the cell `{}` of `{labels}`", cell.benchmark))
    }
}
