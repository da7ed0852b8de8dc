//! Kinds of note: what a note says about the code that it is shown with, and the mix of kinds in training.
//!
//! A model that is trained only on notes that apply learns to follow every note. A mix has rows whose note
//! is about something else, no longer holds, or is missing. Their target is the old code as it is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::migration::Migration;
use crate::{
    seed,
    settings::{from_to, settings},
};

/// What a note says about the code that it is shown with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// It is about the code, and holds.
    Right,
    /// It is about the code, of an older version, and says that it no longer holds.
    Stale,
    /// It is about the code, and does not hold; nothing in it shows that.
    Wrong,
    /// It holds, and is about something that the code does not use.
    Irrelevant,
    /// There is no note.
    None,
}

impl NoteKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Right,
        Self::Stale,
        Self::Wrong,
        Self::Irrelevant,
        Self::None,
    ];

    /// Its name in a spec, in tasks and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Stale => "stale",
            Self::Wrong => "wrong",
            Self::Irrelevant => "irrelevant",
            Self::None => "none",
        }
    }
}

/// How a note says that it no longer holds.
const STALE: &str = "This no longer holds in the newest release:";

/// A note of an older version.
pub fn stale(note: &str) -> String {
    format!("{STALE} {note}")
}

settings! {
    /// The table `notes` of `[data]`: the shares of the kinds of note in training. There is no share of
    /// wrong notes: they look like right ones, so that a model could only learn to guess.
    pub struct NoteMix {
        /// The share of rows whose note is theirs, and whose target is the new code. Shares need not add up
        /// to 1.
        #[key(from_to(0.0, 1e6), default = 1.0, source = "all rows, as in the paper")]
        pub right: f64,
        /// The share of rows whose note says that it no longer holds; their target is the old code.
        #[key(from_to(0.0, 1e6), default = 0.0)]
        pub stale: f64,
        /// The share of rows with the note of another row, about something that the code does not use;
        /// their target is the old code.
        #[key(from_to(0.0, 1e6), default = 0.0)]
        pub irrelevant: f64,
        /// The share of rows without a note; their target is the old code.
        #[key(from_to(0.0, 1e6), default = 0.0)]
        pub none: f64,
    }
}

impl Default for NoteMix {
    fn default() -> Self {
        Self {
            right: 1.0,
            stale: 0.0,
            irrelevant: 0.0,
            none: 0.0,
        }
    }
}

impl NoteMix {
    /// Whether every row keeps its note and its target.
    pub fn is_plain(&self) -> bool {
        self.stale + self.irrelevant + self.none <= 0.0
    }

    /// The kind at a place of the line from 0 to 1 that the shares divide.
    fn kind_at(&self, place: f64) -> NoteKind {
        let shares = [
            (NoteKind::Right, self.right),
            (NoteKind::Stale, self.stale),
            (NoteKind::Irrelevant, self.irrelevant),
            (NoteKind::None, self.none),
        ];
        let total: f64 = shares.iter().map(|(_, share)| share).sum();
        let mut end = 0.0;
        let mut last = NoteKind::Right;
        for (kind, share) in shares {
            end += share / total;
            if share > 0.0 {
                last = kind;
            }
            if place < end {
                return kind;
            }
        }
        // The ends may be rounded to less than 1.
        last
    }

    /// The rows with notes of these shares, and the kind of each. The choice follows from the seed and the
    /// number of the row.
    ///
    /// A row for which no other row has an irrelevant note gets none. Where the note does not apply, the
    /// update is not applied either: the tests of such a row run without its `setup`.
    pub fn mix(&self, rows: Vec<Migration>, seed: u64) -> Vec<(Migration, NoteKind)> {
        if self.is_plain() {
            let plain = rows.into_iter().map(|row| (row, NoteKind::Right));
            return plain.collect();
        }
        let notes: Vec<(String, String)> = rows
            .iter()
            .map(|row| (row.dependency.clone(), row.update_info.clone()))
            .collect();
        let mixed = rows.into_iter().enumerate().map(|(index, mut row)| {
            let mut draw = seed::stream(seed, "kinds of note", 0, index as u64);
            let mut kind = self.kind_at(draw.uniform());
            match kind {
                NoteKind::Right | NoteKind::Wrong => return (row, kind),
                NoteKind::Stale => row.update_info = stale(&row.update_info),
                NoteKind::Irrelevant => {
                    let start = draw.below(notes.len());
                    let others = notes.iter().cycle().skip(start).take(notes.len());
                    let mut fitting = others.filter(|(dependency, note)| {
                        *dependency != row.dependency && !mentions(note, &row.old_code)
                    });
                    match fitting.next() {
                        Some((_, note)) => row.update_info.clone_from(note),
                        None => kind = NoteKind::None,
                    }
                }
                NoteKind::None => {}
            }
            if kind == NoteKind::None {
                row.update_info.clear();
            }
            row.new_code.clone_from(&row.old_code);
            row.setup.clear();
            (row, kind)
        });
        mixed.collect()
    }
}

/// Whether a note has, between backticks, a dotted name whose last part the code has as a word.
fn mentions(note: &str, code: &str) -> bool {
    let words: BTreeSet<&str> = words(code).collect();
    let quoted = note.split('`').skip(1).step_by(2);
    let dotted = quoted.flat_map(|text| text.split(|letter: char| !is_of_path(letter)));
    let mut names = dotted.filter(|name| name.contains('.'));
    names.any(|name| {
        let last = name.rsplit('.').next();
        last.is_some_and(|last| words.contains(last))
    })
}

/// The words of a text or a program, names and others.
pub fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !is_of_word(letter))
        .filter(|word| !word.is_empty())
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn is_of_path(letter: char) -> bool {
    is_of_word(letter) || letter == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(index: usize) -> Migration {
        let module = ["math", "json", "re"][index % 3];
        Migration {
            dependency: module.to_owned(),
            new_version: "==2.0".to_owned(),
            description: String::new(),
            update_info: format!("`{module}.f{index}` was renamed to `{module}.g{index}`."),
            old_code: format!("import {module}\n\ndef run(a):\n    return {module}.f{index}(a)"),
            new_code: format!("import {module}\n\ndef run(a):\n    return {module}.g{index}(a)"),
            setup: "an update".to_owned(),
            tests: vec!["assert run(1)".to_owned()],
        }
    }

    #[test]
    fn all_right_is_the_data_as_it_is() {
        let rows: Vec<Migration> = (0..9).map(row).collect();
        for mix in [
            NoteMix::default(),
            NoteMix {
                right: 0.3,
                ..NoteMix::default()
            },
        ] {
            assert!(mix.is_plain());
            let mixed = mix.mix(rows.clone(), 1);
            let expected = rows.iter().map(|row| (row.clone(), NoteKind::Right));
            assert_eq!(mixed, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_target_follows_the_note_only_where_it_applies() {
        let rows: Vec<Migration> = (0..600).map(row).collect();
        let mix = NoteMix {
            right: 0.5,
            stale: 0.1,
            irrelevant: 0.2,
            none: 0.2,
        };
        let mixed = mix.mix(rows.clone(), 7);
        assert_eq!(mixed, mix.mix(rows.clone(), 7));
        assert_ne!(mixed, mix.mix(rows.clone(), 8));
        let mut counts = [0_usize; 5];
        for ((found, kind), row) in mixed.iter().zip(&rows) {
            counts[*kind as usize] += 1;
            let is_right = *kind == NoteKind::Right;
            assert_eq!(found.old_code, row.old_code);
            let target = if is_right {
                &row.new_code
            } else {
                &row.old_code
            };
            assert_eq!(
                (&found.new_code, found.setup.is_empty()),
                (target, !is_right)
            );
            let note = &found.update_info;
            match kind {
                NoteKind::Right => assert_eq!(note, &row.update_info),
                NoteKind::Stale => assert_eq!(*note, stale(&row.update_info)),
                NoteKind::Irrelevant => {
                    assert_ne!(note, &row.update_info);
                    assert!(!note.contains(&format!("`{}.", row.dependency)), "{note}");
                    assert!(rows.iter().any(|other| other.update_info == *note));
                }
                NoteKind::None => assert_eq!(note, ""),
                NoteKind::Wrong => panic!("there are no wrong notes in training"),
            }
        }
        // Of 600 draws the deviation of a share of a half is 12, of a tenth 7.
        for (count, expected) in counts.into_iter().zip([300_usize, 60, 0, 120, 120]) {
            assert!(count.abs_diff(expected) < 45, "{counts:?}");
        }
    }

    #[test]
    fn a_row_without_another_note_gets_none() {
        let only = NoteMix {
            right: 0.0,
            irrelevant: 1.0,
            ..NoteMix::default()
        };
        // Both are about `math`, and the third uses what the note of the first is about.
        let mut third = row(1);
        third.old_code.push_str("\nf0 = 1");
        for rows in [vec![row(0), row(3)], vec![third, row(0)]] {
            let mixed = only.mix(rows, 1);
            assert_eq!(mixed[0].1, NoteKind::None);
            assert_eq!(mixed[0].0.update_info, "");
        }
    }
}
