//! The style of a training target: what the program does is one thing, how it is written another.
//!
//! The base model has learned programs of one style. Targets in that style are in its own words; in
//! another they are as far from what it would write as the answers of one large model are from another's.

use clap::ValueEnum;
use recode::seed::Stream;

use super::{
    api::Api,
    names::one_of,
    program::{Problem, Shape, Written},
};

/// How targets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Style {
    /// As the base model has learned it.
    Own,
    /// Its own, but for a comment above the first statement.
    Comments,
    /// Its own, but for a docstring.
    Docstrings,
    /// Its own, but for the names of intermediate results.
    Names,
    /// Other names, and each result has one; lists are built by loops.
    Light,
    /// Drawn for each row.
    Mixed,
    /// Another style in everything, the same for all rows.
    Fixed,
}

impl Style {
    /// All styles, from few changes to many.
    pub(crate) const ALL: [Self; 7] = [
        Self::Own,
        Self::Comments,
        Self::Docstrings,
        Self::Names,
        Self::Light,
        Self::Mixed,
        Self::Fixed,
    ];

    /// The file of the migrations in this style.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Own => "migrations.jsonl",
            Self::Comments => "migrations_comments.jsonl",
            Self::Docstrings => "migrations_docstrings.jsonl",
            Self::Names => "migrations_names.jsonl",
            Self::Light => "migrations_light.jsonl",
            Self::Mixed => "migrations_mixed.jsonl",
            Self::Fixed => "migrations_fixed.jsonl",
        }
    }

    /// What is chosen for a row; nothing in the base model's own style.
    pub(super) fn choices(self, draw: &mut Stream) -> Option<Choices> {
        match self {
            Self::Own => None,
            Self::Comments => Some(Choices {
                comment: Some(*one_of(draw, COMMENTS.as_slice())),
                ..Choices::plain()
            }),
            Self::Docstrings => Some(Choices {
                docstring: Some(*one_of(draw, DOCSTRINGS.as_slice())),
                ..Choices::plain()
            }),
            Self::Names => Some(Choices {
                names: Some(OTHER_NAMES),
                ..Choices::plain()
            }),
            Self::Light => Some(Choices {
                names: Some(OTHER_NAMES),
                is_assigned: true,
                is_loop: true,
                ..Choices::plain()
            }),
            Self::Mixed => Some(Choices::drawn(draw)),
            Self::Fixed => Some(Choices {
                names: Some(OTHER_NAMES),
                is_assigned: true,
                is_loop: true,
                imports_names: false,
                docstring: Some("Return the result."),
                comment: None,
                has_single_quotes: true,
                blank_lines: 2,
            }),
        }
    }
}

const OTHER_NAMES: [&str; 3] = ["output", "total", "item_result"];
const NAMES: [&str; 10] = [
    "output",
    "tmp",
    "res",
    "answer_value",
    "ret",
    "total",
    "current",
    "data",
    "final",
    "x1",
];
const DOCSTRINGS: [&str; 4] = [
    "Return the result.",
    "Compute the value.",
    "Helper.",
    "See the release notes.",
];
const COMMENTS: [&str; 4] = [
    "# new API",
    "# call the library",
    "# compute",
    "# updated call",
];

/// The style of one program.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(super) struct Choices {
    /// Names of intermediate results, if they are not the program's own.
    names: Option<[&'static str; 3]>,
    /// Whether the returned value has a name first.
    is_assigned: bool,
    /// Whether a list is built by a loop.
    is_loop: bool,
    /// Whether functions are imported by name.
    imports_names: bool,
    docstring: Option<&'static str>,
    /// A comment above the first statement.
    comment: Option<&'static str>,
    /// Whether texts have single quotes.
    has_single_quotes: bool,
    /// Blank lines between imports and function.
    blank_lines: usize,
}

impl Choices {
    /// The base model's own style.
    fn plain() -> Self {
        Self {
            names: None,
            is_assigned: false,
            is_loop: false,
            imports_names: false,
            docstring: None,
            comment: None,
            has_single_quotes: false,
            blank_lines: 1,
        }
    }

    fn drawn(draw: &mut Stream) -> Self {
        let mut names = NAMES.to_vec();
        draw.shuffle(&mut names);
        let mut chance = |share: f64| draw.uniform() < share;
        let (is_assigned, is_loop, imports_names) = (chance(0.7), chance(0.6), chance(0.3));
        let (has_docstring, has_comment) = (chance(0.3), chance(0.3));
        let has_single_quotes = chance(0.5);
        Self {
            names: Some([names[0], names[1], names[2]]),
            is_assigned,
            is_loop,
            imports_names,
            docstring: has_docstring.then(|| *one_of(draw, DOCSTRINGS.as_slice())),
            comment: has_comment.then(|| *one_of(draw, &COMMENTS)),
            has_single_quotes,
            blank_lines: 1 + draw.below(2),
        }
    }
}

impl Problem<'_> {
    /// The program in another style than its own, with each call and its module as `write` returns them.
    pub(super) fn code_in(
        &self,
        style: &Choices,
        write: &dyn Fn(&Api, &[&str]) -> Written,
    ) -> String {
        let calls = self.apis.iter().zip(&self.variables);
        let calls = calls.map(|(api, variables)| write(api, variables));
        let mut calls: Vec<Written> = calls.collect();
        let names = style.names.unwrap_or(self.own_names());
        let imports = self.imports(style, &names, &mut calls);
        let [first, second, third] = names;
        let (one, two) = (&calls[0].call, calls.get(1).map(|call| &call.call));
        let mut body: Vec<String> = Vec::new();
        let ending = |value: &str| self.finish.python.replace("{}", value);
        let returned = match (self.shape, two) {
            (Shape::Plain, _) if !style.is_assigned => ending(one),
            (Shape::Plain | Shape::Named, _) => {
                body.push(format!("{first} = {one}"));
                ending(first)
            }
            (Shape::Each, _) => {
                let item = self.variables[0][0];
                if style.is_loop {
                    body.push(format!("{first} = []"));
                    body.push(format!("for {item} in items:"));
                    body.push(format!("    {first}.append({one})"));
                    first.to_owned()
                } else {
                    format!("[{one} for {item} in items]")
                }
            }
            (Shape::Both | Shape::BothNamed, Some(two)) => {
                if style.is_assigned || self.shape == Shape::BothNamed {
                    body.push(format!("{first} = {one}"));
                    body.push(format!("{second} = {two}"));
                    format!("{first} + {second}")
                } else {
                    format!("{one} + {two}")
                }
            }
            (Shape::Both | Shape::BothNamed, None) => one.clone(),
        };
        // One name for the whole, if that is not a name already.
        if style.is_assigned && returned != *first {
            body.push(format!("{third} = {returned}"));
            body.push(format!("return {third}"));
        } else {
            body.push(format!("return {returned}"));
        }
        let comment = style.comment.map(str::to_owned);
        let docstring = style.docstring.map(|text| format!("\"\"\"{text}\"\"\""));
        let lines = docstring.into_iter().chain(comment).chain(body);
        let lines: Vec<String> = lines.map(|line| format!("    {line}")).collect();
        let text = format!(
            "{imports}{}{}\n{}",
            "\n".repeat(style.blank_lines + 1),
            self.signature(),
            lines.join("\n")
        );
        if style.has_single_quotes {
            in_single_quotes(&text)
        } else {
            text
        }
    }

    /// The imports; with names, the calls lose their modules, unless a name of the program is in the way.
    fn imports(&self, style: &Choices, names: &[&str], calls: &mut [Written]) -> String {
        let mut lines: Vec<String> = Vec::new();
        let used = self.variables.concat();
        let mut taken = vec![self.function().to_owned(), "items".to_owned()];
        taken.extend(used.iter().chain(names).map(|&name| name.to_owned()));
        for call in calls {
            let rest = call.call.strip_prefix(&format!("{}.", call.module));
            let name = rest.and_then(|rest| rest.split('(').next());
            match (name, rest) {
                // Two modules may have a function of the same name.
                (Some(name), Some(rest))
                    if style.imports_names && !taken.iter().any(|one| one == name) =>
                {
                    taken.push(name.to_owned());
                    lines.push(format!("from {} import {name}", call.module));
                    call.call = rest.to_owned();
                }
                _ => lines.push(format!("import {}", call.module)),
            }
        }
        lines.sort_unstable();
        lines.dedup();
        lines.join("\n")
    }
}

/// A program whose texts have single quotes, except docstrings.
fn in_single_quotes(program: &str) -> String {
    let lines = program.lines().map(|line| {
        if line.contains("\"\"\"") || line.contains('\'') {
            line.to_owned()
        } else {
            line.replace('"', "'")
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{api::UNIVERSE, program::plain};
    use recode::seed::stream;

    #[test]
    fn the_fixed_style_is_written_as_here() {
        // Oracle: written by hand.
        let api = UNIVERSE.iter().find(|api| api.path == "math.sqrt").unwrap();
        let mut draw = stream(7, "test", 0, 0);
        let style = Style::Fixed.choices(&mut draw).unwrap();
        let mut problem = Problem::single(api, &mut draw);
        problem.shape = Shape::Each;
        let (name, item) = (problem.function(), problem.variables[0][0]);

        assert_eq!(
            problem.code_in(&style, &plain),
            format!(
                "import math\n\n\ndef {name}(items):\n    \"\"\"Return the result.\"\"\"\n    output = \
                 []\n    for {item} in items:\n        output.append(math.sqrt({item}))\n    return output"
            )
        );
    }

    #[test]
    fn the_own_style_chooses_nothing_and_the_mixed_one_varies() {
        let mut draw = stream(7, "test", 0, 0);
        assert!(Style::Own.choices(&mut draw).is_none());
        let mixed: Vec<Choices> = (0..200)
            .filter_map(|_| Style::Mixed.choices(&mut draw))
            .collect();
        assert_eq!(mixed.len(), 200);
        for differs in [
            (|one| one.is_assigned) as fn(&Choices) -> bool,
            |one| one.is_loop,
            |one| one.imports_names,
            |one| one.docstring.is_some(),
            |one| one.comment.is_some(),
            |one| one.has_single_quotes,
            |one| one.blank_lines == 2,
        ] {
            let count = mixed.iter().filter(|one| differs(one)).count();
            assert!((30..180).contains(&count), "{count}");
        }
    }
}
