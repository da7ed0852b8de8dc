//! Scoring one completion.
//!
//! A new reward is one file with a `Reward` and one line in `variants!` below: that line gives its
//! name to specs, to `recode score` and to the help.
//!
//! # Differences
//!
//! EM and ES without a star are in the paper (Table 2) but not in its code. Here they are 0 to 1, do not depend on the
//! syntax, and are 0 without code. AST and AST* are not in the paper.
//!
//! Where the reference raises, `published` gives these scores and reports the fault in [`Score::error`]:
//!
//! - two sides without code are equal (ES 1, ES* 2);
//! - code that nests too deeply for CPython does not parse (-2);
//! - code whose literals fill the memory does not parse (-2), and a target of that kind has nothing in common with any
//!   code (-1.5).
//!
//! `fixed` differs from `published` as `extract` (which code counts) and `syntax::normalize_fixed` list, and in that the syntax
//! of the code itself is checked and not that of its normal form, that the grammar is that of CPython 3.13 and not 3.11,
//! and that nothing raises.

mod ast_similarity;
mod combine;
mod custom;
mod edit_similarity;
mod exact_match;
mod extract;
mod format;
mod gaming;
mod mix;
mod pair;
mod settings;
mod unit_tests;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

pub use combine::{Score, Scorer};
pub use custom::{CustomError, CustomItem, CustomReward};
pub use format::format_reward;
pub use gaming::{copied_share, repeated_share};
pub use mix::{Mix, MixError, Part};
pub use settings::{
    CustomSettings, Normalizer, PartScale, RewardSettings, TestScore, TestSettings,
};
pub use unit_tests::{Case, JudgeError, Recorded, TestJudge, UnitTests};

use pair::Pair;

/// The score of the starred rewards for code that does not parse, and for a completion without a fence.
const NOT_RUNNABLE: f64 = -2.0;

/// Measures the correctness of a completion; the format reward is added to that of every reward.
trait Reward: Sync {
    fn correctness(&self, pair: &Pair<'_>) -> Measured;
}

/// Makes the enum of the variants, their names and summaries.
macro_rules! variants {
    ($(#[doc = $summary:literal] $variant:ident $name:literal => $reward:expr,)*) => {
        /// The correctness measure that is added to the format reward (paper, Table 2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Variant {
            $(#[doc = $summary] #[serde(rename = $name)] $variant,)*
        }

        impl Variant {
            /// All variants.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in a spec.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it measures, in one line.
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary),* }
            }

            fn reward(self) -> &'static dyn Reward {
                match self { $(Self::$variant => &$reward),* }
            }
        }
    };
}

variants! {
    /// 0: the format alone.
    Format "format" => format::FormatOnly,
    /// Exact match: 1 for the target's code, else 0.
    Em "em" => exact_match::ExactMatch,
    /// Edit similarity of the code, 0 to 1.
    Es "es" => edit_similarity::EditSimilarity,
    /// 2 for the target's code, -1.5 for other code, -2 for what does not parse.
    EmStar "em_star" => exact_match::ExactMatchStar,
    /// 3.5 ES - 1.5, -2 for what does not parse.
    EsStar "es_star" => edit_similarity::EditSimilarityStar,
    /// Edit similarity of the syntax trees, 0 to 1; 0 for what does not parse.
    Ast "ast" => ast_similarity::AstSimilarity,
    /// 3.5 AST - 1.5, -2 for what does not parse.
    AstStar "ast_star" => ast_similarity::AstSimilarityStar,
}

/// The code of a completion, as every reward finds it; `None` if it has none.
///
/// If there are several fences, the fixed form takes the one that defines the names of `target`.
pub fn code_of<'a>(
    completion: &'a str,
    target: &str,
    normalizer: Normalizer,
) -> Option<Cow<'a, str>> {
    extract::fenced_code(completion, target, normalizer)
}

/// A correctness, its basis, and a fault if it is not a score.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Measured {
    value: f64,
    detail: Detail,
    fault: Option<Fault>,
}

impl Measured {
    fn new(value: f64, detail: Detail) -> Self {
        Self {
            value,
            detail,
            fault: None,
        }
    }

    fn with(self, fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..self
        }
    }
}

/// The basis of a correctness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Detail {
    /// The variant measures only the format.
    FormatOnly,
    /// The completion has no python fence.
    NoCode,
    /// The code does not parse.
    DoesNotParse,
    /// Code and target were compared.
    Compared {
        /// The edit similarity, or 1 and 0 for equal and different under exact match.
        similarity: f64,
    },
}

/// Why completions have no reward: not a wrong answer, but a failure of what judges it.
#[derive(Debug, thiserror::Error)]
pub enum RewardError {
    /// The unit tests cannot be run.
    #[error(transparent)]
    Tests(#[from] JudgeError),
    /// The user's own process gave no rewards.
    #[error(transparent)]
    Custom(#[from] CustomError),
}

/// Why there is no score: the reference raises, or a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither side has code after normalising.
    #[error("ZeroDivisionError: neither the completion nor the target has code to compare")]
    NothingToCompare,
    /// The code nests too deeply for CPython.
    #[error("RecursionError: the code nests too deeply to be parsed")]
    TooDeep,
    /// Normalising needs too much memory.
    #[error("MemoryError: string literals name the placeholders of one another")]
    TooLarge,
    /// The trees are too large to be compared in reasonable time.
    #[error("the trees of the completion and the target have more than 2^33 pairs of nodes")]
    TooManyNodes,
}
