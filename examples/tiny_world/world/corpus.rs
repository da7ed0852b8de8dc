//! The texts that the tiny base model learns from.
//!
//! They make it resemble the paper's models: able to follow a note, but used to the old functions.
//! At first every note is obeyed; later most are ignored, as if the old function still existed.
//! Notes on held-out functions never occur.

use super::{
    World,
    document::{Document, answer, careless_answer, prompt, updated},
    names::one_of,
    program::{Problem, Written, plain},
    update::{Kind, Update},
};
use recode::seed::{Stream, stream};

/// The part of a corpus in which every note is obeyed.
const OBEDIENT_PART: f64 = 0.7;
/// The share of notes that are obeyed afterwards.
const LATE_OBEDIENCE: f64 = 0.35;
/// The share of answers that break the format afterwards.
const LATE_CARELESSNESS: f64 = 0.1;
/// The share of notes about a function that the program does not call.
const OTHER_NOTES: f64 = 0.2;
/// The share of answers that begin with a thought.
const THOUGHTS: f64 = 0.5;

impl World {
    /// Text number `index` of a corpus of `total`.
    pub(super) fn document(&self, index: usize, total: usize) -> Document {
        let mut draw = stream(self.seed, "world corpus", 0, index as u64);
        let is_late = index as f64 >= OBEDIENT_PART * total as f64;
        let is_careless = draw.uniform() < LATE_CARELESSNESS && is_late;
        let obeys = draw.uniform() < LATE_OBEDIENCE || !is_late;
        let kind = draw.uniform();
        let (prompt, thought, code) = if kind < 0.31 {
            self.noted(&mut draw, obeys, true)
        } else if kind < 0.57 {
            self.noted(&mut draw, obeys, false)
        } else if kind < 0.61 {
            self.twice_noted(&mut draw, obeys, true)
        } else if kind < 0.65 {
            self.twice_noted(&mut draw, obeys, false)
        } else if kind < 0.85 {
            self.unnoted(&mut draw)
        } else {
            self.helped(&mut draw)
        };
        let thought = if draw.uniform() < THOUGHTS {
            thought
        } else {
            String::new()
        };
        let completion = if is_careless {
            careless_answer(&thought, &code)
        } else {
            answer(&thought, &code)
        };
        Document { prompt, completion }
    }

    /// A note, and a program to migrate or to write.
    fn noted(&self, draw: &mut Stream, obeys: bool, migrates: bool) -> (String, String, String) {
        if draw.uniform() < OTHER_NOTES {
            let problem = self.problem(draw, false);
            let update = loop {
                let update = self.training_update(draw);
                if !problem.apis.contains(&update.api) {
                    break update;
                }
            };
            let code = problem.code(&plain);
            let asked = if migrates {
                code.clone()
            } else {
                problem.frame()
            };
            return (
                prompt(Some(&update.note()), &asked),
                thought(&problem, &[]),
                code,
            );
        }
        let update = self.training_update(draw);
        let problem = self.problem_about(update.api, draw, false);
        let updates = [&update];
        let heeded = if obeys { &updates[..] } else { &[] };
        let code = updated(&problem, heeded);
        let asked = if migrates {
            problem.code(&plain)
        } else {
            problem.frame()
        };
        (
            prompt(Some(&update.note()), &asked),
            thought(&problem, heeded),
            code,
        )
    }

    /// Two notes, and a program that calls both functions, to migrate or to write.
    fn twice_noted(
        &self,
        draw: &mut Stream,
        obeys: bool,
        migrates: bool,
    ) -> (String, String, String) {
        let (first, second) = loop {
            let updates = (self.training_update(draw), self.training_update(draw));
            let (one, other) = (updates.0.api, updates.1.api);
            if one != other && Problem::can_add(one, other) {
                break updates;
            }
        };
        let problem = Problem::both(first.api, second.api, draw);
        let updates = [&first, &second];
        let heeded = if obeys { &updates[..] } else { &[] };
        let asked = if migrates {
            problem.code(&plain)
        } else {
            problem.frame()
        };
        let notes = format!("{}\n\n{}", first.note(), second.note());
        (
            prompt(Some(&notes), &asked),
            thought(&problem, heeded),
            updated(&problem, heeded),
        )
    }

    /// A program to write, without a note.
    fn unnoted(&self, draw: &mut Stream) -> (String, String, String) {
        let problem = self.problem(draw, true);
        let code = problem.code(&plain);
        (prompt(None, &problem.frame()), thought(&problem, &[]), code)
    }

    /// A text that shows a call of an unknown function and asks for a program that makes it; it is
    /// always obeyed.
    fn helped(&self, draw: &mut Stream) -> (String, String, String) {
        let (module, function) = (self.names.any(draw), self.names.any(draw));
        let problem = self.problem(draw, true);
        let (api, name) = (problem.apis[0], format!("{module}.{function}"));
        let keyword = (draw.uniform() < 0.5).then(|| self.names.any(draw));
        let value = draw.below(10);
        let write = |called: &super::api::Api, arguments: &[&str]| {
            if called != api {
                return plain(called, arguments);
            }
            let mut given: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
            given.extend(keyword.as_ref().map(|keyword| format!("{keyword}={value}")));
            Written {
                module: module.clone(),
                call: format!("{name}({})", given.join(", ")),
            }
        };
        let words: Vec<&str> = api.parameters.iter().map(String::as_str).collect();
        let example = write(api, &words).call;
        let note = format!("`{example}` gives {}.", api.in_words(&words));
        let code = problem.code(&write);
        let thought = write(api, &words).call;
        (prompt(Some(&note), &problem.frame()), thought, code)
    }

    fn training_update(&self, draw: &mut Stream) -> Update<'static> {
        loop {
            let kind = *one_of(draw, &Kind::ALL);
            let api = *one_of(draw, &self.trained);
            if kind.fits(api) {
                return Update::draw(api, kind, &self.names, false, draw);
            }
        }
    }

    /// A problem about any function, or only about one that may have notes in the training data.
    fn problem(&self, draw: &mut Stream, any: bool) -> Problem<'static> {
        let api = *one_of(draw, if any { &self.all } else { &self.trained });
        self.problem_about(api, draw, any)
    }
}

/// The thought before the program: its first call.
fn thought(problem: &Problem<'_>, updates: &[&Update<'_>]) -> String {
    let api = problem.apis[0];
    let words: Vec<&str> = api.parameters.iter().map(String::as_str).collect();
    match updates.iter().find(|update| update.api == api) {
        Some(update) => update.call(&words),
        None => plain(api, &words).call,
    }
}
