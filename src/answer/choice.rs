//! The code of an answer that a task wants.

use std::{cell::OnceCell, collections::BTreeSet};

use super::{
    blocks::{Block, blocks},
    label::Language,
    parts::{marked, spoken},
    program::{binds, dedented, longest_program, parses},
};

/// A model's answer, in which tasks look for code.
///
/// The text after the thinking counts; of it, what is marked by `<answer>`, if there is code.
#[derive(Debug)]
pub struct Answer {
    marked: Vec<Part>,
    whole: Part,
    /// The text from an earlier end of the thinking on, which counts if the later one lacks what is wanted.
    earlier: Option<Box<Self>>,
}

/// A text, whose blocks are found when they are needed.
#[derive(Debug)]
struct Part {
    text: String,
    blocks: OnceCell<Vec<Block>>,
}

/// Code that may be chosen.
#[derive(Debug)]
struct Candidate {
    code: String,
    /// What is preferred: later is better.
    rank: Rank,
}

/// How well code fits: that it binds the names that are wanted counts first, then its label, then its syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    binds: bool,
    language: Language,
    parses: bool,
}

impl Answer {
    /// Reads what a model wrote.
    pub fn read(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let (spoken, earlier) = spoken(&text);
        Self {
            earlier: earlier.map(|earlier| Box::new(Self::of_spoken(earlier))),
            ..Self::of_spoken(spoken)
        }
    }

    fn of_spoken(spoken: &str) -> Self {
        Self {
            marked: marked(spoken).into_iter().map(Part::new).collect(),
            whole: Part::new(spoken),
            earlier: None,
        }
    }

    /// The fenced code that fits best: the first of those that bind all wanted names, else the first in Python, else the
    /// first without a label. Code with another label must bind the names.
    ///
    /// `wanted` is asked only if there is a choice. An empty fence is empty code if there is no other.
    pub fn fenced(&self, wanted: impl FnOnce() -> BTreeSet<String>) -> Option<String> {
        let Some(earlier) = &self.earlier else {
            return self.own_fenced(wanted);
        };
        let wanted = wanted();
        let own = self.own_fenced(|| wanted.clone());
        let other = || earlier.own_fenced(|| wanted.clone());
        first_that_binds(own, other, &wanted)
    }

    fn own_fenced(&self, wanted: impl FnOnce() -> BTreeSet<String>) -> Option<String> {
        let mut fences = self
            .fences()
            .filter(|block| block.language != Language::Markdown);
        if let (Some(only), None) = (fences.next(), fences.next())
            && matches!(only.language, Language::Python | Language::Plain)
            && !only.code.starts_with([' ', '\t'])
        {
            return Some(only.code.clone());
        }
        if self.fences().next().is_some() {
            return self.best(&wanted()).map(|best| best.code);
        }
        let is_empty = |block: &Block| block.is_fenced && block.language == Language::Python;
        self.blocks().any(is_empty).then(String::new)
    }

    /// The code that binds `wanted`, or that fits best: the text if it is Python, fenced code, or the longest part of the
    /// text that is Python.
    pub fn code(&self, wanted: &str) -> Option<String> {
        let wanted = names(wanted);
        let other = || self.earlier.as_ref()?.own_code(&wanted);
        first_that_binds(self.own_code(&wanted), other, &wanted)
    }

    fn own_code(&self, wanted: &BTreeSet<String>) -> Option<String> {
        if let Some(part) = self.parts().find(|part| binds(&part.text, wanted)) {
            return Some(part.text.clone());
        }
        let fenced = self.best(wanted);
        // Fenced code that is whole may be an example of the use of code that has no fence.
        if fenced
            .as_ref()
            .is_none_or(|best| !best.rank.binds && best.rank.parses)
        {
            let mut programs = self.parts().map(|part| longest_program(&part.text));
            if let Some(program) = programs.find(|program| binds(program, wanted)) {
                return Some(program);
            }
        }
        let mut texts = self.parts().map(|part| &part.text);
        let is_python = |text: &&String| !text.trim().is_empty() && parses(text);
        fenced
            .map(|best| best.code)
            .or_else(|| texts.find(is_python).cloned())
    }

    /// All texts that may have the code that binds `wanted`, the likelier ones first.
    pub fn sources(&self, wanted: &str) -> Vec<String> {
        self.sources_of(&names(wanted))
    }

    fn sources_of(&self, wanted: &BTreeSet<String>) -> Vec<String> {
        let texts = || self.parts().map(|part| part.text.clone());
        let mut sources: Vec<String> = texts().filter(|text| binds(text, wanted)).collect();
        let mut fenced = self.candidates(wanted);
        // A stable sort: those of equal rank keep their order.
        fenced.sort_by_key(|candidate| std::cmp::Reverse(candidate.rank));
        sources.extend(fenced.into_iter().map(|candidate| candidate.code));
        sources.extend(texts());
        let earlier = self.earlier.iter();
        sources.extend(earlier.flat_map(|earlier| earlier.sources_of(wanted)));
        sources
    }

    /// The code of all fences, in the order of the text.
    pub fn fenced_codes(&self) -> Vec<&str> {
        let own = self.fences();
        let own = own.filter(|block| block.language != Language::Markdown);
        let own = own.map(|block| block.code.as_str());
        let earlier = self.earlier.iter();
        own.chain(earlier.flat_map(|earlier| earlier.fenced_codes()))
            .collect()
    }

    /// The text that goes on from a prompt, if the answer does: the first fenced code, else the whole text.
    pub fn continuation(&self) -> &str {
        let first = self.fences().next();
        let text = self.marked.first().unwrap_or(&self.whole);
        first.map_or(&text.text, |block| &block.code)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.marked.iter().chain([&self.whole])
    }

    /// The blocks of what is marked as the answer, or of the whole if there are none.
    fn blocks(&self) -> impl Iterator<Item = &Block> {
        let marked = self.marked.iter().flat_map(Part::blocks);
        let has_code = |block: &Block| block.is_fenced && !block.code.trim().is_empty();
        let is_marked = self.marked.iter().flat_map(Part::blocks).any(has_code);
        let whole = (!is_marked).then(|| self.whole.blocks());
        marked
            .filter(move |_| is_marked)
            .chain(whole.into_iter().flatten())
    }

    fn fences(&self) -> impl Iterator<Item = &Block> {
        let fences = self.blocks().filter(|block| block.is_fenced);
        fences.filter(|block| !block.code.trim().is_empty())
    }

    /// The first of the candidates that fit best; other languages only if they bind what is wanted.
    fn best(&self, wanted: &BTreeSet<String>) -> Option<Candidate> {
        let mut best: Option<Candidate> = None;
        for candidate in self.candidates(wanted) {
            if best.as_ref().is_none_or(|best| best.rank < candidate.rank) {
                best = Some(candidate);
            }
        }
        best.filter(|best| best.rank.binds || best.rank.language > Language::Markdown)
    }

    /// The blocks with their ranks. Indented ones count only if they bind what is wanted.
    fn candidates(&self, wanted: &BTreeSet<String>) -> Vec<Candidate> {
        let blocks = self
            .blocks()
            .filter(|block| !block.code.trim().is_empty() && block.language != Language::Markdown);
        let candidates = blocks.filter_map(|block| {
            let language = block.language;
            let language = if block.is_fenced {
                language
            } else {
                Language::Other
            };
            let rank = |code: &str| Rank {
                binds: !wanted.is_empty() && binds(code, wanted),
                language,
                parses: parses(code),
            };
            let (mut code, mut own) = (block.code.clone(), rank(&block.code));
            if !own.parses && code.starts_with([' ', '\t']) {
                let other = dedented(&code);
                let dedented = rank(&other);
                if dedented.binds {
                    (code, own) = (other, dedented);
                }
            }
            (block.is_fenced || own.binds).then_some(Candidate { code, rank: own })
        });
        candidates.collect()
    }
}

impl Part {
    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            blocks: OnceCell::new(),
        }
    }

    fn blocks(&self) -> &[Block] {
        self.blocks.get_or_init(|| blocks(&self.text))
    }
}

/// The code, or other code if only that binds what is wanted.
fn first_that_binds(
    own: Option<String>,
    other: impl FnOnce() -> Option<String>,
    wanted: &BTreeSet<String>,
) -> Option<String> {
    if own.as_ref().is_some_and(|code| binds(code, wanted)) {
        return own;
    }
    let other = other().filter(|code| binds(code, wanted));
    other.or(own)
}

fn names(wanted: &str) -> BTreeSet<String> {
    BTreeSet::from([wanted.to_owned()])
}
