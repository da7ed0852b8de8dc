//! How much better a completion is than the others of its prompt.

use serde::{Deserialize, Serialize};

/// The divisor of a group's centred rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvantageScale {
    /// The standard deviation of the group (ddof 1).
    Group,
    /// The standard deviation of the whole batch (ddof 1).
    Batch,
    /// Nothing.
    None,
}

/// The reward that a completion is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::train) enum Baseline {
    /// The mean of its group (GRPO).
    Group,
    /// The mean of the other completions of its group (RLOO).
    LeaveOneOut,
    /// The mean of the whole batch (REINFORCE++).
    Batch,
}

/// How rewards become advantages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::train) struct AdvantageRule {
    pub(in crate::train) baseline: Baseline,
    /// The divisor of a reward minus its baseline.
    pub(in crate::train) scale: AdvantageScale,
    /// Added to that divisor, unless it is [`AdvantageScale::None`].
    pub(in crate::train) epsilon: f64,
}

impl AdvantageRule {
    /// The advantage of each of `rewards`, where each group of `group_size` answers one prompt.
    ///
    /// Rewards that are all equal have advantages of exactly 0, however their mean is rounded. A
    /// completion without others to compare it with has, as in verl, a baseline of 0 and a
    /// deviation of 1.
    pub(in crate::train) fn advantages(self, rewards: &[f64], group_size: usize) -> Vec<f64> {
        let compared = match self.baseline {
            Baseline::Group | Baseline::LeaveOneOut => group_size,
            Baseline::Batch => rewards.len(),
        };
        if compared <= 1 {
            return rewards
                .iter()
                .map(|reward| reward / (1.0 + self.epsilon))
                .collect();
        }
        let batch_deviation = deviation(rewards, 1.0);
        rewards
            .chunks(compared)
            .flat_map(|group| self.of_group(group, batch_deviation))
            .collect()
    }

    /// The advantages of rewards that are compared with each other.
    fn of_group(self, rewards: &[f64], batch_deviation: f64) -> Vec<f64> {
        if !has_spread(rewards) {
            return vec![0.0; rewards.len()];
        }
        let divisor = match self.scale {
            AdvantageScale::Group => deviation(rewards, 1.0) + self.epsilon,
            AdvantageScale::Batch => batch_deviation + self.epsilon,
            AdvantageScale::None => 1.0,
        };
        let (mean, sum) = (mean(rewards), rewards.iter().sum::<f64>());
        let baseline = |reward: f64| match self.baseline {
            Baseline::Group | Baseline::Batch => mean,
            Baseline::LeaveOneOut => (sum - reward) / (rewards.len() - 1) as f64,
        };
        rewards
            .iter()
            .map(|reward| (reward - baseline(*reward)) / divisor)
            .collect()
    }
}

/// Whether the rewards of a group differ. If they do not, there is nothing to learn from it.
#[expect(clippy::float_cmp, reason = "equal scores come from equal arithmetic")]
pub(in crate::train) fn has_spread(group: &[f64]) -> bool {
    group.iter().any(|reward| *reward != group[0])
}

/// The mean, or 0 of nothing.
pub(in crate::train) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard deviation, with `lost` degrees of freedom subtracted from the count.
pub(in crate::train) fn deviation(values: &[f64], lost: f64) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (squares / (values.len() as f64 - lost).max(1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        groups: Vec<Group>,
        batch_scaled: Vec<Batch>,
    }

    #[derive(Deserialize)]
    struct Group {
        rewards: Vec<f64>,
        std_ddof0: f64,
        trl: Vec<f64>,
        verl: Vec<f64>,
        dr_grpo: Vec<f64>,
        #[serde(rename = "dapo_keep_group")]
        is_kept: bool,
    }

    #[derive(Deserialize)]
    struct Batch {
        rewards: Vec<f64>,
        num_generations: usize,
        adv: Vec<f64>,
    }

    /// Oracle: tests/golden/rl/advantages.json, made by make/misc.py.
    fn golden() -> Golden {
        serde_json::from_str(include_str!("../../../tests/golden/rl/advantages.json")).unwrap()
    }

    fn advantages(
        rewards: &[f64],
        group_size: usize,
        scale: AdvantageScale,
        epsilon: f64,
    ) -> Vec<f64> {
        let rule = AdvantageRule {
            baseline: Baseline::Group,
            scale,
            epsilon,
        };
        rule.advantages(rewards, group_size)
    }

    fn assert_close(ours: &[f64], expected: &[f64]) {
        assert_eq!(ours.len(), expected.len());
        for (ours, expected) in ours.iter().zip(expected) {
            // 1e-8: the golden mean is summed exactly, and the rewards of one group differ by only
            // 1e-7.
            assert!((ours - expected).abs() < 1e-8, "{ours} {expected}");
        }
    }

    #[test]
    fn advantages_of_groups_are_the_golden_ones() {
        let golden = golden();
        assert_eq!(golden.groups.len(), 11);
        for group in &golden.groups {
            let (rewards, size) = (&group.rewards, group.rewards.len());

            assert_close(
                &advantages(rewards, size, AdvantageScale::Group, 1e-4),
                &group.trl,
            );
            assert_close(
                &advantages(rewards, size, AdvantageScale::Group, 1e-6),
                &group.verl,
            );
            assert_close(
                &advantages(rewards, size, AdvantageScale::None, 1e-4),
                &group.dr_grpo,
            );
            assert!((deviation(rewards, 0.0) - group.std_ddof0).abs() < 1e-12);
            assert_eq!(has_spread(rewards), group.is_kept);
        }
    }

    #[test]
    fn advantages_scaled_by_the_batch_are_the_golden_ones() {
        for batch in golden().batch_scaled {
            let ours = advantages(
                &batch.rewards,
                batch.num_generations,
                AdvantageScale::Batch,
                1e-4,
            );
            assert_close(&ours, &batch.adv);
        }
    }

    #[test]
    fn equal_rewards_give_exactly_no_advantage() {
        // In floating point the mean of eight times 0.1 is not 0.1.
        for scale in [
            AdvantageScale::Group,
            AdvantageScale::Batch,
            AdvantageScale::None,
        ] {
            assert_eq!(advantages(&[0.1; 8], 8, scale, 0.0), [0.0; 8]);
        }
    }

    #[test]
    fn a_group_of_one_keeps_its_reward() {
        assert_eq!(
            advantages(&[3.0, -1.0], 1, AdvantageScale::Group, 0.0),
            [3.0, -1.0]
        );
    }

    #[test]
    fn a_baseline_can_be_the_others_of_the_group_or_the_batch() {
        let rewards = [1.0, 0.0, 0.0, 3.0, 3.0, 0.0];
        let rule = |baseline, scale| AdvantageRule {
            baseline,
            scale,
            epsilon: 0.0,
        };

        // Worked out by hand. The others of 1 have a mean of 0, those of each 0 a mean of 1/2; in
        // the second group the others of each 3 have a mean of 3/2, those of 0 a mean of 3.
        let others = rule(Baseline::LeaveOneOut, AdvantageScale::None).advantages(&rewards, 3);
        assert_close(&others, &[1.0, -0.5, -0.5, 1.5, 1.5, -3.0]);

        // The batch has a mean of 7/6. The squares sum to 19, so the variance is (19 - 49/6) / 5 =
        // 13/6.
        let batch = rule(Baseline::Batch, AdvantageScale::Batch).advantages(&rewards, 3);
        let deviation = (13.0_f64 / 6.0).sqrt();
        let expected = rewards.map(|reward| (reward - 7.0 / 6.0) / deviation);
        assert_close(&batch, &expected);
    }

    #[test]
    fn equal_rewards_have_no_advantage_over_any_baseline() {
        for baseline in [Baseline::Group, Baseline::LeaveOneOut, Baseline::Batch] {
            let rule = AdvantageRule {
                baseline,
                scale: AdvantageScale::None,
                epsilon: 0.0,
            };
            assert_eq!(rule.advantages(&[0.1; 8], 4), [0.0; 8]);
            assert_eq!(rule.advantages(&[], 4), [0.0; 0]);
        }
    }
}
