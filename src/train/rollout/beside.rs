//! Judging of unit tests while other completions are still being sampled.
//!
//! As soon as all completions of a group have ended, its tests run in a thread of their own. The sandbox has
//! its own processes, so that a device which samples is not kept waiting. What is judged when changes no
//! verdict: each is that of one completion.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use crate::{
    reward::{Normalizer, RewardError},
    train::observer::TestShares,
};

use super::{answer::Answer, row_tests::RowTests};

/// The part of a reward that can be found for one group after the other.
#[derive(Clone, Copy, Debug)]
pub(in crate::train) struct Beside<'a> {
    pub(super) tests: &'a RowTests<'a>,
    pub(super) normalizer: Normalizer,
}

/// The completions of a prompt, all ended.
pub(in crate::train) struct Group {
    /// The number of the group in its batch.
    pub(in crate::train) number: usize,
    /// The row of the data.
    pub(in crate::train) row: usize,
    pub(in crate::train) texts: Vec<String>,
}

/// What the tests of a batch gave.
#[derive(Debug, Default)]
pub(in crate::train) struct Judged {
    /// The shares of each completion, by the number of its group.
    pub(super) groups: Vec<(usize, Vec<TestShares>)>,
    /// How long tests ran.
    pub(super) busy: Duration,
}

impl Judged {
    /// The shares of all completions in their order; nothing if a group is missing.
    pub(in crate::train) fn in_order(mut self, groups: usize) -> Option<Vec<TestShares>> {
        self.groups.sort_by_key(|(number, _)| *number);
        let is_whole = self.groups.len() == groups;
        is_whole.then(|| {
            self.groups
                .into_iter()
                .flat_map(|(_, shares)| shares)
                .collect()
        })
    }
}

impl Beside<'_> {
    /// Judges groups as they come, until there are no more, `stop` is set or the judge fails; then it sets
    /// `stop`.
    pub(in crate::train) fn judge(
        self,
        groups: Receiver<Group>,
        stop: &AtomicBool,
    ) -> Result<Judged, RewardError> {
        let mut judged = Judged::default();
        for group in groups {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let clock = Instant::now();
            let answers = group.texts.iter().map(|text| Answer {
                row: group.row,
                text,
            });
            let answers: Vec<Answer<'_>> = answers.collect();
            let shares = self.tests.run(&answers, self.normalizer);
            let shares = shares.inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            judged.groups.push((group.number, shares));
            judged.busy += clock.elapsed();
        }
        Ok(judged)
    }
}
