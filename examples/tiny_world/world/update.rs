//! Fictitious updates of functions.

use super::{
    api::Api,
    names::{Names, one_of},
};
use recode::seed::Stream;

/// What an update changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The function has another name.
    Rename,
    /// The function is in another module.
    Move,
    /// A new argument must be given.
    Argument,
    /// The last argument must be given by a new name.
    Keyword,
    /// What an argument is where a call says nothing.
    Default,
    /// The two arguments change places.
    Swap,
    /// The result comes in a dictionary.
    Output,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Rename,
        Self::Move,
        Self::Argument,
        Self::Keyword,
        Self::Default,
        Self::Swap,
        Self::Output,
    ];

    /// Whether this function can have an update of this kind.
    pub(super) fn fits(self, api: &Api) -> bool {
        match self {
            Self::Default => api.default.is_some(),
            Self::Swap => api.parameters.len() == 2 && !api.symmetric,
            _ => true,
        }
    }

    /// The type of update in CodeUpdateArena's words.
    pub(super) fn update_type(self) -> &'static str {
        match self {
            Self::Rename => "modify-function-name",
            Self::Move => "modify-function-module",
            Self::Argument => "add-argument",
            Self::Keyword => "modify-argument-name",
            Self::Default => "modify-argument-default_value",
            Self::Swap => "modify-argument-order",
            Self::Output => "modify-output-data_structure",
        }
    }

    /// The four wordings of the note.
    ///
    /// `{path}` and `{module}` are the function's, `{function}` its name, `{name}` the new name,
    /// `{value}` and `{old}` values, `{last}` the last parameter, `{order}` the new order.
    fn wordings(self) -> [&'static str; 4] {
        match self {
            Self::Rename => [
                "`{path}` was renamed to `{module}.{name}`.",
                "`{path}` is now called `{module}.{name}`.",
                "The function `{path}` has the new name `{module}.{name}`. The old name is gone.",
                "`{path}` was removed. Use `{module}.{name}` in its place.",
            ],
            Self::Move => [
                "`{path}` has moved to `{name}.{function}`.",
                "`{path}` is gone from `{module}`. Import `{name}` and call `{name}.{function}`.",
                "The function `{path}` now lives in the module `{name}`.",
                "Use `{name}.{function}` instead of `{path}`, which was removed.",
            ],
            Self::Argument => [
                "`{path}` has the new required argument `{name}`. Pass `{name}={value}`.",
                "Calls of `{path}` must now give `{name}={value}`.",
                "`{path}` takes one more argument: `{name}={value}` keeps what it did.",
                "Without `{name}={value}` a call of `{path}` is now an error.",
            ],
            Self::Keyword => [
                "The argument `{last}` of `{path}` must now be given as `{name}`.",
                "`{path}` takes its last argument by the keyword `{name}` only.",
                "Calls of `{path}` must now name the argument `{last}`: `{name}`.",
                "In `{path}`, `{last}` was renamed to `{name}` and is keyword-only.",
            ],
            Self::Default => [
                "The default of `{name}` in `{path}` was `{old}` and is now `{value}`.",
                "`{path}` now uses `{name}={value}` where it used `{name}={old}` before.",
                "Where `{name}` is not given, `{path}` now takes `{value}` instead of `{old}`.",
                "Pass `{name}={old}` to `{path}` to keep the old result. The default is now `{value}`.",
            ],
            Self::Swap => [
                "The arguments of `{path}` are now in the order `{order}`.",
                "`{path}` now takes `{order}`: its arguments were swapped.",
                "The order of the arguments of `{path}` was changed to `{order}`.",
                "`{path}` has its two arguments swapped. The new order is `{order}`.",
            ],
            Self::Output => [
                "`{path}` now returns a dictionary. The result is under the key `{name}`.",
                "The result of `{path}` is now at `\"{name}\"` in a dictionary.",
                "`{path}` gives a dictionary with the key `{name}` instead of the bare result.",
                "Calls of `{path}` now return `{\"{name}\": result}`.",
            ],
        }
    }
}

/// A fictitious update of one function.
#[derive(Clone, Debug)]
pub(super) struct Update<'a> {
    pub(super) api: &'a Api,
    pub(super) kind: Kind,
    /// The new name, module, argument or key; for a changed default, its keyword.
    pub(super) name: String,
    /// The required value of a new argument, or the new default.
    value: String,
    wording: usize,
}

const VALUES: [&str; 8] = ["True", "False", "None", "1", "2", "3", "5", "7"];

impl<'a> Update<'a> {
    /// An update of this kind; with `held_out`, its name is drawn from those of the test sets.
    pub(super) fn draw(
        api: &'a Api,
        kind: Kind,
        names: &Names,
        held_out: bool,
        draw: &mut Stream,
    ) -> Self {
        let name = if held_out {
            names.held(draw)
        } else {
            names.trained(draw)
        };
        let value = (*one_of(draw, &VALUES)).to_owned();
        let wording = draw.below(4);
        let (name, value) = match (kind, &api.default) {
            (Kind::Default, Some(default)) => {
                (default.keyword.clone(), one_of(draw, &default.new).clone())
            }
            (Kind::Swap, _) => (String::new(), value),
            _ => (name, value),
        };
        Self {
            api,
            kind,
            name,
            value,
            wording,
        }
    }

    /// The module that a program imports after the update.
    pub(super) fn module(&self) -> &str {
        match self.kind {
            Kind::Move => &self.name,
            _ => self.api.module(),
        }
    }

    /// The expression that returns after the update what the plain call returned before.
    pub(super) fn call(&self, arguments: &[&str]) -> String {
        let (api, name) = (self.api, &self.name);
        let path = &api.path;
        let plain = arguments.join(", ");
        match self.kind {
            Kind::Rename => format!("{}.{name}({plain})", api.module()),
            Kind::Move => format!("{name}.{}({plain})", api.name()),
            Kind::Argument => format!("{path}({plain}, {name}={})", self.value),
            Kind::Keyword => {
                let (last, first) = arguments.split_last().expect("a function has parameters");
                let mut given: Vec<String> = first.iter().map(|&text| text.to_owned()).collect();
                given.push(format!("{name}={last}"));
                format!("{path}({})", given.join(", "))
            }
            Kind::Default => format!("{path}({plain}, {name}={})", self.old_value()),
            Kind::Swap => {
                let swapped: Vec<&str> = arguments.iter().rev().copied().collect();
                format!("{path}({})", swapped.join(", "))
            }
            Kind::Output => format!("{path}({plain})[\"{name}\"]"),
        }
    }

    /// The note of the update, as release notes would word it.
    pub(super) fn note(&self) -> String {
        let api = self.api;
        let order: Vec<&str> = api.parameters.iter().rev().map(String::as_str).collect();
        let last = api.parameters.last().map_or("", String::as_str);
        self.kind.wordings()[self.wording]
            .replace("{path}", &api.path)
            .replace("{module}", api.module())
            .replace("{function}", api.name())
            .replace("{name}", &self.name)
            .replace("{value}", &self.value)
            .replace("{old}", self.old_value())
            .replace("{last}", last)
            .replace("{order}", &order.join(", "))
    }

    /// The signature after the update, with the full path.
    pub(super) fn signature(&self) -> String {
        let (api, name) = (self.api, &self.name);
        let path = &api.path;
        let parameters = api.parameters.join(", ");
        match self.kind {
            Kind::Rename => format!("{}.{name}({parameters})", api.module()),
            Kind::Move => format!("{name}.{}({parameters})", api.name()),
            Kind::Argument => format!("{path}({parameters}, *, {name})"),
            Kind::Keyword => format!("{path}({})", self.parameters_by_keyword()),
            Kind::Default => format!("{path}({parameters}, *, {name}={})", self.value),
            Kind::Swap => format!("{path}({})", self.swapped_parameters()),
            Kind::Output => format!("{path}({parameters})"),
        }
    }

    /// Python code that defines the new function in terms of the old one, `old_…`.
    pub(super) fn implementation(&self) -> String {
        let (api, name, value) = (self.api, &self.name, &self.value);
        let function = api.name();
        let parameters = api.parameters.join(", ");
        let old = format!("old_{function}");
        match self.kind {
            Kind::Rename => format!("def {name}({parameters}):\n    return {old}({parameters})\n"),
            Kind::Move => {
                format!("def {function}({parameters}):\n    return {old}({parameters})\n")
            }
            // The type is compared as well, because `True == 1` in Python.
            Kind::Argument => format!(
                "def {function}({parameters}, *, {name}):\n    \
                 if ({name}, type({name})) != ({value}, type({value})):\n        \
                 raise ValueError('{name} must be {value}')\n    return {old}({parameters})\n"
            ),
            Kind::Keyword => format!(
                "def {function}({}):\n    return {old}({})\n",
                self.parameters_by_keyword(),
                self.arguments_by_keyword(),
            ),
            Kind::Default => format!(
                "def {function}({parameters}, *, {name}={value}):\n    \
                 return {old}({parameters}, {name}={name})\n"
            ),
            Kind::Swap => format!(
                "def {function}({}):\n    return {old}({parameters})\n",
                self.swapped_parameters()
            ),
            Kind::Output => format!(
                "def {function}({parameters}):\n    return {{'{name}': {old}({parameters})}}\n"
            ),
        }
    }

    fn old_value(&self) -> &str {
        self.api.default.as_ref().map_or("", |default| &default.old)
    }

    fn parameters_by_keyword(&self) -> String {
        let first = &self.api.parameters[..self.api.parameters.len() - 1];
        [first, &["*".to_owned(), self.name.clone()]]
            .concat()
            .join(", ")
    }

    fn arguments_by_keyword(&self) -> String {
        let first = &self.api.parameters[..self.api.parameters.len() - 1];
        [first, std::slice::from_ref(&self.name)]
            .concat()
            .join(", ")
    }

    fn swapped_parameters(&self) -> String {
        let swapped: Vec<&str> = self
            .api
            .parameters
            .iter()
            .rev()
            .map(String::as_str)
            .collect();
        swapped.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::api::UNIVERSE;
    use recode::seed::stream;

    #[test]
    fn each_kind_changes_the_call_as_its_note_says() {
        // Oracle: written by hand.
        let names = Names::new(7);
        let of = |path: &str, kind| {
            let api = UNIVERSE.iter().find(|api| api.path == path).unwrap();
            let mut update = Update::draw(api, kind, &names, false, &mut stream(7, "test", 0, 0));
            (update.wording, update.value) = (0, "5".to_owned());
            if kind != Kind::Default {
                update.name = "oak_pine".to_owned();
            }
            (
                update.note(),
                update.call(&["u"][..1.min(api.parameters.len())]),
            )
        };
        let cases = [
            (
                Kind::Rename,
                "`math.prod` was renamed to `math.oak_pine`.",
                "math.oak_pine(u)",
            ),
            (
                Kind::Move,
                "`math.prod` has moved to `oak_pine.prod`.",
                "oak_pine.prod(u)",
            ),
            (
                Kind::Argument,
                "`math.prod` has the new required argument `oak_pine`. Pass `oak_pine=5`.",
                "math.prod(u, oak_pine=5)",
            ),
            (
                Kind::Keyword,
                "The argument `xs` of `math.prod` must now be given as `oak_pine`.",
                "math.prod(oak_pine=u)",
            ),
            (
                Kind::Default,
                "The default of `start` in `math.prod` was `1` and is now `5`.",
                "math.prod(u, start=1)",
            ),
            (
                Kind::Output,
                "`math.prod` now returns a dictionary. The result is under the key `oak_pine`.",
                "math.prod(u)[\"oak_pine\"]",
            ),
        ];
        for (kind, note, call) in cases {
            assert_eq!(of("math.prod", kind), (note.to_owned(), call.to_owned()));
        }
    }

    #[test]
    fn swapped_arguments_change_places() {
        let names = Names::new(7);
        let api = UNIVERSE.iter().find(|api| api.path == "math.comb").unwrap();
        let update = Update::draw(api, Kind::Swap, &names, true, &mut stream(7, "test", 0, 0));
        assert_eq!(update.call(&["u", "v"]), "math.comb(v, u)");
        assert_eq!(update.signature(), "math.comb(k, n)");
    }
}
