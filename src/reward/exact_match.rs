//! Whether the code equals the target, both without comments and blank lines.

use super::{Detail, Measured, NOT_RUNNABLE, Pair, Reward};

/// EM: 1 for the target's code, else 0. The paper has it without a formula.
#[derive(Debug)]
pub(super) struct ExactMatch;

/// EM*: 2 for the target's code, -1.5 for other code that parses, -2 for what does not.
#[derive(Debug)]
pub(super) struct ExactMatchStar;

impl Reward for ExactMatch {
    fn correctness(&self, pair: &Pair<'_>) -> Measured {
        let code = match pair.code() {
            Ok(code) => code,
            Err(failure) => return failure.measured(0.0),
        };
        scored(pair, &code, [0.0, 1.0])
    }
}

impl Reward for ExactMatchStar {
    fn correctness(&self, pair: &Pair<'_>) -> Measured {
        let code = match pair.code_that_parses() {
            Ok(code) => code,
            Err(failure) => return failure.measured(NOT_RUNNABLE),
        };
        scored(pair, &code, [-1.5, 2.0])
    }
}

fn scored(pair: &Pair<'_>, code: &str, [different, equal]: [f64; 2]) -> Measured {
    match pair.target_code() {
        Ok(target) => {
            let is_equal = code == target;
            let value = if is_equal { equal } else { different };
            Measured::new(
                value,
                Detail::Compared {
                    similarity: f64::from(u8::from(is_equal)),
                },
            )
        }
        Err(failure) => failure.measured(different),
    }
}
