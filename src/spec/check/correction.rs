//! What to write instead of a value of the wrong type.

use crate::{
    settings::Kind,
    spec::{
        code::Code,
        problem::Problem,
        read::{
            node::{Data, Node},
            source::Sources,
        },
        schema,
    },
};

/// Which value it is.
#[derive(Clone, Copy)]
pub(in crate::spec) struct Site<'a> {
    /// The whole path of its key.
    pub(in crate::spec) path: &'a str,
    pub(in crate::spec) sources: &'a Sources,
}

impl Site<'_> {
    /// Whether a value follows `key=` on the command line or in the environment, without quotes: there it is a
    /// text if it is not TOML.
    fn is_bare(self, node: &Node) -> bool {
        let is_file = self.sources.get(node.place.source).is_file();
        !is_file && !self.sources.text(node.place).starts_with(['"', '\''])
    }
}

/// What a value of a kind looks like, for the text next to a caret.
pub(in crate::spec) fn expected(kind: Kind) -> String {
    format!("expected {}", kind.describe())
}

/// The mistake of a value of another type, with what to write instead.
pub(super) fn wrong_type(site: Site<'_>, kind: Kind, node: &Node) -> Problem {
    let title = format!("`{}` must be {}", site.path, kind.noun());
    let label = format!("this is {}", node.noun());
    let problem = Problem::new(Code::E103, node.place, title, label);
    match correction(site, kind, node) {
        Some((Some(text), message)) => problem.replace(node.place, text, message),
        Some((None, message)) => problem.help(message),
        None => problem.help(expected(kind)),
    }
}

/// The mistake of a list that is not TOML, such as one whose texts have no quotes, and is therefore read as
/// one text.
pub(in crate::spec) fn garbled_list(site: Site<'_>, node: &Node) -> Option<Problem> {
    let text = node.as_text()?.trim();
    let items = text.strip_prefix('[')?;
    if !site.is_bare(node) {
        return None;
    }
    let items = items.strip_suffix(']').unwrap_or(items).split(',');
    let items = items.map(str::trim).filter(|item| !item.is_empty());
    let kind = schema::find(site.path).map(|key| key.kind);
    if let Some(Kind::List(Kind::Whole(low, high))) = kind
        && items.clone().any(is_too_large)
    {
        return Some(too_large(site, *low, *high, node));
    }
    let items: Vec<String> = items.map(|item| as_toml(site, item)).collect();
    let title = format!("the list of `{}` is not TOML", site.path);
    let label = "this is read as one text";
    let problem = Problem::new(Code::E103, node.place, title, label);
    let list = format!("[{}]", items.join(", "));
    let help = format!("write {list}; a shell needs single quotes around all of it");
    Some(problem.replace(node.place, list, help))
}

/// The mistake of a number above the largest: unlike elsewhere, it names that one.
pub(super) fn too_large(site: Site<'_>, low: i64, high: i64, node: &Node) -> Problem {
    let title = format!("`{}` is out of range", site.path);
    let label = format!("expected a whole number from {low} to {high}");
    Problem::new(Code::E104, node.place, title, label)
}

/// Whether a text is a whole number above all that TOML has.
pub(super) fn is_too_large(text: &str) -> bool {
    let digits = text.trim().trim_start_matches('+').replace('_', "");
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number && digits.parse::<i64>().is_err()
}

/// An item of a list as TOML: as it is, as the number that was meant, or as a text in quotes.
fn as_toml(site: Site<'_>, item: &str) -> String {
    let is_toml = |text: &str| !matches!(Node::parse_value(0, text, 0).data, Data::Text(_));
    if is_toml(item)
        || item.starts_with(['"', '\'']) && item.len() > 1 && item.ends_with(['"', '\''])
    {
        return item.to_owned();
    }
    let takes_numbers = schema::find(site.path)
        .is_some_and(|key| matches!(key.kind, Kind::List(Kind::Whole(..) | Kind::Number(_))));
    let number = if takes_numbers { number(item) } else { None };
    number.unwrap_or_else(|| format!("\"{}\"", item.trim_matches(['"', '\''])))
}

/// A text as the number that it spells in another language than TOML, such as `.5`, `1.e-4` or `0040`.
fn number(text: &str) -> Option<String> {
    whole(text).or_else(|| {
        let number: f64 = text.trim().parse().ok()?;
        number.is_finite().then(|| format!("{number:?}"))
    })
}

/// A text as the whole number that it spells.
fn whole(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.to_string());
    }
    // Up to here every whole number has a floating-point number of its own.
    let number: f64 = text.parse().ok()?;
    let is_whole = number.fract() == 0.0 && number.abs() <= 2.0_f64.powi(53);
    is_whole.then(|| format!("{number:.0}"))
}

/// The value of a kind that a text spells, as TOML.
fn meant(kind: Kind, text: &str) -> Option<String> {
    match kind {
        Kind::Whole(..) => whole(text),
        Kind::Number(_) => {
            let number: f64 = text.trim().parse().ok()?;
            number.is_finite().then(|| format!("{number:?}"))
        }
        Kind::Flag => {
            let flag: bool = text.trim().to_lowercase().parse().ok()?;
            Some(flag.to_string())
        }
        _ => None,
    }
}

/// Whether a text without its quotes would be a value of the kind.
fn fits_without_quotes(kind: Kind, text: &str) -> bool {
    matches!(
        (Node::parse_value(0, text, 0).data, kind),
        (Data::Whole(_), Kind::Whole(..))
            | (Data::Whole(_) | Data::Number(_), Kind::Number(_))
            | (Data::Flag(_), Kind::Flag)
    )
}

/// What to write instead of a value of the wrong type, and what to say about it.
fn correction(site: Site<'_>, kind: Kind, node: &Node) -> Option<(Option<String>, String)> {
    let written = site.sources.text(node.place);
    match (&node.data, kind) {
        (Data::Text(text), Kind::Whole(..) | Kind::Number(_) | Kind::Flag) => {
            if !site.is_bare(node) && fits_without_quotes(kind, text) {
                return Some((Some(text.clone()), "remove the quotes".to_owned()));
            }
            let meant = meant(kind, text)?;
            let message = format!("write {meant}");
            Some((Some(meant), message))
        }
        (Data::Number(number), Kind::Whole(..)) if number.fract() == 0.0 => Some((
            Some(format!("{number:.0}")),
            "write it as a whole number".into(),
        )),
        (Data::Table(_), _)
        | (Data::List(_), Kind::List(_) | Kind::Words | Kind::TextOrList | Kind::Subset { .. }) => {
            None
        }
        (Data::List(_), _) => {
            let path = site.path;
            let advice =
                format!("for several values, make it an axis: [grid] \"{path}\" = {written}");
            Some((None, advice))
        }
        (_, Kind::List(_) | Kind::Words) => {
            let item = match &node.data {
                Data::Text(text) => format!("\"{text}\""),
                _ => written.to_owned(),
            };
            let list = format!("[{item}]");
            // The command line shows no correction of the text itself.
            let message = if site.is_bare(node) {
                format!("write {list}")
            } else {
                "put it in brackets".to_owned()
            };
            Some((Some(list), message))
        }
        (Data::Whole(_) | Data::Number(_) | Data::Flag(_), Kind::Text | Kind::Name) => {
            Some((Some(format!("\"{written}\"")), "put it in quotes".into()))
        }
        _ => None,
    }
}
