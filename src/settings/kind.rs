//! What values a key takes, and how a message describes them.

use super::variants;

/// What values a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that can be a folder's name.
    Name,
    /// `true` or `false`.
    Flag,
    /// One of some names: what a message calls them, and the names.
    Choice(&'static str, fn() -> Vec<&'static str>),
    /// One of some names, or a table with a number for some of them: what a message calls them, and the
    /// names.
    Weights(&'static str, fn() -> Vec<&'static str>),
    /// A whole number from the first to the second, both included.
    Whole(i64, i64),
    /// A number in a range.
    Number(Range),
    /// A file.
    File,
    /// A name of the manifest, a folder, a GGUF file, `scratch` or `remote`.
    Model,
    /// A name of the manifest, or a file.
    DataSet,
    /// The name of a benchmark.
    Benchmark,
    /// A list of names, or a named set of them.
    Subset {
        /// What a message calls one of the names.
        noun: &'static str,
        /// All names, in the order in which a list is sorted.
        names: fn() -> Vec<&'static str>,
        /// The named sets: the name, and how many of `names` from the first.
        sets: &'static [(&'static str, usize)],
    },
    /// A list with at least one item.
    List(&'static Self),
    /// A list of texts, of which some may be equal, as the words of a command.
    Words,
    /// A list, or one text.
    TextOrList,
    /// An amount of memory, such as `70GiB`, of at least so many bytes.
    Memory(u64),
    /// A length of time, such as `20h`.
    TimeLength,
    /// A table whose keys are paths of settings.
    Assignments,
}

/// A range of numbers.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// Whether `low` itself is outside.
    pub is_open_below: bool,
    /// Whether `high` itself is outside.
    pub is_open_above: bool,
}

/// A number that counts something of which there must be at least one.
pub const COUNT: Kind = whole(1, MANY);
/// A number that counts something of which there may be none.
pub const COUNT_OR_ZERO: Kind = whole(0, MANY);
/// The seed of a random stream.
pub const SEED: Kind = whole(0, i64::MAX);

/// From here on, messages do not mention an upper bound.
const MANY: i64 = 1_000_000_000;

/// The range of a weight.
pub const WEIGHT: Range = Range {
    low: -1000.0,
    high: 1000.0,
    is_open_below: false,
    is_open_above: false,
};

/// A whole number from `low` to `high`, both included.
pub const fn whole(low: i64, high: i64) -> Kind {
    Kind::Whole(low, high)
}

/// A number from `low` to `high`, both included.
pub const fn from_to(low: f64, high: f64) -> Kind {
    number(low, high, false, false)
}

/// A number from `low`, and below `high`.
pub const fn from_below(low: f64, high: f64) -> Kind {
    number(low, high, false, true)
}

/// A number above `low`, and at most `high`.
pub const fn above_to(low: f64, high: f64) -> Kind {
    number(low, high, true, false)
}

const fn number(low: f64, high: f64, is_open_below: bool, is_open_above: bool) -> Kind {
    Kind::Number(Range {
        low,
        high,
        is_open_below,
        is_open_above,
    })
}

/// One of the names that serde has for the variants of an enum.
pub const fn choice<T: for<'de> serde::Deserialize<'de>>(noun: &'static str) -> Kind {
    Kind::Choice(noun, variants::<T>)
}

impl Range {
    /// Whether a number is in the range.
    pub fn contains(self, number: f64) -> bool {
        let is_above = if self.is_open_below {
            number > self.low
        } else {
            number >= self.low
        };
        let is_below = if self.is_open_above {
            number < self.high
        } else {
            number <= self.high
        };
        is_above && is_below && number.is_finite()
    }
}

impl Kind {
    /// The type of the values, for a message.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Flag => "`true` or `false`",
            Self::Whole(..) => "a whole number",
            Self::Number(_) => "a number",
            Self::List(_) | Self::Words => "a list",
            Self::TextOrList => "a text or a list of texts",
            Self::Subset { .. } => "the name of a set, or a list",
            Self::Assignments => "a table",
            Self::Weights(..) => "a text in quotes, or a table of weights",
            _ => "a text in quotes",
        }
    }

    /// What a value looks like, in a few words.
    pub fn describe(self) -> String {
        match self {
            Self::Text => "a text in quotes".into(),
            Self::Name => "a name in quotes, such as \"grpo_qwen7b\"".into(),
            Self::Flag => "`true` or `false`".into(),
            Self::Choice(_, names) => one_of(&names()),
            Self::Weights(_, names) => format!(
                "{}, or a table with weights of some of them",
                one_of(&names())
            ),
            Self::Whole(low, MANY..) => format!("a whole number from {low}"),
            Self::Whole(low, high) => format!("a whole number from {low} to {high}"),
            Self::Number(range) => describe_range(range),
            Self::File => "the path of a file in quotes".into(),
            Self::Model => {
                "a name of datasets/manifest.toml, a folder, a GGUF file, \"scratch\" or \"remote\""
                    .into()
            }
            Self::DataSet => "a name of datasets/manifest.toml, or a file".into(),
            Self::Benchmark => "the name of a benchmark".into(),
            Self::Subset { noun, sets, .. } => {
                let sets: Vec<String> =
                    sets.iter().map(|(name, _)| format!("\"{name}\"")).collect();
                format!("{}, or a list of {noun}s", sets.join(", "))
            }
            Self::List(Self::Choice(_, names)) => {
                format!("a list with some of {}", one_of(&names()))
            }
            Self::List(_) => "a list with at least one item".into(),
            Self::Words => "a list of texts".into(),
            Self::TextOrList => "a text, or a list of texts".into(),
            Self::Memory(0) => "an amount such as \"70GiB\"".into(),
            Self::Memory(_) => "an amount above 0, such as \"4GiB\"".into(),
            Self::TimeLength => "a length of time such as \"20h\" or \"1d12h\"".into(),
            Self::Assignments => "a table such as { method = \"untrained\" }".into(),
        }
    }
}

fn describe_range(range: Range) -> String {
    let Range { low, high, .. } = range;
    let from = if range.is_open_below { "above" } else { "from" };
    match (range.is_open_below, range.is_open_above) {
        (false, false) => format!("a number {from} {low} to {high}"),
        (_, true) => format!("a number {from} {low}, and below {high}"),
        (_, false) => format!("a number {from} {low}, and at most {high}"),
    }
}

/// The one of some names that a text spells in another way: capitals, spaces, `-` and `_` do not matter, and the
/// papers' `*` and `+` stand for `star` and `plus`. So `ES*` is `es_star`, and `HumanEval+` is `humaneval_plus`.
pub fn spelled<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut similar = Vec::new();
    for name in names {
        if name == text {
            return Some(name);
        }
        if letters(name) == letters(text) && !letters(text).is_empty() {
            similar.push(name);
        }
    }
    match similar.as_slice() {
        [name] => Some(name),
        _ => None,
    }
}

/// What counts of a name's spelling.
fn letters(name: &str) -> String {
    let mut letters = String::new();
    for letter in name.chars() {
        match letter {
            '*' => letters.push_str("star"),
            '+' => letters.push_str("plus"),
            letter if letter.is_alphanumeric() => letters.extend(letter.to_lowercase()),
            _ => {}
        }
    }
    letters
}

/// Names for a message: `` `a`, `b` or `c` ``.
pub fn one_of<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_a_name_are_that_name_and_never_a_shorter_one() {
        // Oracle: the names in the paper's Table 2 and set-up, and their authors' spellings.
        let names = [
            "em",
            "es",
            "em_star",
            "es_star",
            "grpo",
            "reinforce_plus_plus",
        ];

        for (text, name) in [
            ("ES*", "es_star"),
            ("EM*", "em_star"),
            ("ES", "es"),
            ("es-star", "es_star"),
            ("GRPO", "grpo"),
            ("REINFORCE++", "reinforce_plus_plus"),
        ] {
            assert_eq!(spelled(text, names), Some(name), "{text}");
        }
        for stranger in ["ES**", "E", "", "_", "grp"] {
            assert_eq!(spelled(stranger, names), None, "{stranger}");
        }
        // Two names that are spelled alike are distinguished by their own spelling alone.
        assert_eq!(spelled("a_b", ["a_b", "ab"]), Some("a_b"));
        assert_eq!(spelled("A-B", ["a_b", "ab"]), None);
    }

    #[test]
    fn lists_read_as_english() {
        assert_eq!(one_of(&["a"]), "`a`");
        assert_eq!(one_of(&["a", "b", "c"]), "`a`, `b` or `c`");
    }

    #[test]
    fn ranges_say_which_of_their_ends_belong_to_them() {
        assert_eq!(from_to(0.0, 1.0).describe(), "a number from 0 to 1");
        assert_eq!(
            from_below(0.0, 1.0).describe(),
            "a number from 0, and below 1"
        );
        assert_eq!(
            above_to(0.0, 10.0).describe(),
            "a number above 0, and at most 10"
        );
        assert_eq!(COUNT.describe(), "a whole number from 1");

        let Kind::Number(range) = from_below(0.0, 1.0) else {
            panic!("a number")
        };
        assert!(range.contains(0.0) && !range.contains(1.0) && !range.contains(f64::NAN));
    }
}
