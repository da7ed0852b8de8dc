//! The macros that declare settings.

/// Makes a struct of settings and its [`Settings::FIELDS`](super::Settings) from one declaration.
///
/// A field is a setting (`#[key(kind, default = …, source = "…")]`), a table of settings
/// (`#[table]`), or, with neither, something that the program fills in. Its documentation is also
/// what `recode explain` and the JSON Schema say about it. A default is written as in TOML.
///
/// ```ignore
/// settings! {
///     /// The table `lr`: linear warm-up, then a schedule.
///     pub struct LearningRate {
///         /// The highest learning rate.
///         #[key(above_to(0.0, 10.0), default = 5e-5, source = "paper, set-up")]
///         pub peak: f64,
///     }
/// }
/// ```
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        $(#[derive($($derive:ident),+)])?
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)*)])*
                $(#[key($($key:tt)*)])?
                $(#[table $(($($table:tt)*))?])?
                pub $field:ident: $type:ty,
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, $($($derive,)+)? ::serde::Serialize, ::serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                $(#[serde($($serde)*)])*
                pub $field: $type,
            )*
        }

        impl $crate::settings::Settings for $name {
            const DOC: &'static str = concat!($($about),+).trim_ascii_start();
            const FIELDS: &'static [$crate::settings::Field] = &[
                $($crate::settings::settings!(
                    @field $field [$type] [$($doc),+]
                    $(key[$($key)*])?
                    $(table[$($($table)*)?])?
                )),*
            ];
        }
    };
    (@field $field:ident [$type:ty] [$($doc:literal),+]) => {
        $crate::settings::Field::Internal
    };
    (
        @field $field:ident [$type:ty] [$($doc:literal),+]
        key[
            $kind:expr
            $(, default = $default:tt)?
            $(, source = $source:literal)?
            $(,)?
        ]
    ) => {
        $crate::settings::Field::Key($crate::settings::Key {
            name: stringify!($field),
            kind: $kind,
            default: $crate::settings::settings!(@toml $($default)?),
            source: $crate::settings::settings!(@text $($source)?),
            doc: concat!($($doc),+).trim_ascii_start(),
        })
    };
    (
        @field $field:ident [$type:ty] [$($doc:literal),+]
        table[
            $(name = $name:literal $(,)?)?
            $(source = $source:literal $(,)?)?
            $(defaults($($presets:tt)*) $(,)?)?
        ]
    ) => {
        $crate::settings::Field::Table($crate::settings::Table {
            name: $crate::settings::settings!(@name $field $($name)?),
            fields: <$type as $crate::settings::Settings>::FIELDS,
            presets: $crate::settings::presets!($($($presets)*)?),
            source: $crate::settings::settings!(@text $($source)?),
            doc: concat!($($doc),+).trim_ascii_start(),
        })
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@toml) => { None };
    (@toml $default:tt) => { Some(stringify!($default)) };
    (@text) => { None };
    (@text $text:literal) => { Some($text) };
}

/// Defaults that hold in one place: `top_k = 0, "no filter";`. A default with other values than
/// elsewhere says so: `temperature = 1.0 in above_to(0.0, 100.0), "paper, set-up";`.
macro_rules! presets {
    ($(
        $first:ident $(. $rest:ident)* = $default:tt $(in $kind:expr)? $(, $source:literal)?;
    )*) => {
        &[$($crate::settings::Preset {
            path: concat!(stringify!($first) $(, ".", stringify!($rest))*),
            default: stringify!($default),
            source: $crate::settings::settings!(@text $($source)?),
            kind: $crate::settings::presets!(@kind $($kind)?),
        }),*]
    };
    (@kind) => { None };
    (@kind $kind:expr) => { Some($kind) };
}

/// Settings that no struct has, as the name of an experiment.
macro_rules! keys {
    ($(
        $(#[doc = $doc:literal])+
        #[key($($key:tt)*)]
        $name:ident,
    )*) => {
        &[$($crate::settings::settings!(@field $name [()] [$($doc),+] key[$($key)*])),*]
    };
}

pub(crate) use {keys, presets, settings};
