//! Whether one value fits its key.

use super::correction::{self, Site, expected};
use crate::{
    settings::{Kind, MemorySize, Range, TimeLength, WEIGHT, one_of, spelled},
    spec::{
        code::Code,
        problem::Problem,
        read::node::{Data, Node},
        suggest::nearest,
    },
};

/// A value in the form that the structs have, or what is wrong with it.
type Checked = Result<Node, Vec<Problem>>;

/// Checks a value. Items that a list repeats are left to [`remove_repeats`].
pub(super) fn check(site: Site<'_>, kind: Kind, node: Node) -> Checked {
    let takes_list = matches!(kind, Kind::List(_) | Kind::TextOrList | Kind::Subset { .. });
    if takes_list && let Some(problem) = correction::garbled_list(site, &node) {
        return fail(problem);
    }
    match kind {
        Kind::Flag => match node.data {
            Data::Flag(_) => Ok(node),
            _ => fail(correction::wrong_type(site, kind, &node)),
        },
        Kind::Choice(noun, names) => choice(site, kind, noun, &names(), &node),
        Kind::Weights(noun, names) => match node.data {
            Data::Table(_) => weights(site, noun, &names(), node),
            _ => choice(site, kind, noun, &names(), &node),
        },
        Kind::Whole(low, high) => match node.data {
            Data::Whole(number) if (low..=high).contains(&number) => Ok(node),
            Data::Whole(number) if number > high => {
                fail(correction::too_large(site, low, high, &node))
            }
            Data::Whole(_) => out_of_range(site, kind, &node),
            Data::Text(ref text) if correction::is_too_large(text) => {
                fail(correction::too_large(site, low, high, &node))
            }
            _ => fail(correction::wrong_type(site, kind, &node)),
        },
        Kind::Number(range) => number(site, kind, range, &node),
        Kind::Subset { noun, names, sets } => match node.data {
            Data::Text(_) => set(site, noun, &names(), sets, &node),
            _ => subset(site, kind, noun, names, node),
        },
        Kind::List(of) => list(site, kind, *of, node),
        Kind::Words => list(site, kind, Kind::Text, node),
        Kind::TextOrList => match node.data {
            Data::Text(_) => {
                let place = node.place;
                let data = Data::List(vec![text(site, Kind::Text, node)?]);
                Ok(Node { data, place })
            }
            _ => list(site, kind, Kind::Text, node),
        },
        Kind::Assignments => match node.data {
            Data::Table(_) => Ok(node),
            _ => fail(correction::wrong_type(site, kind, &node)),
        },
        Kind::Name => name(site, text(site, kind, node)?),
        Kind::Memory(least) => memory(site, kind, least, text(site, kind, node)?),
        Kind::TimeLength => time_length(site, text(site, kind, node)?),
        Kind::Text | Kind::File | Kind::Model | Kind::DataSet | Kind::Benchmark => {
            text(site, kind, node)
        }
    }
}

/// Removes repeated items from a list, and says which they were.
pub(super) fn remove_repeats(path: &str, node: &mut Node) -> Vec<Problem> {
    let Data::List(items) = &mut node.data else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    let mut kept: Vec<Node> = Vec::new();
    for item in std::mem::take(items) {
        let json = item.to_json();
        let Some(first) = kept.iter().find(|first| first.to_json() == json) else {
            kept.push(item);
            continue;
        };
        let title = format!("`{path}` has {json} twice");
        let problem = Problem::new(Code::E124, item.place, title, "remove this one");
        problems.push(problem.also(first.place, "the first is here"));
    }
    *items = kept;
    problems
}

fn fail(problem: Problem) -> Checked {
    Err(vec![problem])
}

fn text(site: Site<'_>, kind: Kind, node: Node) -> Checked {
    match node.as_text() {
        None => fail(correction::wrong_type(site, kind, &node)),
        Some(text) if text.trim().is_empty() && !matches!(kind, Kind::Name) => {
            let title = format!("`{}` is empty", site.path);
            fail(Problem::new(Code::E104, node.place, title, expected(kind)))
        }
        Some(_) => Ok(node),
    }
}

fn name(site: Site<'_>, node: Node) -> Checked {
    let text = node.as_text().unwrap_or_default();
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && text.chars().all(is_fine) && text.len() <= 64 {
        return Ok(node);
    }
    let mut better: String = text
        .chars()
        .map(|c| if is_fine(c) { c } else { '_' })
        .take(64)
        .collect();
    better = better.trim_matches(['_', '-', '.']).to_owned();
    let title = format!("`{}` cannot be the name of a folder", site.path);
    let label = "expected 1 to 64 of `a-z A-Z 0-9 _ - .`, the first a letter or a digit";
    let problem = Problem::new(Code::E111, node.place, title, label);
    fail(if better.is_empty() {
        problem
    } else {
        let text = format!("\"{better}\"");
        problem.replace(node.place, text, format!("for instance `{better}`"))
    })
}

fn memory(site: Site<'_>, kind: Kind, least: u64, node: Node) -> Checked {
    let Some(size) = node.as_text().and_then(MemorySize::parse) else {
        let title = format!("`{}` cannot be read", site.path);
        let label = "expected an amount such as `70GiB`";
        return fail(Problem::new(Code::E104, node.place, title, label));
    };
    if size.bytes() < least {
        return out_of_range(site, kind, &node);
    }
    Ok(node)
}

fn time_length(site: Site<'_>, node: Node) -> Checked {
    if node.as_text().and_then(TimeLength::parse).is_some() {
        return Ok(node);
    }
    let title = format!("`{}` cannot be read", site.path);
    let label = "expected a length of time such as `90m`, `20h` or `1d12h`";
    fail(Problem::new(Code::E104, node.place, title, label))
}

fn choice(site: Site<'_>, kind: Kind, noun: &str, names: &[&'static str], node: &Node) -> Checked {
    let Some(text) = node.as_text() else {
        return fail(correction::wrong_type(site, kind, node));
    };
    // One spelling for all, so that the same choice makes the same job.
    if let Some(name) = spelled(text, names.iter().copied()) {
        return Ok(Node {
            data: Data::Text(name.to_owned()),
            place: node.place,
        });
    }
    let title = format!("unknown {noun} `{text}`");
    let label = format!("expected {}", one_of(names));
    let problem = Problem::new(Code::E102, node.place, title, label);
    fail(with_guess(problem, text, names, node))
}

/// A table with a number for some of the names; its problems are those of all entries.
fn weights(site: Site<'_>, noun: &str, names: &[&'static str], mut node: Node) -> Checked {
    let Data::Table(entries) = &mut node.data else {
        return Ok(node);
    };
    let mut problems = Vec::new();
    for entry in entries.iter_mut() {
        let key = entry.key.clone();
        if !names.contains(&key.as_str()) {
            let title = format!("unknown {noun} `{key}`");
            let label = format!("expected {}", one_of(names));
            let problem = Problem::new(Code::E102, entry.place, title, label);
            problems.push(match nearest(&key, names.iter().copied()) {
                Some(name) => {
                    let message = format!("did you mean `{name}`?");
                    problem.replace(entry.place, name.to_owned(), message)
                }
                None => problem,
            });
            continue;
        }
        let path = format!("{}.{key}", site.path);
        let site = Site {
            path: &path,
            sources: site.sources,
        };
        match number(site, Kind::Number(WEIGHT), WEIGHT, &entry.node) {
            Ok(weight) => entry.node = weight,
            Err(more) => problems.extend(more),
        }
    }
    let is_zero = |node: &Node| matches!(node.data, Data::Number(number) if number == 0.0);
    if problems.is_empty() && entries.iter().all(|entry| is_zero(&entry.node)) {
        let title = format!("`{}` has no weight that is not 0", site.path);
        let label = "for instance { format = 1.0, es_star = 0.5 }";
        problems.push(Problem::new(Code::E121, node.place, title, label));
    }
    if problems.is_empty() {
        Ok(node)
    } else {
        Err(problems)
    }
}

/// A problem with the nearest of some names as its help.
fn with_guess(problem: Problem, text: &str, names: &[&str], node: &Node) -> Problem {
    match nearest(text, names.iter().copied()) {
        Some(name) => {
            let message = format!("did you mean `{name}`?");
            problem.replace(node.place, format!("\"{name}\""), message)
        }
        None => problem,
    }
}

fn number(site: Site<'_>, kind: Kind, range: Range, node: &Node) -> Checked {
    let number = match node.data {
        Data::Number(number) => number,
        Data::Whole(number) => number as f64,
        _ => return fail(correction::wrong_type(site, kind, node)),
    };
    if !range.contains(number) {
        return out_of_range(site, kind, node);
    }
    Ok(Node {
        data: Data::Number(number),
        place: node.place,
    })
}

fn out_of_range(site: Site<'_>, kind: Kind, node: &Node) -> Checked {
    let title = format!("`{}` is out of range", site.path);
    fail(Problem::new(Code::E104, node.place, title, expected(kind)))
}

/// A named set, as the list that it stands for.
fn set(
    site: Site<'_>,
    noun: &str,
    names: &[&'static str],
    sets: &[(&'static str, usize)],
    node: &Node,
) -> Checked {
    let text = node.as_text().unwrap_or_default();
    let spelled = spelled(text, sets.iter().map(|(name, _)| *name));
    if let Some((_, count)) = sets.iter().find(|(name, _)| Some(*name) == spelled) {
        let items = names.iter().take(*count).map(|name| Node {
            data: Data::Text((*name).to_owned()),
            place: node.place,
        });
        return Ok(Node {
            data: Data::List(items.collect()),
            place: node.place,
        });
    }
    let sets: Vec<&str> = sets.iter().map(|(name, _)| *name).collect();
    let title = format!("`{}` has no set `{text}`", site.path);
    let label = format!("expected {}, or a list of {noun}s", one_of(&sets));
    let problem = Problem::new(Code::E102, node.place, title, label);
    fail(if names.contains(&text) {
        problem.replace(node.place, format!("[\"{text}\"]"), "write a list")
    } else {
        with_guess(problem, text, &sets, node)
    })
}

fn subset(
    site: Site<'_>,
    kind: Kind,
    noun: &'static str,
    names: fn() -> Vec<&'static str>,
    node: Node,
) -> Checked {
    let mut node = list(site, kind, Kind::Choice(noun, names), node)?;
    // One order for all, so that the same names make the same job.
    if let Data::List(items) = &mut node.data {
        let names = names();
        items.sort_by_key(|item| names.iter().position(|name| item.as_text() == Some(name)));
    }
    Ok(node)
}

fn list(site: Site<'_>, kind: Kind, of: Kind, node: Node) -> Checked {
    let place = node.place;
    let Data::List(items) = node.data else {
        return fail(correction::wrong_type(site, kind, &node));
    };
    if items.is_empty() {
        let title = format!("`{}` is empty", site.path);
        return fail(Problem::new(Code::E121, place, title, expected(kind)));
    }
    let mut problems = Vec::new();
    let mut fine = Vec::with_capacity(items.len());
    for item in items {
        match check(site, of, item) {
            Ok(item) => fine.push(item),
            Err(more) => problems.extend(more),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Node {
        data: Data::List(fine),
        place,
    })
}
