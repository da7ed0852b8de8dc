//! The texts that settings come from (files, the environment, the command line), and places in them.

use std::ops::Range;

/// A stretch of the text of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::spec) struct Place {
    pub(in crate::spec) source: usize,
    pub(in crate::spec) start: usize,
    pub(in crate::spec) end: usize,
}

impl Place {
    pub(in crate::spec) fn span(self) -> Range<usize> {
        self.start..self.end
    }
}

/// What kind of layer a text belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::spec) enum Kind {
    /// `src/spec/defaults.toml`.
    Defaults,
    /// A file, and the place of the `include` that named it.
    File { included_from: Option<Place> },
    /// A variable of the environment.
    Environment,
    /// A `--set` of the command line.
    CommandLine,
}

/// A text with settings.
#[derive(Clone, Debug)]
pub(in crate::spec) struct Source {
    /// Its name in messages.
    pub(in crate::spec) name: String,
    pub(in crate::spec) text: String,
    pub(in crate::spec) kind: Kind,
}

impl Source {
    pub(in crate::spec) fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File { .. })
    }
}

/// All texts that were read for one experiment.
#[derive(Clone, Debug, Default)]
pub(in crate::spec) struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text and returns its number.
    pub(in crate::spec) fn add(&mut self, source: Source) -> usize {
        self.0.push(source);
        self.0.len() - 1
    }

    pub(in crate::spec) fn set_text(&mut self, source: usize, text: String) {
        self.0[source].text = text;
    }

    pub(in crate::spec) fn get(&self, source: usize) -> &Source {
        &self.0[source]
    }

    /// The names of the files, the spec first; those that were included have the name by which they were read.
    pub(in crate::spec) fn files(&self) -> impl Iterator<Item = &str> {
        let files = self.0.iter().filter(|source| source.is_file());
        files.map(|source| source.name.as_str())
    }

    /// The text at a place; empty if the place is not within the text.
    pub(in crate::spec) fn text(&self, place: Place) -> &str {
        self.get(place.source)
            .text
            .get(place.span())
            .unwrap_or_default()
    }

    /// The line and the column (in characters) where a place begins, from 1.
    pub(in crate::spec) fn line_and_column(&self, place: Place) -> (usize, usize) {
        let text = &self.get(place.source).text;
        let before = text.get(..place.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        (line, column)
    }

    /// A place in words: `experiments/x.toml:17:22`, `command line: --set run.slots=2`.
    pub(in crate::spec) fn describe(&self, place: Place) -> String {
        let source = self.get(place.source);
        match source.kind {
            Kind::Environment => format!("environment: {}", source.text),
            Kind::CommandLine => format!("command line: --set {}", source.text),
            Kind::Defaults | Kind::File { .. } if source.text.is_empty() => source.name.clone(),
            Kind::Defaults | Kind::File { .. } => {
                let (line, column) = self.line_and_column(place);
                format!("{}:{line}:{column}", source.name)
            }
        }
    }

    /// The files that include the source of `place`, nearest first, as `path:line`.
    pub(in crate::spec) fn includers(&self, place: Place) -> Vec<String> {
        let mut includers = Vec::new();
        let mut source = self.get(place.source);
        while let Kind::File {
            included_from: Some(place),
        } = source.kind
        {
            source = self.get(place.source);
            includers.push(format!("{}:{}", source.name, self.line_and_column(place).0));
        }
        includers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str, included_from: Option<Place>) -> Source {
        Source {
            name: name.into(),
            text: text.into(),
            kind: Kind::File { included_from },
        }
    }

    #[test]
    fn lines_and_columns_count_from_one_and_columns_in_characters() {
        let mut sources = Sources::default();
        let source = sources.add(file("a.toml", "é = 1\nüü = 2\n", None));

        let place = |start| Place {
            source,
            start,
            end: start,
        };
        assert_eq!(sources.line_and_column(place(0)), (1, 1));
        assert_eq!(sources.line_and_column(place(3)), (1, 3));
        assert_eq!(sources.line_and_column(place(12)), (2, 4));
        assert_eq!(sources.describe(place(12)), "a.toml:2:4");
        // A place past the end is a bug of the caller, but no reason to fall over.
        assert_eq!(sources.line_and_column(place(99)).0, 3);
    }

    #[test]
    fn includers_are_listed_from_the_nearest_outwards() {
        let mut sources = Sources::default();
        let top = sources.add(file("top.toml", "\ninclude = []", None));
        let at = Place {
            source: top,
            start: 1,
            end: 8,
        };
        let middle = sources.add(file("middle.toml", "include = []", Some(at)));
        let at = Place {
            source: middle,
            start: 0,
            end: 7,
        };
        let leaf = sources.add(file("leaf.toml", "x = 1", Some(at)));

        let place = Place {
            source: leaf,
            start: 0,
            end: 1,
        };
        assert_eq!(sources.includers(place), ["middle.toml:1", "top.toml:2"]);
    }
}
