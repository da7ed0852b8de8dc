//! What figures show: the quantities that trainings log.

/// A quantity that a training logs at each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Quantity {
    /// Of the figure's file, without its ending.
    pub(in crate::report) file: &'static str,
    /// What the figure shows, as its title.
    pub(in crate::report) title: &'static str,
    /// What the vertical axis measures.
    pub(in crate::report) axis: &'static str,
    /// Where it was logged.
    pub(in crate::report) log: Log,
    /// The place in a line of that log, as a JSON pointer.
    pub(in crate::report) pointer: &'static str,
    /// The share of the past in the moving average; 0 shows the values as they are.
    pub(in crate::report) smoothing: f64,
    /// The trainings that it is shown of.
    pub(in crate::report) of: Trainings,
    /// Whether it has a file in `figures/`, or is in `report.html` only.
    pub(in crate::report) has_file: bool,
}

/// A log of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Log {
    /// `metrics.jsonl`.
    Metrics,
    /// `evaluations.jsonl`.
    Evaluations,
}

/// Which trainings have a curve: losses of unlike trainings cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Trainings {
    All,
    /// Those that sample completions and learn from rewards.
    WithReward,
    /// Those that learn from given completions.
    Supervised,
}

impl Quantity {
    const fn rollout(
        file: &'static str,
        title: &'static str,
        axis: &'static str,
        pointer: &'static str,
    ) -> Self {
        Self {
            file,
            title,
            axis,
            log: Log::Metrics,
            pointer,
            smoothing: SMOOTHING,
            of: Trainings::WithReward,
            has_file: true,
        }
    }

    const fn for_the_page(self) -> Self {
        Self {
            has_file: false,
            ..self
        }
    }

    const fn of(self, of: Trainings) -> Self {
        Self { of, ..self }
    }

    const fn not_smoothed(self) -> Self {
        Self {
            smoothing: 0.0,
            ..self
        }
    }
}

/// The share of the past in the moving averages of the paper's figures.
const SMOOTHING: f64 = 0.9;

/// All quantities, in the order of the figures; the first ones are those of the paper's Figures 2 and 5.
pub(in crate::report) const QUANTITIES: &[Quantity] = &[
    Quantity::rollout(
        "reward",
        "training reward",
        "reward",
        "/rollout/reward/total",
    ),
    Quantity::rollout(
        "zero_spread",
        "groups whose rewards are all equal",
        "share of groups",
        "/rollout/zero_spread_share",
    ),
    Quantity::rollout(
        "length",
        "length of completions",
        "tokens a completion",
        "/rollout/completion_tokens",
    ),
    Quantity {
        log: Log::Evaluations,
        ..Quantity::rollout(
            "pass_at_1",
            "pass@1 while training",
            "share of samples",
            "/pass@1",
        )
        .of(Trainings::All)
        .not_smoothed()
    },
    Quantity::rollout("loss", "loss of the policy", "loss", "/loss"),
    Quantity::rollout(
        "loss_sft",
        "loss of supervised training",
        "nats a token",
        "/loss",
    )
    .of(Trainings::Supervised),
    Quantity::rollout(
        "kl",
        "divergence from the reference model (k3)",
        "nats a token",
        "/rollout/kl",
    ),
    Quantity::rollout("entropy", "entropy", "nats a token", "/rollout/entropy"),
    Quantity::rollout(
        "gradient_norm",
        "norm of the gradient before clipping",
        "norm",
        "/gradient_norm",
    )
    .of(Trainings::All),
    Quantity::rollout(
        "reward_format",
        "reward for the format",
        "reward",
        "/rollout/reward/format",
    )
    .for_the_page(),
    Quantity::rollout(
        "reward_correctness",
        "reward for correctness",
        "reward",
        "/rollout/reward/correctness",
    )
    .for_the_page(),
    Quantity::rollout(
        "reward_spread",
        "standard deviation of the reward",
        "reward",
        "/rollout/reward_spread",
    )
    .for_the_page(),
    Quantity::rollout(
        "truncated",
        "completions that were cut at the limit",
        "share of completions",
        "/rollout/truncated_share",
    )
    .for_the_page(),
    Quantity::rollout(
        "log_prob_gap",
        "largest difference between sampler and trainer",
        "nats",
        "/rollout/log_prob_gap",
    )
    .for_the_page(),
    Quantity::rollout("learning_rate", "learning rate", "rate", "/learning_rate")
        .of(Trainings::All)
        .not_smoothed()
        .for_the_page(),
];

#[cfg(test)]
pub(super) fn quantity(file: &str) -> Quantity {
    let found = QUANTITIES.iter().find(|quantity| quantity.file == file);
    *found.expect("a quantity of that name")
}
