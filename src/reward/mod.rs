//! Scoring one completion.
//!
//! A new reward is one file with a `Reward` and one line in `variants!` below: that line gives its
//! name to specs, to `recode score` and to the help.
//!
//! # Differences
//!
//! EM and ES without a star are in the paper (Table 2) but not in its code; here they are 0 to 1,
//! look at no syntax, and are 0 without code. AST and AST* are not in the paper. Where the reference raises, `published` gives these
//! scores and says so in [`Score::error`]: two sides without code are equal (ES 1, ES* 2); code that
//! CPython nests too deeply to read does not parse (-2); nor does code whose literals fill the memory,
//! and a target of that kind has nothing in common with any code (-1.5).
//! `fixed` differs from `published` in what `extract` (the fence) and `syntax::normalize_fixed`
//! list, and in these: the syntax of the code itself is checked, not of what normalising leaves of
//! it; the grammar is that of CPython 3.13, not 3.11; nothing raises.

mod ast_similarity;
mod combine;
mod edit_similarity;
mod exact_match;
mod extract;
mod format;
mod pair;
mod settings;

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "scores are equal to the last bit")]
mod fuzz;
#[cfg(test)]
#[expect(clippy::float_cmp, reason = "scores are equal to the last bit")]
mod golden;

use serde::{Deserialize, Serialize};

pub use combine::{Score, Scorer};
pub use settings::{Normalizer, RewardSettings};

use pair::Pair;

/// The starred rewards' score of what does not parse, or has no fence.
const NOT_RUNNABLE: f64 = -2.0;

/// Measures the correctness of a completion; the format is added for all alike.
trait Reward: Sync {
    fn correctness(&self, pair: &Pair<'_>) -> Measured;
}

/// Makes the enum of the variants, their names and what each name measures.
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

            /// The name that a spec has for it.
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

/// A correctness, what it rests on, and why it is no score, if it is none.
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

/// What a correctness rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Detail {
    /// The variant looks at the format alone.
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

/// Why there is no score: where the reference raises, or where a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither side has code left.
    #[error("ZeroDivisionError: neither the completion nor the target has code to compare")]
    NothingToCompare,
    /// The code nests beyond what CPython converts.
    #[error("RecursionError: the code nests too deeply to be parsed")]
    TooDeep,
    /// Normalising does not end in reasonable space.
    #[error("MemoryError: string literals name the placeholders of one another")]
    TooLarge,
    /// The trees are too large to be compared in reasonable time.
    #[error("the trees of the completion and the target have more than 2^33 pairs of nodes")]
    TooManyNodes,
}
