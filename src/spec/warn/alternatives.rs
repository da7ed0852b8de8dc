//! Other values of a setting.

use crate::{
    settings::Kind,
    spec::{
        read::node::{Data, Node},
        schema,
    },
};

/// Values of a key that are not `value`, but of its kind.
pub(in crate::spec) fn alternatives(path: &str, value: &Node) -> Vec<Node> {
    let Some(key) = schema::find(path) else {
        return Vec::new();
    };
    let others: Vec<Data> = match (key.kind, &value.data) {
        (Kind::Flag, Data::Flag(flag)) => vec![Data::Flag(!flag)],
        (Kind::Choice(_, names) | Kind::Weights(_, names), Data::Text(text)) => {
            texts(names(), text)
        }
        (Kind::Weights(_, names), _) => texts(names(), ""),
        (Kind::List(Kind::Text | Kind::File) | Kind::Words, Data::List(items)) => {
            let more = text_like(value, "x");
            vec![Data::List(items.iter().cloned().chain([more]).collect())]
        }
        (Kind::Whole(low, high), Data::Whole(number)) => {
            [number.saturating_add(1), number.saturating_sub(1)]
                .into_iter()
                .filter(|other| (low..=high).contains(other) && other != number)
                .map(Data::Whole)
                .collect()
        }
        (Kind::Number(range), Data::Number(number)) => {
            let halves = [
                number / 2.0,
                f64::midpoint(*number, range.high),
                f64::midpoint(*number, range.low),
            ];
            halves
                .into_iter()
                .filter(|other| range.contains(*other) && other.to_bits() != number.to_bits())
                .map(Data::Number)
                .collect()
        }
        (Kind::Memory(_), Data::Text(text)) => texts(vec!["1GiB", "2GiB"], text),
        (Kind::Subset { names, .. }, Data::List(items)) => {
            let lists = names().into_iter().map(|name| vec![text_like(value, name)]);
            lists.filter(|list| list != items).map(Data::List).collect()
        }
        (Kind::List(Kind::Choice(_, names)), Data::List(items)) => {
            let lists = names().into_iter().map(|name| vec![text_like(value, name)]);
            lists.filter(|list| list != items).map(Data::List).collect()
        }
        (
            Kind::Text | Kind::Name | Kind::File | Kind::Model | Kind::DataSet | Kind::Benchmark,
            Data::Text(text),
        ) => vec![Data::Text(format!("{text}x"))],
        _ => Vec::new(),
    };
    others
        .into_iter()
        .map(|data| Node {
            data,
            place: value.place,
        })
        .collect()
}

fn texts(names: Vec<&'static str>, but: &str) -> Vec<Data> {
    let others = names.into_iter().filter(|name| *name != but);
    others.map(|name| Data::Text(name.to_owned())).collect()
}

fn text_like(node: &Node, text: &str) -> Node {
    Node {
        data: Data::Text(text.to_owned()),
        place: node.place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_a_job_may_have_has_another_value() {
        for key in schema::keys() {
            let section = key.path.split('.').next().unwrap_or_default();
            if matches!(
                section,
                "include" | "name" | "description" | "table" | "run" | "report"
            ) {
                continue;
            }
            let text = match (key.default, key.kind) {
                (Some(default), _) => default.to_owned(),
                (None, Kind::Whole(low, _)) => low.to_string(),
                (None, Kind::Flag) => "true".to_owned(),
                (None, Kind::Number(range)) => {
                    format!("{:?}", f64::midpoint(range.low, range.high))
                }
                (None, Kind::Choice(_, names)) => format!("\"{}\"", names()[0]),
                (None, Kind::Subset { names, .. }) => format!("[\"{}\"]", names()[0]),
                (None, Kind::List(_) | Kind::Words) => "[\"text\"]".to_owned(),
                (None, Kind::Weights(_, names)) => format!("{{ {} = 1.0 }}", names()[0]),
                (None, _) => "\"text\"".to_owned(),
            };
            let mut value = Node::parse_value(0, &text, 0);
            if let (Kind::Number(_), Data::Whole(number)) = (key.kind, &value.data) {
                value.data = Data::Number(*number as f64);
            }
            let others = alternatives(&key.path, &value);
            assert!(!others.is_empty(), "{} = {text}", key.path);
            assert!(
                others.iter().all(|other| other.data != value.data),
                "{}",
                key.path
            );
        }
    }
}
