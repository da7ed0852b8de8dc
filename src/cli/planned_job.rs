//! The job of a plan that an argument names.

use std::path::Path;

use super::exit::{Exit, Failure};
use crate::{
    plan::{Job, Plan},
    spec::nearest,
};

/// The job of that name, or the only one with a name that begins so.
pub(super) fn find<'a>(name: &str, plan: &'a Plan, spec: &Path) -> Result<&'a Job, Failure> {
    let hint = || format!("`recode plan {} --all` lists them", spec.display());
    let begun = plan.jobs.iter().filter(|job| job.id.0.starts_with(name));
    let begun: Vec<&Job> = begun.collect();
    if let Some(exact) = begun.iter().find(|job| job.id.0 == name) {
        return Ok(exact);
    }
    match &begun[..] {
        [job] => Ok(job),
        [] => {
            let text = format!("the plan of `{}` has no job `{name}`", spec.display());
            let near = nearest(name, plan.jobs.iter().map(|job| job.id.0.as_str()));
            let near = near.map(|near| format!("did you mean `{near}`?"));
            Err(Failure::text(Exit::Usage, text).hint(near.unwrap_or_else(hint)))
        }
        several => {
            let text = format!("`{name}` is the beginning of {} jobs", several.len());
            Err(Failure::text(Exit::Usage, text).hint(hint()))
        }
    }
}
