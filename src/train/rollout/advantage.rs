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

/// The advantage of each of `rewards`, where each group of `group_size` answers one prompt.
///
/// A group of equal rewards has advantages of exactly 0, however its mean is rounded. A group of one
/// has nothing to compare with: as in verl, its mean is taken as 0 and its deviation as 1.
pub(in crate::train) fn advantages(
    rewards: &[f64],
    group_size: usize,
    scale: AdvantageScale,
    epsilon: f64,
) -> Vec<f64> {
    if group_size <= 1 {
        return rewards
            .iter()
            .map(|reward| reward / (1.0 + epsilon))
            .collect();
    }
    let batch_deviation = deviation(rewards, 1.0);
    let centred_and_scaled = |group: &[f64]| {
        if !has_spread(group) {
            return vec![0.0; group.len()];
        }
        let mean = mean(group);
        let divisor = match scale {
            AdvantageScale::Group => deviation(group, 1.0) + epsilon,
            AdvantageScale::Batch => batch_deviation + epsilon,
            AdvantageScale::None => 1.0,
        };
        group
            .iter()
            .map(|reward| (reward - mean) / divisor)
            .collect()
    };
    rewards
        .chunks(group_size)
        .flat_map(centred_and_scaled)
        .collect()
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

    fn assert_close(ours: &[f64], expected: &[f64]) {
        assert_eq!(ours.len(), expected.len());
        for (ours, expected) in ours.iter().zip(expected) {
            // 1e-8: the golden mean is summed exactly, and the rewards of one group differ by only 1e-7.
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
}
