//! Whether the tests that are rewarded are passed more and more often than those that are held out.

use std::collections::VecDeque;

use crate::train::observer::TestShares;

/// The number of steps in a mean.
const WINDOW: usize = 20;
/// How much the gap may grow. The mean of 20 steps of 64 completions varies by a few hundredths.
const ALLOWED: f64 = 0.1;

/// The gap between the two pass rates, at the beginning and in the last steps.
#[derive(Debug, Default)]
pub(in crate::train) struct GapWatch {
    /// The first gaps since the training began or resumed.
    first: Vec<f64>,
    last: VecDeque<f64>,
    is_open: bool,
}

impl GapWatch {
    /// Adds a step, counted from 0; returns a warning when the gap has opened.
    pub(in crate::train) fn see(
        &mut self,
        step: usize,
        shares: Option<&TestShares>,
    ) -> Option<String> {
        let shares = shares?;
        let gap = shares.rewarded - shares.hidden?;
        if self.first.len() < WINDOW {
            self.first.push(gap);
            return None;
        }
        self.last.push_back(gap);
        if self.last.len() > WINDOW {
            self.last.pop_front();
        }
        let mean = |sum: f64, count: usize| sum / count.max(1) as f64;
        let before = mean(self.first.iter().sum(), self.first.len());
        let now = mean(self.last.iter().sum(), self.last.len());
        let was_open = self.is_open;
        // A new warning needs a gap that has closed again, so that one near the limit is said once.
        self.is_open = self.last.len() == WINDOW
            && now - before > if was_open { ALLOWED / 2.0 } else { ALLOWED };
        (self.is_open && !was_open).then(|| {
            format!(
                "step {}: completions pass {now:.2} more of the tests that are rewarded than of those that \
                 are held out, at first it was {before:.2}; they may learn the tests and not the task",
                step + 1
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps that warn, of a gap in each step.
    fn warned(gaps: &[f64]) -> Vec<usize> {
        let mut watch = GapWatch::default();
        let see = |(step, gap): (usize, &f64)| {
            let shares = TestShares {
                rewarded: 0.5 + gap,
                hidden: Some(0.5),
            };
            watch.see(step, Some(&shares)).map(|_| step)
        };
        gaps.iter().enumerate().filter_map(see).collect()
    }

    /// By hand: 20 steps of 0, then 20 of 0.2, whose mean is first known in step 39.
    #[test]
    fn a_gap_that_opens_is_warned_of_once() {
        let opens = [vec![0.0; 20], vec![0.2; 40]].concat();
        assert_eq!(warned(&opens), [39]);
        let again = [opens, vec![0.0; 20], vec![0.2; 20]].concat();
        // Of the last 20 gaps, 11 are 0.2 when the mean is first above 0.1: step 80 + 10.
        assert_eq!(warned(&again), [39, 90]);
    }

    #[test]
    fn a_gap_that_was_always_there_is_none() {
        assert!(warned(&[0.3; 80]).is_empty());
        let narrow = [vec![0.0; 20], vec![0.09; 60]].concat();
        assert!(warned(&narrow).is_empty());
    }

    #[test]
    fn without_held_out_tests_there_is_no_gap() {
        let mut watch = GapWatch::default();
        let shares = TestShares {
            rewarded: 1.0,
            hidden: None,
        };
        for step in 0..100 {
            assert_eq!(watch.see(step, Some(&shares)), None);
            assert_eq!(watch.see(step, None), None);
        }
    }
}
