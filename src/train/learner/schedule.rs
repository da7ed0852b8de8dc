//! The learning rate over time.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::settings::{COUNT_OR_ZERO, above_to, choice, from_to, settings};

settings! {
    /// The table `lr`: linear warm-up, then a schedule.
    pub struct LearningRate {
        /// The highest learning rate.
        #[key(above_to(0.0, 10.0), default = 5e-5, source = "paper, set-up")]
        pub peak: f64,
        /// Steps until the peak; step 0 has rate 0 if this is not 0.
        #[key(COUNT_OR_ZERO, default = 150, source = "paper, set-up: 3 % of the steps")]
        pub warmup_steps: usize,
        /// What follows the warm-up.
        #[key(choice::<Schedule>("schedule"), default = "cosine", source = "paper, set-up")]
        pub schedule: Schedule,
        /// The share of the peak at which warm-up starts and the schedule ends.
        #[serde(default)]
        #[key(from_to(0.0, 1.0), default = 0.0, source = "TRL: starts at 0, ends at 0")]
        pub floor: f64,
    }
}

/// The course of the learning rate after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The peak at every step.
    Constant,
    /// A straight line to the floor at the last step.
    Linear,
    /// Half a cosine to the floor at the last step.
    Cosine,
}

impl LearningRate {
    /// The rate of the updates of `step`, counted from 0, in a training of `max_steps`.
    pub(in crate::train) fn at(&self, step: usize, max_steps: usize) -> f64 {
        self.peak * (self.floor + (1.0 - self.floor) * self.factor(step, max_steps))
    }

    fn factor(&self, step: usize, max_steps: usize) -> f64 {
        if step < self.warmup_steps {
            return step as f64 / self.warmup_steps as f64;
        }
        let rest = max_steps.saturating_sub(self.warmup_steps).max(1);
        let progress = ((step - self.warmup_steps) as f64 / rest as f64).min(1.0);
        match self.schedule {
            Schedule::Constant => 1.0,
            Schedule::Linear => 1.0 - progress,
            Schedule::Cosine => (0.5 * (1.0 + (PI * progress).cos())).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn rates_are_the_golden_ones() {
        // Oracle: tests/golden/rl/lr_schedules.json, made by make/misc.py (cosine: transformers).
        let golden: Value =
            serde_json::from_str(include_str!("../../../tests/golden/rl/lr_schedules.json"))
                .unwrap();
        for (name, schedule, points) in [
            ("grpo", Schedule::Cosine, 21),
            ("dapo_script", Schedule::Constant, 21),
            ("linear", Schedule::Linear, 21),
            ("verl_cosine_min", Schedule::Cosine, 21),
        ] {
            let entry = &golden[name];
            let rate = LearningRate {
                peak: entry["lr"].as_f64().unwrap(),
                warmup_steps: serde_json::from_value(entry["warmup"].clone()).unwrap(),
                schedule,
                floor: entry["min_lr_ratio"].as_f64().unwrap_or(0.0),
            };
            let values: Vec<(usize, f64)> =
                serde_json::from_value(entry["values"].clone()).unwrap();

            assert_eq!(values.len(), points);
            for (step, expected) in values {
                // 1e-12 of the peak: f64, another order of the same operations.
                let error = (rate.at(step, 5000) - expected).abs();
                assert!(
                    error < 1e-12 * rate.peak,
                    "{name} {step}: {} {expected}",
                    rate.at(step, 5000)
                );
            }
        }
    }

    #[test]
    fn without_warm_up_the_first_step_has_the_peak() {
        let rate = LearningRate {
            peak: 0.5,
            warmup_steps: 0,
            schedule: Schedule::Linear,
            floor: 0.0,
        };

        // 1e-15: exact except for rounding.
        assert!((rate.at(0, 4) - 0.5).abs() < 1e-15);
        assert!((rate.at(3, 4) - 0.125).abs() < 1e-15);
    }
}
