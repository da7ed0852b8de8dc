//! The codes of all mistakes that a spec can have: the one list of them.

/// The code of a mistake, printed as `error[E101]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Code {
    /// The text is not TOML.
    E100,
    /// A key or a section that does not exist, or that belongs elsewhere.
    E101,
    /// A name that is none of the choices: an algorithm, a reward, a backend, a benchmark, ...
    E102,
    /// A value of another type: a text where a number belongs.
    E103,
    /// A number or a text outside the range that makes sense.
    E104,
    /// A required key is not there.
    E105,
    /// A file that a setting names is not there.
    E106,
    /// A model that is neither in the manifest nor a folder.
    E107,
    /// A data set that is neither in the manifest nor a file.
    E108,
    /// A file that `include` names cannot be read.
    E109,
    /// Files that include each other in a circle.
    E110,
    /// A name that cannot be a folder's name.
    E111,
    /// Two settings that contradict each other.
    E112,
    /// The spec itself cannot be read.
    E113,
    /// An environment variable `RECODE_...` that is no setting.
    E114,
    /// A `--set` without `key=value`.
    E115,
    /// A grid axis that is not a setting, or one that cannot be swept.
    E120,
    /// An axis, or another list, without values.
    E121,
    /// The lists of a `[[grid.zip]]` differ in length.
    E122,
    /// A `[[grid.exclude]]` or `[[grid.when]]` that matches no point of the grid.
    E123,
    /// The same axis twice.
    E124,
    /// Two equal points of the grid.
    E125,
    /// A grid with no points left, or with too many.
    E126,
    /// A row of the table that is no axis, or an axis that is in no row.
    E130,
    /// A column of the table that names no benchmark or metric.
    E131,
    /// A `pass@k` with more than there are samples.
    E132,
    /// A baseline that matches nothing, or changes without a baseline.
    E133,
    /// A reference table that does not exist.
    E134,
}

impl Code {
    /// The code as it is printed.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::E100 => "E100",
            Self::E101 => "E101",
            Self::E102 => "E102",
            Self::E103 => "E103",
            Self::E104 => "E104",
            Self::E105 => "E105",
            Self::E106 => "E106",
            Self::E107 => "E107",
            Self::E108 => "E108",
            Self::E109 => "E109",
            Self::E110 => "E110",
            Self::E111 => "E111",
            Self::E112 => "E112",
            Self::E113 => "E113",
            Self::E114 => "E114",
            Self::E115 => "E115",
            Self::E120 => "E120",
            Self::E121 => "E121",
            Self::E122 => "E122",
            Self::E123 => "E123",
            Self::E124 => "E124",
            Self::E125 => "E125",
            Self::E126 => "E126",
            Self::E130 => "E130",
            Self::E131 => "E131",
            Self::E132 => "E132",
            Self::E133 => "E133",
            Self::E134 => "E134",
        }
    }
}
