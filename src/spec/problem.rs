//! Mistakes and warnings, and how they are shown: the line, the caret, what to write instead.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};

use super::{
    code::Code,
    read::source::{Kind, Place, Sources},
};

/// One mistake, or one warning.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) title: String,
    pub(super) place: Place,
    /// The text next to the caret.
    label: String,
    /// Another place that matters, with the text next to it.
    also: Option<(Place, String)>,
    help: Option<Help>,
}

#[derive(Clone, Debug)]
struct Help {
    message: String,
    patch: Option<(Place, String)>,
}

impl Problem {
    /// A mistake at a place, with a title and the text next to the caret.
    pub(super) fn new(
        code: Code,
        place: Place,
        title: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            code,
            title: title.into(),
            place,
            label: label.into(),
            also: None,
            help: None,
        }
    }

    /// Adds what to do about it.
    pub(super) fn help(mut self, message: impl Into<String>) -> Self {
        self.help = Some(Help {
            message: message.into(),
            patch: None,
        });
        self
    }

    /// Adds what to write instead of the text at `place`.
    pub(super) fn replace(
        mut self,
        place: Place,
        text: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.help = Some(Help {
            message: message.into(),
            patch: Some((place, text.into())),
        });
        self
    }

    /// Adds another place.
    pub(super) fn also(mut self, place: Place, label: impl Into<String>) -> Self {
        self.also = Some((place, label.into()));
        self
    }

    /// The text for a person, with colours if `styled`.
    pub(super) fn render(&self, sources: &Sources, styled: bool) -> String {
        let renderer = if styled {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let level = if self.code.is_warning() {
            Level::WARNING
        } else {
            Level::ERROR
        };
        let title = level
            .primary_title(self.title.as_str())
            .id(self.code.name());
        let mut main = Group::with_title(title);
        let mut groups = Vec::new();
        let has_lines = has_lines(sources, self.place);
        if has_lines {
            main = self.with_lines(main, sources);
        } else {
            main = main
                .element(Origin::path(sources.describe(self.place)))
                .element(Level::NOTE.message(self.label.as_str()));
        }
        if let Some((place, label)) = &self.also
            && !(has_lines && place.source == self.place.source)
        {
            let note = format!("{label}: {}", sources.describe(*place));
            main = main.element(Level::NOTE.message(note));
        }
        for includer in sources.includers(self.place) {
            main = main.element(Level::NOTE.message(format!("included from {includer}")));
        }
        if let Some(help) = &self.help {
            match &help.patch {
                Some((place, text)) if has_lines && place.source == self.place.source => {
                    groups.push(
                        Group::with_title(Level::HELP.secondary_title(&help.message)).element(
                            Snippet::source(sources.get(place.source).text.as_str())
                                .path(sources.get(place.source).name.as_str())
                                .patch(Patch::new(place.span(), text.as_str())),
                        ),
                    );
                }
                _ => main = main.element(Level::HELP.message(help.message.as_str())),
            }
        }
        groups.insert(0, main);
        renderer.render(&groups)
    }

    fn with_lines<'a>(&'a self, group: Group<'a>, sources: &'a Sources) -> Group<'a> {
        let source = sources.get(self.place.source);
        let main = AnnotationKind::Primary
            .span(self.place.span())
            .label(self.label.as_str());
        let mut snippet = Snippet::source(source.text.as_str()).path(source.name.as_str());
        snippet = snippet.annotation(main);
        if let Some((place, label)) = &self.also
            && place.source == self.place.source
        {
            let other = AnnotationKind::Context
                .span(place.span())
                .label(label.as_str());
            snippet = snippet.annotation(other);
        }
        group.element(snippet)
    }
}

fn has_lines(sources: &Sources, place: Place) -> bool {
    let source = sources.get(place.source);
    let is_file = matches!(source.kind, Kind::Defaults | Kind::File { .. });
    is_file && !source.text.is_empty()
}

/// The texts of problems. The spec itself comes first, then what it includes; the environment and the command
/// line come last.
fn details(problems: &[Problem], sources: &Sources, styled: bool) -> String {
    let mut problems: Vec<&Problem> = problems.iter().collect();
    problems.sort_by_key(|problem| (problem.place, problem.code));
    let texts = problems
        .iter()
        .map(|problem| problem.render(sources, styled));
    texts.map(|text| text + "\n").collect::<Vec<_>>().join("\n")
}

/// What is odd about an experiment that can be run.
#[derive(Debug)]
pub struct Warnings {
    pub(super) sources: Sources,
    pub(super) problems: Vec<Problem>,
}

impl Warnings {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The text of every warning for a person, with colours if `styled`.
    pub fn details(&self, styled: bool) -> String {
        details(&self.problems, &self.sources, styled)
    }
}

/// Every mistake of one experiment.
#[derive(Debug)]
pub struct Mistakes {
    pub(super) file: String,
    pub(super) sources: Sources,
    pub(super) problems: Vec<Problem>,
}

impl Mistakes {
    /// Their number.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// The text of every mistake for a person, with colours if `styled`.
    pub fn details(&self, styled: bool) -> String {
        details(&self.problems, &self.sources, styled)
    }

    /// The name of the spec and the number of its mistakes.
    pub fn summary(&self) -> String {
        match self.problems.len() {
            1 => format!("{}: 1 problem", self.file),
            count => format!("{}: {count} problems", self.file),
        }
    }
}

impl std::fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}\n{}", self.details(false), self.summary())
    }
}

impl std::error::Error for Mistakes {}
