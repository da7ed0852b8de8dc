//! The arguments of every command that takes a spec.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{
    exit::{Exit, Failure},
    output, spec_name,
};
use crate::{
    data::Cache,
    plan::{Plan, ProjectInputs},
    spec::{Experiment, Mistakes, Request, Surroundings, environment, load},
};

/// A spec, and what the command line changes in it.
#[derive(Clone, Debug, Args)]
pub(super) struct SpecArguments {
    /// The spec, such as `experiments/quickstart.toml`, or its name: `quickstart`
    #[arg(value_parser = spec_name::parser())]
    pub(super) spec: PathBuf,
    /// Change a setting, as in `--set train.max_steps=100`; may be repeated, the last one wins
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
}

impl SpecArguments {
    /// Reads the spec and plans its jobs; a failure has the text of all mistakes.
    pub(super) fn plan(&self) -> Result<(Experiment, Plan), Failure> {
        let (experiment, around) = self.load()?;
        let plan = plan(&experiment, &around)?;
        Ok((experiment, plan))
    }

    /// Reads the spec; a failure has the text of all its mistakes.
    pub(super) fn load(&self) -> Result<(Experiment, Surroundings), Failure> {
        load_file(&self.spec, &self.overrides)?.map_err(|mistakes| failure(&mistakes))
    }
}

/// Plans the jobs of an experiment over the files of this machine.
pub(super) fn plan(experiment: &Experiment, around: &Surroundings) -> Result<Plan, Failure> {
    let inputs =
        ProjectInputs::new(around.manifest.as_ref(), Cache::from_environment()).below(&around.root);
    Plan::new(experiment, &inputs).map_err(|error| Failure::new(Exit::Missing, &error))
}

/// Prints what the spec says in vain; the experiment can be run nevertheless.
pub(super) fn print_warnings(experiment: &Experiment, plan: &Plan) {
    let warnings = experiment.warnings(plan.findings(experiment));
    if !warnings.is_empty() {
        output::error_line(&warnings.details(output::is_stderr_colourful()));
    }
}

/// Reads a spec in the environment of this process.
pub(super) fn load_file(
    spec: &Path,
    overrides: &[String],
) -> Result<Result<(Experiment, Surroundings), Box<Mistakes>>, Failure> {
    if spec_name::is_only_shipped(spec) {
        return Err(spec_name::not_laid_out(spec));
    }
    let around = Surroundings::find(spec).map_err(|error| Failure::new(Exit::Missing, &error))?;
    let environment = environment();
    let request = Request {
        file: spec,
        overrides,
        environment: &environment,
        around: &around,
    };
    Ok(load(&request).map(|experiment| (experiment, around)))
}

/// Prints all mistakes, and returns the failure with their number.
pub(super) fn failure(mistakes: &Mistakes) -> Failure {
    output::error_line(&mistakes.details(output::is_stderr_colourful()));
    Failure::text(
        Exit::Usage,
        format!("{}; nothing was run", mistakes.summary()),
    )
}
