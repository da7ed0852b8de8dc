//! What a login node of Slurm offers.

use std::path::Path;

use super::Named;
use crate::{
    cli::results_folder,
    disk::folders::existing,
    engine::slurm::{Client, SlurmError},
    results::in_words,
};

/// What `recode run --on slurm` needs, and why it is missing.
pub(super) fn slurm() -> Vec<Named> {
    let facts = match Client::default().facts() {
        Ok(facts) => facts,
        Err(SlurmError::NoSlurm { .. }) => return Vec::new(),
        Err(error) => {
            let missing = Some(in_words(&error));
            return vec![Named {
                name: "cluster",
                missing,
            }];
        }
    };
    let unless = |is_there: bool, reason: &str| (!is_there).then(|| reason.to_owned());
    let root = results_folder::of_current_folder().root().to_path_buf();
    let named = |(name, missing)| Named { name, missing };
    [
        ("cluster", None),
        (
            "accounting",
            unless(
                facts.has_accounting,
                "it forgets jobs some minutes after their end: how a job ended may stay unknown",
            ),
        ),
        (
            "requeue",
            unless(
                facts.can_requeue,
                "JobRequeue=0: a job that is preempted has to be submitted again",
            ),
        ),
        (
            "long arrays",
            unless(
                facts.array_limit >= 100,
                &format!("MaxArraySize={}: many arrays", facts.array_limit),
            ),
        ),
        ("shared results", not_shared(&root)),
        ("locks", results_folder::lock_weakness(&root)),
    ]
    .into_iter()
    .map(named)
    .collect()
}

/// Why other nodes may not see a folder.
fn not_shared(folder: &Path) -> Option<String> {
    /// The kinds of file systems of Linux that are on a disk, or in the memory, of one machine.
    const OF_ONE_MACHINE: [i64; 6] = [
        0xEF53,      // ext2 to ext4
        0x5846_5342, // XFS
        0x9123_683E, // Btrfs
        0x0102_1994, // tmpfs
        0x794C_7630, // overlayfs
        0x2FC1_2FC1, // ZFS
    ];
    let system = rustix::fs::statfs(&existing(folder)?).ok()?;
    let is_of_one_machine = OF_ONE_MACHINE.contains(&system.f_type);
    is_of_one_machine.then(|| {
        format!(
            "`{}` is on a disk of this machine, which nodes see only if it is exported to them",
            folder.display()
        )
    })
}
