//! What a key that does not exist was probably meant to be.

use crate::{
    settings::one_of,
    spec::{
        code::Code,
        problem::Problem,
        read::node::{Data, Entry},
        schema::{self, join},
        suggest::nearest,
    },
    train::Algorithm,
};

/// What somebody probably meant by an unknown key.
pub(super) enum Meaning {
    Unknown,
    /// Keys with these paths, in other sections.
    Elsewhere(Vec<String>),
    /// The name of a key or a section in the same section.
    Typo(&'static str),
}

/// Keys of earlier versions, by their sections, and what to do without them.
const REPLACED: &[(&str, &str, &str)] = &[(
    "eval",
    "strict",
    "remove it: values are compared outside of the solution's process now, unless `in_process = true`",
)];

/// The mistake of a key that does not exist, and what was probably meant.
pub(super) fn describe(section: &str, entry: &Entry) -> (Problem, Meaning) {
    let key = entry.key.as_str();
    let names = schema::names_in(section);
    if section == "eval.samples" || section == "data.benchmarks" {
        return (unknown_benchmark(entry, &names), Meaning::Unknown);
    }
    let is_table = matches!(entry.node.data, Data::Table(_));
    let what = if is_table { "section" } else { "key" };
    let (title, label) = if section.is_empty() {
        (
            format!("unknown {what} `{key}`"),
            format!("not a {what} of a spec"),
        )
    } else {
        (
            format!("unknown {what} `{key}` in [{section}]"),
            format!("not a {what} of [{section}]"),
        )
    };
    let problem = Problem::new(Code::E101, entry.place, title, label);
    if let Some((_, _, help)) = REPLACED
        .iter()
        .find(|(home, name, _)| (*home, *name) == (section, key))
    {
        return (problem.help((*help).to_owned()), Meaning::Unknown);
    }
    let homes = homes(section, key);
    if !homes.is_empty() {
        let paths: Vec<String> = homes.iter().map(|home| join(home, key)).collect();
        let sections: Vec<String> = homes.iter().map(|home| bracketed(home)).collect();
        let sections = sections.join(" or ");
        let help = format!("it belongs in {sections}: write {}", one_of(&paths));
        return (problem.help(help), Meaning::Elsewhere(paths));
    }
    let Some(guess) = nearest(key, names.iter().copied()) else {
        return (
            problem.help(far_off(section, key, &names)),
            Meaning::Unknown,
        );
    };
    let message = format!("a {what} with a similar name exists: `{guess}`");
    (
        problem.replace(entry.place, guess, message),
        Meaning::Typo(guess),
    )
}

fn unknown_benchmark(entry: &Entry, names: &[&'static str]) -> Problem {
    let title = format!("unknown benchmark `{}`", entry.key);
    let label = format!("expected {}", one_of(names));
    let problem = Problem::new(Code::E102, entry.place, title, label);
    match nearest(&entry.key, names.iter().copied()) {
        Some(name) => problem.replace(
            entry.place,
            name.to_owned(),
            format!("did you mean `{name}`?"),
        ),
        None => problem,
    }
}

/// The sections, other than `section`, that have a key or section called `key`.
fn homes(section: &str, key: &str) -> Vec<String> {
    let mut homes: Vec<String> = Vec::new();
    for path in schema::paths() {
        let segments: Vec<&str> = path.split('.').collect();
        for (depth, name) in segments.iter().enumerate() {
            let home = segments[..depth].join(".");
            if *name == key && home != section && !homes.contains(&home) {
                homes.push(home);
            }
        }
    }
    // The tables of algorithms repeat the keys of [train]: the plain section says enough.
    homes.retain(|home| !is_copy(home, key));
    let top = section.split('.').next().unwrap_or_default();
    let is_near = |home: &String| !top.is_empty() && home.split('.').next() == Some(top);
    if homes.iter().any(is_near) {
        homes.retain(is_near);
    }
    homes
}

/// Whether a key or a section of `home` is in the table of an algorithm, and in [train] as well.
fn is_copy(home: &str, key: &str) -> bool {
    Algorithm::names().into_iter().any(|algorithm| {
        let own = join("train", algorithm);
        let below = home.strip_prefix(&own);
        below.is_some_and(|rest| {
            let shared = join("train", &join(rest.trim_start_matches('.'), key));
            schema::find(&shared).is_some() || schema::is_section(&shared)
        })
    })
}

/// What to say about a name that is near to nothing in its section.
fn far_off(section: &str, key: &str, names: &[&'static str]) -> String {
    let elsewhere = schema::paths().filter_map(|path| path.rsplit('.').next());
    if let Some(guess) = nearest(key, elsewhere)
        && let Some(home) = homes(section, guess).first()
    {
        return format!(
            "a key with a similar name exists elsewhere: `{}`",
            join(home, guess)
        );
    }
    let what = if section.is_empty() {
        "a spec has".into()
    } else {
        format!("[{section}] has")
    };
    format!("{what} {}", one_of(names).replace(" or ", " and "))
}

fn bracketed(section: &str) -> String {
    if section.is_empty() {
        "the top of the file".to_owned()
    } else {
        format!("[{section}]")
    }
}
