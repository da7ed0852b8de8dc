//! Measures of how a completion may earn a reward without solving its task. They are logged, and change
//! no reward.

use std::collections::BTreeSet;

/// The words in a row that count as one phrase. Four words in the same order are rarely a coincidence.
const PHRASE: usize = 4;

/// The share of a text's phrases of four words that it has had before, in 0..=1.
pub fn repeated_share(text: &str) -> f64 {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut seen = BTreeSet::new();
    let repeated = words
        .windows(PHRASE)
        .filter(|phrase| !seen.insert(*phrase))
        .count();
    share(repeated, words.len())
}

/// The share of a text's phrases of four words that a note has too, in 0..=1.
pub fn copied_share(text: &str, note: &str) -> f64 {
    let of_note: Vec<&str> = note.split_whitespace().collect();
    let known: BTreeSet<&[&str]> = of_note.windows(PHRASE).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let copied = words
        .windows(PHRASE)
        .filter(|phrase| known.contains(phrase))
        .count();
    share(copied, words.len())
}

/// A number of phrases as a share of all phrases of a text with so many words.
fn share(phrases: usize, words: usize) -> f64 {
    let all = (words + 1).saturating_sub(PHRASE);
    phrases as f64 / all.max(1) as f64
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the shares are exact in binary")]
mod tests {
    use super::*;

    /// By hand: `a b c d a b c d` has 5 phrases, and the last one is the first one again.
    #[test]
    fn phrases_that_come_again_are_repeated() {
        assert_eq!(repeated_share("a b c d a b c d"), 0.2);
        assert_eq!(repeated_share("a b c d e f g h"), 0.0);
        // 8 equal words: 5 equal phrases, 4 of them again.
        assert_eq!(repeated_share("a a a a a a a a"), 0.8);
        assert_eq!(repeated_share("a a a"), 0.0);
        assert_eq!(repeated_share(""), 0.0);
    }

    /// By hand: of the 4 phrases of the text, `the name is now` alone is in the note.
    #[test]
    fn phrases_of_the_note_are_copied() {
        let note = "the name is now f";
        assert_eq!(copied_share("so the name is now g .", note), 0.25);
        assert_eq!(copied_share(note, note), 1.0);
        assert_eq!(copied_share("the name was", note), 0.0);
        assert_eq!(copied_share(note, ""), 0.0);
    }
}
