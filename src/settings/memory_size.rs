//! Amounts of memory, as people write them.

use serde::{Deserialize, Serialize};

/// An amount of memory, such as `4GiB`: a whole number and a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemorySize {
    bytes: u64,
}

/// The units, the largest first.
const UNITS: [(&str, u64); 6] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
];

impl MemorySize {
    /// An amount in GiB.
    pub const fn gib(count: u32) -> Self {
        Self {
            bytes: (count as u64) << 30,
        }
    }

    #[cfg(test)]
    pub(crate) fn of_bytes(bytes: usize) -> Self {
        Self {
            bytes: bytes as u64,
        }
    }

    /// Reads an amount; none if the text is not a whole number with a unit.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), factor)))?;
        let bytes = number.parse::<u64>().ok()?.checked_mul(*factor)?;
        Some(Self { bytes })
    }

    /// The units, the largest first.
    pub fn units() -> [&'static str; 6] {
        UNITS.map(|(unit, _)| unit)
    }

    /// The amount in bytes.
    pub fn bytes(self) -> u64 {
        self.bytes
    }

    /// Half of the amount, rounded down to whole MiB; none if that is zero.
    pub fn half(self) -> Option<Self> {
        let mebibytes = (self.bytes / 2) >> 20;
        (mebibytes > 0).then_some(Self {
            bytes: mebibytes << 20,
        })
    }

    /// How many items of `bytes` bytes fit.
    pub fn holds(self, bytes: usize) -> usize {
        let count = self.bytes / (bytes as u64).max(1);
        usize::try_from(count).unwrap_or(usize::MAX)
    }
}

impl TryFrom<String> for MemorySize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
            .ok_or_else(|| format!("`{text}` is not an amount of memory such as `4GiB`"))
    }
}

impl From<MemorySize> for String {
    /// The amount in the largest unit that gives a whole number, so that it has one spelling.
    fn from(size: MemorySize) -> Self {
        let whole = |(_, factor): &&(&str, u64)| size.bytes.is_multiple_of(*factor);
        // Every amount is a whole number of MB or of MiB.
        let (unit, factor) = UNITS.iter().find(whole).unwrap_or(&("B", 1));
        format!("{}{unit}", size.bytes / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_has_a_unit() {
        let bytes = |text| MemorySize::parse(text).map(MemorySize::bytes);

        assert_eq!(bytes("70GiB"), Some(70 << 30));
        assert_eq!(bytes("16 GB"), Some(16_000_000_000));
        assert_eq!(bytes("70"), None);
        assert_eq!(bytes("99999999999TiB"), None);
    }

    #[test]
    fn halves_are_whole_mebibytes_and_come_to_an_end() {
        let size = MemorySize::parse("5MiB").unwrap();
        let halves = std::iter::successors(Some(size), |size| size.half());

        let texts: Vec<String> = halves.map(String::from).collect();
        assert_eq!(texts, ["5MiB", "2MiB", "1MiB"]);
    }

    #[test]
    fn an_amount_reads_back_and_has_one_spelling() {
        for (text, written) in [
            ("4GiB", "4GiB"),
            ("4096MiB", "4GiB"),
            ("1500 MB", "1500MB"),
            ("2000GB", "2TB"),
        ] {
            let size = MemorySize::parse(text).unwrap();
            assert_eq!(String::from(size), written);
            assert_eq!(MemorySize::parse(written), Some(size));
        }
    }
}
