//! The names that serde accepts for an enum, so that nothing need repeat them.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

/// The names of the variants of `T`, in the order of declaration; none if `T` is not an enum.
pub fn variants<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    match T::deserialize(Probe) {
        Err(Found(names)) => names.to_vec(),
        Ok(_) => Vec::new(),
    }
}

/// A deserializer that has no value, and only notes what it is asked for.
struct Probe;

/// The names that a type asked for.
#[derive(Debug)]
struct Found(&'static [&'static str]);

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(", "))
    }
}

impl std::error::Error for Found {}

impl de::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
        Err(Found(&[]))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Found> {
        Err(Found(variants))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        #[serde(rename = "0.3.1")]
        Renamed,
        DarkRed,
        Settings(()),
    }

    #[test]
    fn names_are_those_that_a_spec_writes() {
        assert_eq!(variants::<Colour>(), ["0.3.1", "dark_red", "settings"]);
        assert!(variants::<String>().is_empty());
    }
}
