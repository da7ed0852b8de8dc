//! How far two records agree.

use serde::Serialize;
use serde_json::Value;

use crate::device::Backend;

/// What counts as the same number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tolerance {
    /// The same bits.
    Bits,
    /// Within this share of the larger one: the sums of a GPU depend on the order in which its threads end.
    Share(f64),
}

/// Of numbers of a GPU: a step's loss and reward, from its own samples.
const GPU: f64 = 0.02;

impl Tolerance {
    pub(super) fn of(backend: Backend) -> Self {
        if backend == Backend::Cpu {
            Self::Bits
        } else {
            Self::Share(GPU)
        }
    }

    /// What it is, in words.
    pub(super) fn in_words(self) -> String {
        match self {
            Self::Bits => "bit for bit".to_owned(),
            Self::Share(share) => format!("within {} %", share * 100.0),
        }
    }

    fn are_same(self, one: &Value, other: &Value) -> bool {
        match (self, one.as_f64(), other.as_f64()) {
            (Self::Share(share), Some(one), Some(other)) => {
                (one - other).abs() <= share * one.abs().max(other.abs()).max(1e-3)
            }
            // The text of a number has all its bits.
            _ => one == other,
        }
    }
}

/// The path of the first value that differs, with both values.
pub(super) fn difference<T: Serialize>(
    recorded: &T,
    found: &T,
    without: &str,
    tolerance: Tolerance,
) -> Option<String> {
    let value = |record: &T| serde_json::to_value(record).unwrap_or_default();
    let (mut recorded, mut found) = (value(recorded), value(found));
    for record in [&mut recorded, &mut found] {
        if let Some(members) = record.as_object_mut() {
            members.remove(without);
        }
    }
    first(&recorded, &found, "", tolerance)
}

fn first(recorded: &Value, found: &Value, path: &str, tolerance: Tolerance) -> Option<String> {
    match (recorded, found) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let names = ours.keys().chain(theirs.keys());
            let mut names: Vec<&String> = names.collect();
            names.sort_unstable();
            names.dedup();
            names.into_iter().find_map(|name| {
                let dot = if path.is_empty() { "" } else { "." };
                let path = [path, dot, name].concat();
                let of = |members: &serde_json::Map<String, Value>| {
                    members.get(name).cloned().unwrap_or_default()
                };
                first(&of(ours), &of(theirs), &path, tolerance)
            })
        }
        (one, other) if tolerance.are_same(one, other) => None,
        (one, other) => Some(format!(
            "`{path}` is {}, and was {}",
            short(other),
            short(one)
        )),
    }
}

/// A value that fits a line.
fn short(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= MOST {
        return text;
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named_and_times_are_not_compared() {
        let one = json!({"loss": 0.1, "reward": {"total": 1.5}, "timing": 3});
        let same = json!({"loss": 0.1, "reward": {"total": 1.5}, "timing": 4});
        let other = json!({"loss": 0.1, "reward": {"total": 1.500_000_000_000_000_2}, "timing": 3});
        let of = |found, tolerance| difference(&one, found, "timing", tolerance);

        assert_eq!(of(&same, Tolerance::Bits), None);
        assert_eq!(
            of(&other, Tolerance::Bits).as_deref(),
            Some("`reward.total` is 1.5000000000000002, and was 1.5")
        );
        assert_eq!(of(&other, Tolerance::Share(0.01)), None);
        let far = json!({"loss": 0.1, "reward": {"total": 1.7}, "timing": 3});
        assert!(of(&far, Tolerance::Share(0.01)).is_some());
    }
}
