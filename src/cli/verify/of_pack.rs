//! The plan of a pack: that of the spec in it, if this machine can make it.

use std::{
    collections::BTreeSet,
    path::{Component, Path},
};

use serde_json::{Value as Json, json};

use super::made_again::overrides;
use crate::{
    cli::{
        exit::{Exit, Failure},
        pack::{CONTENTS, Contents, SPECS},
        spec_arguments,
    },
    digest::Digest,
    plan::{JobId, Plan},
    results::{Finding, Store},
    spec::{Request, Surroundings, load},
};

/// The plan of the pack that was read into a folder, and what is found of it.
pub(super) fn plan(
    contents: &Contents,
    folder: &Path,
    store: &Store,
) -> Result<(Plan, Finding), Failure> {
    let packed = packed(contents, store)?;
    let unchecked = |what: &str| {
        let what = format!("its plan is not compared with its spec: {what}");
        Finding::unchecked("pack", what)
    };
    let here = match of_spec(contents, folder) {
        Ok(here) => here,
        Err(what) => return Ok((packed, unchecked(&what))),
    };
    if outline(&here) == outline(&packed) {
        let what = "its plan is the one that its spec gives";
        return Ok((here, Finding::same("pack", what)));
    }
    let what = if contents.version != env!("CARGO_PKG_VERSION") {
        format!(
            "version {} of the program has made it, and this is {}",
            contents.version,
            env!("CARGO_PKG_VERSION")
        )
    } else if !digests(&packed).is_subset(&digests(&here)) {
        "the data of this machine are others than those of its jobs".to_owned()
    } else {
        let what = "its plan is not the one that its spec gives";
        return Ok((packed, Finding::differs("pack", what)));
    };
    Ok((packed, unchecked(&what)))
}

/// The plan that a pack brings, with the identities of its jobs.
fn packed(contents: &Contents, store: &Store) -> Result<Plan, Failure> {
    let mut plan = contents.plan.clone();
    let evals = plan.cells.iter().flat_map(|cell| {
        let all = cell.evals.values().chain(cell.baseline.values());
        all.chain(&cell.train)
    });
    let jobs = plan.jobs.iter();
    let jobs = jobs.flat_map(|job| std::iter::once(&job.id).chain(&job.after));
    let is_plain = evals.chain(jobs).all(is_name);
    if !is_plain || !is_name(&JobId(plan.experiment.clone())) {
        let text = format!("`{CONTENTS}` of the pack has names that are no names of jobs");
        return Err(Failure::text(Exit::Usage, text));
    }
    for job in &mut plan.jobs {
        let identity = store.job_dir(&job.id).identity().ok().flatten();
        job.identity = identity.unwrap_or_default();
    }
    if let Some(reference) = &mut plan.reference
        && let Ok(below) = reference.path.strip_prefix(&contents.root)
    {
        reference.path = Surroundings::root_of(Path::new(".")).join(below);
    }
    Ok(plan)
}

/// The plan that the spec of a pack gives on this machine; or why there is none.
fn of_spec(contents: &Contents, folder: &Path) -> Result<Plan, String> {
    let overrides = overrides(contents.changes.iter().map(String::as_str))?;
    let name = Path::new(&contents.spec);
    let mut parts = name.components();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return Err("its spec has a name that is none".to_owned());
    }
    let file = folder.join(SPECS).join(name);
    if !file.is_file() {
        return Err(format!("it lacks its spec `{}`", contents.spec));
    }
    // The project is the one of this machine: its data are compared by their digests.
    let root = Surroundings::root_of(Path::new("."));
    let around = Surroundings::at(&root).map_err(|error| error.to_string())?;
    let request = Request {
        file: &file,
        overrides: &overrides,
        environment: &[],
        around: &around,
    };
    let experiment = load(&request);
    let experiment = experiment.map_err(|_| "its spec has mistakes on this machine")?;
    let plan = spec_arguments::plan(&experiment, &around);
    plan.map_err(Failure::into_message)
}

/// What of a plan is the same on every machine. The names of jobs stand for all of their settings.
fn outline(plan: &Plan) -> Json {
    let cells = plan.cells.iter().map(|cell| {
        json!({
            "point": cell.point,
            "seed": cell.seed,
            "method": cell.method,
            "reward": cell.reward,
            "train": cell.train,
            "evals": cell.evals,
            "baseline": cell.baseline,
            "is_baseline": cell.is_baseline,
        })
    });
    let jobs = plan.jobs.iter();
    let jobs = jobs.map(|job| json!({"id": job.id, "after": job.after}));
    json!({
        "experiment": plan.experiment,
        "description": plan.description,
        "axes": plan.axes,
        "table": plan.table,
        "cells": cells.collect::<Vec<_>>(),
        "jobs": jobs.collect::<Vec<_>>(),
    })
}

/// The digests of all files that the jobs of a plan read.
fn digests(plan: &Plan) -> BTreeSet<(&str, &Digest)> {
    let jobs = plan.jobs.iter();
    let digests = jobs.flat_map(|job| &job.work.digests);
    digests
        .map(|(role, digest)| (role.as_str(), digest))
        .collect()
}

/// Whether a name is one of a folder, and no path.
pub(super) fn is_name(id: &JobId) -> bool {
    let mut letters = id.0.chars();
    !id.0.is_empty()
        && id.0 != ".."
        && id.0 != "."
        && letters.all(|letter| letter != '/' && letter != '\0')
}
