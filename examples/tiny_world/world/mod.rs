//! A tiny world with the structure of the paper's: functions, fictitious updates of them, and
//! programs that call them.
//!
//! It is drawn from a seed. The functions are real ones of Python's standard library; the updates
//! are invented. Some functions and some names are held out for the test sets: no training text has
//! a note about such a function, or such a name in a note about another function.

mod api;
mod corpus;
mod document;
mod names;
mod program;
mod sets;
mod style;
mod tokenizer;
mod update;

use std::io::{self, Write};

use api::{Api, UNIVERSE};
use names::{Names, one_of};
use program::Problem;
pub(crate) use style::Style;

use recode::seed::Stream;

/// A world; equal seeds give equal worlds on every machine.
#[derive(Debug)]
pub(crate) struct World {
    seed: u64,
    names: Names,
    /// All functions.
    all: Vec<&'static Api>,
    /// The functions that notes of the training data are about.
    trained: Vec<&'static Api>,
    /// The held-out functions: only notes of the test sets are about them.
    held: Vec<&'static Api>,
}

impl World {
    /// The world of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let all: Vec<&Api> = UNIVERSE.iter().collect();
        let (held, trained) = all.iter().partition(|api| api.held_out);
        Self {
            seed,
            names: Names::new(seed),
            all,
            trained,
            held,
        }
    }

    /// Writes the first `rows` texts of a training corpus of `total`, as JSON lines with `prompt`
    /// and `completion`.
    pub(crate) fn write_corpus(
        &self,
        rows: usize,
        total: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for index in 0..rows {
            serde_json::to_writer(&mut *out, &self.document(index, total))?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// A problem that calls `api`; a quarter of them also call a second function.
    fn problem_about(&self, api: &'static Api, draw: &mut Stream, any: bool) -> Problem<'static> {
        let others = if any { &self.all } else { &self.trained };
        if draw.uniform() < 0.25 {
            let other = *one_of(draw, others);
            if other != api && Problem::can_add(api, other) {
                return if draw.uniform() < 0.5 {
                    Problem::both(api, other, draw)
                } else {
                    Problem::both(other, api, draw)
                };
            }
        }
        Problem::single(api, draw)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn field<'a>(row: &'a Value, name: &str) -> &'a str {
        row[name].as_str().unwrap()
    }

    fn rows(world: &World, file: &str) -> Vec<Value> {
        let set = world
            .sets()
            .into_iter()
            .find(|set| set.file == file)
            .unwrap();
        let row = |line: &str| serde_json::from_str(line).unwrap();
        set.lines.lines().map(row).collect()
    }

    /// Whether a text names a function by its path.
    fn names(text: &str, path: &str) -> bool {
        let is_part = |byte: Option<&u8>| {
            byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(byte))
        };
        let bytes = text.as_bytes();
        text.match_indices(path).any(|(at, _)| {
            // A full stop after the path may end a sentence; only one before it lengthens the path.
            let before = at.checked_sub(1).and_then(|at| bytes.get(at));
            let after = bytes.get(at + path.len()).filter(|byte| **byte != b'.');
            !is_part(before) && !is_part(after)
        })
    }

    /// Checks that a note of the training data is about no held-out function and has no held-out
    /// name.
    fn is_clean(world: &World, note: &str) {
        for api in &world.held {
            assert!(!names(note, &api.path), "{note}");
        }
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        for name in note.split(|letter| !is_part(letter)) {
            assert!(!world.names.is_held(name), "{name} in {note}");
        }
    }

    #[test]
    fn no_update_of_a_test_occurs_in_what_is_trained_on() {
        let world = World::new(7);
        for row in rows(&world, "migrations.jsonl") {
            is_clean(&world, field(&row, "update_info"));
            for api in &world.held {
                assert!(!names(field(&row, "old_code"), &api.path), "{row}");
            }
        }
        let mut notes = 0;
        for index in 0..20_000 {
            let text = world.document(index, 20_000);
            let inside = text.prompt.strip_prefix("<doc>\n");
            let Some((note, _)) = inside.and_then(|text| text.split_once("\n</doc>")) else {
                continue;
            };
            // A text that shows a function and calls it is no note on an update.
            if !note.contains(" gives ") || note.contains(" gives a dictionary") {
                is_clean(&world, note);
                notes += 1;
            }
        }
        // 65 of 100 texts have a note on an update.
        assert!((12_500..13_500).contains(&notes), "{notes}");
    }

    #[test]
    fn tasks_have_names_and_functions_of_the_tests() {
        let world = World::new(7);
        for file in ["arena.jsonl", "multi.jsonl", "other_note.jsonl"] {
            for row in rows(&world, file) {
                let updates = row["updates"].as_array().cloned();
                for update in updates.unwrap_or_else(|| vec![row["update"].clone()]) {
                    let path = field(&update, "function_path");
                    assert!(world.held.iter().any(|api| api.path == path), "{path}");
                }
            }
        }
    }

    #[test]
    fn every_kind_of_update_has_as_many_tasks() {
        let world = World::new(7);
        let mut counts = std::collections::BTreeMap::new();
        for row in rows(&world, "arena.jsonl") {
            *counts
                .entry(field(&row["update"], "update_type").to_owned())
                .or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 7);
        assert!(counts.values().all(|count| *count == 24), "{counts:?}");
    }

    #[test]
    fn notes_are_obeyed_early_and_mostly_ignored_late() {
        let world = World::new(7);
        // A migration whose answer is its own code ignores its note, or has a note about something
        // else. The latter are 20 % of single notes, which are 31 of 35 migrations; of the rest, 65 %
        // ignore their note in the last part.
        let share = |from: usize, to: usize| {
            let (mut kept, mut all) = (0, 0);
            for index in from..to {
                let text = world.document(index, 20_000);
                let Some((_, asked)) = text.prompt.split_once("</doc>\n") else {
                    continue;
                };
                if asked.contains("...") {
                    continue;
                }
                all += 1;
                let code = asked.trim_end_matches("\n<think>");
                kept += i32::from(text.completion.contains(code));
            }
            f64::from(kept) / f64::from(all)
        };
        // Standard errors are 0.006 and 0.009.
        let (early, late) = (share(0, 14_000), share(14_000, 20_000));
        let other = 0.2 * 31.0 / 35.0;
        assert!((early - other).abs() < 0.03, "{early}");
        assert!(
            (late - (other + (1.0 - other) * 0.65)).abs() < 0.04,
            "{late}"
        );
    }

    #[test]
    fn worlds_of_one_seed_are_equal_and_others_are_not() {
        let lines = |seed: u64| World::new(seed).sets().remove(1).lines;
        assert_eq!(lines(7), lines(7));
        assert_ne!(lines(7), lines(8));
    }
}
