//! Whether one value fits its key.

use crate::{
    model::MemorySize,
    settings::{Kind, Range, one_of},
    spec::{
        check::Checker,
        code::Code,
        problem::Problem,
        read::node::{Data, Node},
        suggest::nearest,
    },
};

/// The bytes of a text such as `70GiB`.
pub(in crate::spec) fn memory_bytes(text: &str) -> Option<u64> {
    MemorySize::parse(text).map(MemorySize::bytes)
}

impl Checker<'_> {
    /// Checks the value of a key, and brings it into the form that the structs have. Returns
    /// whether it can be used.
    pub(in crate::spec) fn value(&mut self, path: &str, kind: Kind, node: &mut Node) -> bool {
        match kind {
            Kind::Flag => matches!(node.data, Data::Flag(_)) || self.wrong_type(path, kind, node),
            Kind::Choice(noun, names) => self.choice(path, kind, noun, &names(), node),
            Kind::Whole(low, high) => self.whole(path, kind, (low, high), node),
            Kind::Number(range) => self.number(path, kind, range, node),
            Kind::Subset { noun, names, sets } => {
                self.subset(path, kind, (noun, names, sets), node)
            }
            Kind::List(of) => self.list(path, kind, *of, node),
            Kind::TextOrList => self.text_or_list(path, node),
            Kind::Assignments => {
                if matches!(node.data, Data::Table(_)) {
                    self.baseline(node)
                } else {
                    self.wrong_type(path, kind, node)
                }
            }
            Kind::Text | Kind::File | Kind::Model | Kind::DataSet | Kind::Benchmark => {
                self.text(path, kind, node)
            }
            Kind::Name => self.text(path, kind, node) && self.name(path, node),
            Kind::Memory(least) => {
                self.text(path, kind, node)
                    && self.unit(path, node, memory_bytes, "an amount such as `70GiB`")
                    && self.memory(path, least, node)
            }
        }
    }

    fn text(&mut self, path: &str, kind: Kind, node: &Node) -> bool {
        match node.as_text() {
            None => self.wrong_type(path, kind, node),
            Some(text) if text.trim().is_empty() && !matches!(kind, Kind::Name) => {
                let title = format!("`{path}` is empty");
                self.add(Problem::new(Code::E104, node.place, title, expected(kind)));
                false
            }
            Some(_) => true,
        }
    }

    fn name(&mut self, path: &str, node: &Node) -> bool {
        let text = node.as_text().unwrap_or_default();
        let is_fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts_well && text.chars().all(is_fine) && text.len() <= 64 {
            return true;
        }
        let mut better: String = text
            .chars()
            .map(|c| if is_fine(c) { c } else { '_' })
            .take(64)
            .collect();
        better = better.trim_matches(['_', '-', '.']).to_owned();
        let title = format!("`{path}` cannot be the name of a folder");
        let label = "expected 1 to 64 of `a-z A-Z 0-9 _ - .`, the first a letter or a digit";
        let problem = Problem::new(Code::E111, node.place, title, label);
        self.add(if better.is_empty() {
            problem
        } else {
            problem.replace(
                node.place,
                format!("\"{better}\""),
                format!("for instance `{better}`"),
            )
        });
        false
    }

    fn unit(
        &mut self,
        path: &str,
        node: &Node,
        parse: fn(&str) -> Option<u64>,
        expected: &str,
    ) -> bool {
        let text = node.as_text().unwrap_or_default();
        if parse(text).is_some() {
            return true;
        }
        let title = format!("`{path}` cannot be read");
        self.add(Problem::new(
            Code::E104,
            node.place,
            title,
            format!("expected {expected}"),
        ));
        false
    }

    /// Whether an amount of memory that can be read is enough.
    fn memory(&mut self, path: &str, least: u64, node: &Node) -> bool {
        let is_enough = node.as_text().and_then(memory_bytes) >= Some(least);
        if !is_enough {
            let title = format!("`{path}` is out of range");
            let label = "expected an amount above 0, such as `4GiB`";
            self.add(Problem::new(Code::E104, node.place, title, label));
        }
        is_enough
    }

    fn choice(&mut self, path: &str, kind: Kind, noun: &str, names: &[&str], node: &Node) -> bool {
        let Some(text) = node.as_text() else {
            return self.wrong_type(path, kind, node);
        };
        if names.contains(&text) {
            return true;
        }
        let title = format!("unknown {noun} `{text}`");
        let label = format!("expected {}", one_of(names));
        self.add_guess(
            Problem::new(Code::E102, node.place, title, label),
            text,
            names,
            node,
        );
        false
    }

    /// Adds a problem with the nearest of some names as its help.
    fn add_guess(&mut self, problem: Problem, text: &str, names: &[&str], node: &Node) {
        let problem = match nearest(text, names.iter().copied()) {
            Some(name) => problem.replace(
                node.place,
                format!("\"{name}\""),
                format!("did you mean `{name}`?"),
            ),
            None => problem,
        };
        self.add(problem);
    }

    fn whole(&mut self, path: &str, kind: Kind, range: (i64, i64), node: &Node) -> bool {
        let Data::Whole(number) = node.data else {
            return self.wrong_type(path, kind, node);
        };
        let (low, high) = range;
        (low..=high).contains(&number) || self.out_of_range(path, kind, node)
    }

    fn number(&mut self, path: &str, kind: Kind, range: Range, node: &mut Node) -> bool {
        let number = match node.data {
            Data::Number(number) => number,
            Data::Whole(number) => number as f64,
            _ => return self.wrong_type(path, kind, node),
        };
        if !range.contains(number) {
            return self.out_of_range(path, kind, node);
        }
        node.data = Data::Number(number);
        true
    }

    fn out_of_range(&mut self, path: &str, kind: Kind, node: &Node) -> bool {
        let title = format!("`{path}` is out of range");
        self.add(Problem::new(Code::E104, node.place, title, expected(kind)));
        false
    }

    fn subset(
        &mut self,
        path: &str,
        kind: Kind,
        (noun, of, sets): (
            &'static str,
            fn() -> Vec<&'static str>,
            &[(&'static str, usize)],
        ),
        node: &mut Node,
    ) -> bool {
        let names = of();
        if let Some(text) = node.as_text() {
            let Some((_, count)) = sets.iter().find(|(name, _)| *name == text) else {
                let sets: Vec<&str> = sets.iter().map(|(name, _)| *name).collect();
                let label = format!("expected {}, or a list of {noun}s", one_of(&sets));
                let title = format!("unknown {noun} `{text}`");
                let problem = Problem::new(Code::E102, node.place, title, label);
                if names.contains(&text) {
                    let list = format!("[\"{text}\"]");
                    self.add(problem.replace(node.place, list, "write a list"));
                } else {
                    let text = text.to_owned();
                    self.add_guess(problem, &text, &sets, node);
                }
                return false;
            };
            let place = node.place;
            let item = |name: &&str| Node {
                data: Data::Text((*name).to_owned()),
                place,
            };
            node.data = Data::List(names.iter().take(*count).map(item).collect());
            return true;
        }
        if !self.list(path, kind, Kind::Choice(noun, of), node) {
            return false;
        }
        // One order for all, so that the same targets make the same job.
        if let Data::List(items) = &mut node.data {
            let rank = |node: &Node| names.iter().position(|name| node.as_text() == Some(name));
            items.sort_by_key(rank);
        }
        true
    }

    fn list(&mut self, path: &str, kind: Kind, of: Kind, node: &mut Node) -> bool {
        let place = node.place;
        let Data::List(items) = &mut node.data else {
            return self.wrong_type(path, kind, node);
        };
        if items.is_empty() {
            let title = format!("`{path}` is empty");
            self.add(Problem::new(Code::E121, place, title, expected(kind)));
            return false;
        }
        let before = items.len();
        items.retain_mut(|item| self.value(path, of, item));
        let are_fine = items.len() == before;
        self.no_item_twice(path, items);
        are_fine
    }

    /// Takes repeated items out of a list.
    pub(in crate::spec) fn no_item_twice(&mut self, path: &str, items: &mut Vec<Node>) {
        let mut kept: Vec<Node> = Vec::new();
        for item in std::mem::take(items) {
            let json = item.to_json();
            let Some(first) = kept.iter().find(|first| first.to_json() == json) else {
                kept.push(item);
                continue;
            };
            let title = format!("`{path}` has {json} twice");
            let problem = Problem::new(Code::E124, item.place, title, "remove this one");
            self.add(problem.also(first.place, "the first is here"));
        }
        *items = kept;
    }

    fn text_or_list(&mut self, path: &str, node: &mut Node) -> bool {
        if node.as_text().is_some() {
            let item = node.clone();
            node.data = Data::List(vec![item]);
            return true;
        }
        self.list(path, Kind::TextOrList, Kind::Text, node)
    }

    /// Adds a problem about a value's type, with what to write instead; always false.
    fn wrong_type(&mut self, path: &str, kind: Kind, node: &Node) -> bool {
        let title = format!("`{path}` must be {}", kind.noun());
        let label = format!("this is {}", node.noun());
        let problem = Problem::new(Code::E103, node.place, title, label);
        let problem = match self.correction(path, kind, node) {
            Some((Some(text), message)) => problem.replace(node.place, text, message),
            Some((None, message)) => problem.help(message),
            None => problem.help(expected(kind)),
        };
        self.add(problem);
        false
    }

    /// What to write instead of a value of the wrong type, and what to say about it.
    fn correction(&self, path: &str, kind: Kind, node: &Node) -> Option<(Option<String>, String)> {
        let written = self.sources.text(node.place);
        match (&node.data, kind) {
            (Data::Text(text), Kind::Whole(..)) => text
                .parse::<i64>()
                .is_ok()
                .then(|| (Some(text.clone()), "remove the quotes".into())),
            (Data::Text(text), Kind::Number(_)) => text
                .parse::<f64>()
                .is_ok()
                .then(|| (Some(text.clone()), "remove the quotes".into())),
            (Data::Text(text), Kind::Flag) => ["true", "false"]
                .contains(&text.as_str())
                .then(|| (Some(text.clone()), "remove the quotes".into())),
            (Data::Number(number), Kind::Whole(..)) if number.fract() == 0.0 => Some((
                Some(format!("{number:.0}")),
                "write it as a whole number".into(),
            )),
            (Data::Table(_), _)
            | (Data::List(_), Kind::List(_) | Kind::TextOrList | Kind::Subset { .. }) => None,
            (Data::List(_), _) => {
                let advice =
                    format!("for several values, make it an axis: [grid] \"{path}\" = {written}");
                Some((None, advice))
            }
            (_, Kind::List(_)) => Some((Some(format!("[{written}]")), "put it in brackets".into())),
            (Data::Whole(_) | Data::Number(_) | Data::Flag(_), Kind::Text | Kind::Name) => {
                Some((Some(format!("\"{written}\"")), "put it in quotes".into()))
            }
            _ => None,
        }
    }
}

/// What a value of a kind looks like, in a few words.
pub(in crate::spec) fn expected(kind: Kind) -> String {
    format!("expected {}", kind.describe())
}
