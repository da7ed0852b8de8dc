//! Arguments that take one of some names, also as papers write them: `ES*`, `HumanEval+`.

use std::ffi::OsStr;

use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use crate::settings::spelled;

/// Reads one of some names in any spelling of it.
#[derive(Clone)]
pub(super) struct SpelledValues {
    names: Vec<&'static str>,
    strict: PossibleValuesParser,
}

impl SpelledValues {
    /// Reads one of these values, each with its own name.
    pub(super) fn new(values: impl IntoIterator<Item = (&'static str, PossibleValue)>) -> Self {
        let (names, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        Self {
            names,
            strict: PossibleValuesParser::new(values),
        }
    }
}

impl TypedValueParser for SpelledValues {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, Error> {
        let text = value.to_str();
        let name = text.and_then(|text| spelled(text, self.names.iter().copied()));
        self.strict
            .parse_ref(command, argument, name.map_or(value, OsStr::new))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.strict.possible_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_any_spelling_and_no_other_is() {
        let names = ["es", "es_star"];
        let parser = SpelledValues::new(names.map(|name| (name, PossibleValue::new(name))));
        let read = |text: &str| {
            let command = Command::new("recode");
            parser.parse_ref(&command, None, OsStr::new(text)).ok()
        };

        assert_eq!(read("ES*").as_deref(), Some("es_star"));
        assert_eq!(read("es").as_deref(), Some("es"));
        assert_eq!(read("ess"), None);
    }
}
