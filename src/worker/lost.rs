//! Lines of logs that a damaged disk or a person has removed from a training that goes on.

use std::{collections::BTreeSet, fs, path::Path};

use super::train_log::Step;
use crate::{
    disk::{DiskError, JsonLines},
    results::JobDir,
};

/// Removes the checkpoint of the last step if `metrics.jsonl` lacks that step and there is an earlier checkpoint: the
/// outcome has the metrics of that step, so that the step must be repeated.
pub(super) fn drop_last_checkpoint_without_metrics(
    dir: &JobDir,
    last: usize,
) -> Result<(), DiskError> {
    let entries = fs::read_dir(dir.checkpoints())
        .into_iter()
        .flatten()
        .flatten();
    let step = |name: &str| name.strip_prefix("step_")?.parse::<usize>().ok();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let steps: BTreeSet<usize> = names.filter_map(|name| step(&name)).collect();
    let has_earlier = steps.iter().any(|step| *step < last);
    if !steps.contains(&last) || !has_earlier || logged(&dir.metrics())?.contains(&last) {
        return Ok(());
    }
    tracing::warn!(
        "the line of step {last} is lost from `{}`; the training goes on from an earlier checkpoint",
        dir.metrics().display()
    );
    let path = dir.checkpoints().join(format!("step_{last:06}"));
    fs::remove_dir_all(&path).map_err(DiskError::write(&path))
}

/// A warning for each log that lacks lines of a finished training of so many steps.
pub(super) fn warnings(
    dir: &JobDir,
    steps: usize,
    is_evaluated: bool,
) -> Result<Vec<String>, DiskError> {
    let mut warnings = Vec::new();
    let logged_steps = logged(&dir.metrics())?;
    let lost = (1..=steps)
        .filter(|step| !logged_steps.contains(step))
        .count();
    if lost > 0 {
        warnings.push(format!(
            "`metrics.jsonl` has lost {lost} of {steps} steps, which were before an interruption"
        ));
    }
    if is_evaluated && steps > 0 && !logged(&dir.evaluations())?.contains(&steps) {
        warnings.push("`evaluations.jsonl` has lost the evaluation of the last step".to_owned());
    }
    Ok(warnings)
}

/// The steps of a log. Lines that cannot be read are removed first.
fn logged(path: &Path) -> Result<BTreeSet<usize>, DiskError> {
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    drop(JsonLines::resume(path, |_: &Step| true)?);
    let lines: Vec<Step> = JsonLines::read(path)?;
    Ok(lines.into_iter().map(|line| line.step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::JobId, results::Store};

    /// A training with checkpoints of these steps, whose metrics are those of others.
    fn training(checkpoints: &[usize], metrics: &[usize]) -> (tempfile::TempDir, JobDir) {
        let root = tempfile::tempdir().unwrap();
        let dir = Store::new(root.path()).job_dir(&JobId("train-1".into()));
        for step in checkpoints {
            fs::create_dir_all(dir.checkpoints().join(format!("step_{step:06}"))).unwrap();
        }
        fs::create_dir_all(dir.path()).unwrap();
        let lines: Vec<String> = metrics
            .iter()
            .map(|step| format!("{{\"step\":{step}}}\n"))
            .collect();
        fs::write(dir.metrics(), lines.concat()).unwrap();
        (root, dir)
    }

    #[test]
    fn the_last_step_is_repeated_if_its_metrics_are_lost() {
        for (checkpoints, metrics, is_kept) in [
            (&[2, 4][..], &[1, 2, 3, 4][..], true),
            (&[2, 4], &[1, 2, 3], false),
            (&[2, 4], &[], false),
            // From the first step on nothing is repeated: the model is worth more than its last metrics.
            (&[4], &[], true),
            (&[2], &[], false),
        ] {
            let (_root, dir) = training(checkpoints, metrics);

            drop_last_checkpoint_without_metrics(&dir, 4).unwrap();

            let has_last = dir.checkpoints().join("step_000004").exists();
            assert_eq!(has_last, is_kept, "{checkpoints:?} {metrics:?}");
            let others = checkpoints.iter().filter(|step| **step != 4);
            for step in others {
                assert!(dir.checkpoints().join(format!("step_{step:06}")).exists());
            }
        }
    }

    #[test]
    fn lines_that_are_lost_are_counted_in_a_warning() {
        let (_root, dir) = training(&[], &[1, 2, 4]);
        fs::write(dir.evaluations(), "{\"step\":2}\n").unwrap();

        assert_eq!(warnings(&dir, 2, true).unwrap(), Vec::<String>::new());
        let found = warnings(&dir, 5, true).unwrap();
        assert!(found[0].contains("lost 2 of 5 steps"), "{found:?}");
        assert!(
            found[1].contains("the evaluation of the last step"),
            "{found:?}"
        );
    }
}
