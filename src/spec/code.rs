//! The codes of all mistakes that a spec can have, and of its warnings: the one list of them.

/// Makes the enum of the codes, and what `recode explain` says about each: what it means, and what
/// to do.
macro_rules! codes {
    ($($code:ident: $meaning:literal, $remedy:literal;)*) => {
        /// The code of a mistake or a warning, printed as `error[E101]` or `warning[W201]`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Code {
            $(#[doc = $meaning] $code,)*
        }

        impl Code {
            /// All codes.
            pub(super) const ALL: &[Self] = &[$(Self::$code),*];

            /// The code as it is printed.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code)),* }
            }

            /// Whether the spec can be run nevertheless.
            pub(super) fn is_warning(self) -> bool {
                self.name().starts_with('W')
            }

            /// What it means.
            pub(super) fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning),* }
            }

            /// What to do about it.
            pub(super) fn remedy(self) -> &'static str {
                match self { $(Self::$code => $remedy),* }
            }
        }
    };
}

codes! {
    E100: "The text is not TOML.",
        "Correct the syntax at the caret; texts need quotes.";
    E101: "A key or a section does not exist, or belongs to another section.",
        "Take the name that the message suggests; `recode explain SECTION` lists the keys of a section.";
    E102: "A name is none of the choices: an algorithm, a reward, a backend, a benchmark, ...",
        "Take one of the names that the message lists.";
    E103: "A value has the wrong type, such as a text instead of a number.",
        "Write the value as the message shows. For several values of a setting, make it an axis of [grid].";
    E104: "A number or a text is outside the range that makes sense.",
        "Choose a value in the range; `recode explain KEY` prints it.";
    E105: "A required key is missing.",
        "Add the key where the message says.";
    E106: "A file that a setting names does not exist.",
        "Correct the path. Paths start in the folder that has `datasets/` in it; those that begin with `./` or `../`, in the folder of the spec.";
    E107: "A model is neither in the manifest nor a folder or GGUF file.",
        "Name a model of datasets/manifest.toml, a folder in the Hugging Face layout, a GGUF file, `scratch` or `remote`.";
    E108: "A data set is neither in the manifest nor a file.",
        "Name a data set of datasets/manifest.toml, or a JSON-lines file.";
    E109: "A file that `include` names cannot be read.",
        "Correct the path, which is relative to the file that has the `include`.";
    E110: "Files include each other in a circle.",
        "Remove one of the includes.";
    E111: "The name of the experiment cannot be the name of a folder.",
        "Use 1 to 64 letters, digits and `_ - .`, the first a letter or a digit.";
    E112: "Two settings contradict each other.",
        "Change one of the two that the message points at.";
    E113: "The spec cannot be read.",
        "Correct the path of the spec.";
    E114: "An environment variable that begins with `RECODE_` is not a setting.",
        "Correct its name (`train.max_steps` is `RECODE_TRAIN__MAX_STEPS`), or unset it.";
    E115: "A `--set` is not of the form `key=value`.",
        "Write for instance `--set train.max_steps=100`.";
    E116: "Neither the spec nor the current folder is in a project, so that names and paths of data mean nothing.",
        "Run the command in a checkout of this project or in a folder that `recode init` has filled, put the spec into one, or write whole paths of files.";
    E117: "The key `include` is set outside of a file.",
        "Write the `include` into the spec, or change single settings with `--set`.";
    E118: "The file of a site sets something else than how jobs run.",
        "Set it in the spec; the file that RECODE_SITE names may set keys of [run], but not `run.seeds` and `run.backend`.";
    E120: "An axis of the grid is not a setting, or not one that may differ from point to point.",
        "Name the whole path of a setting in quotes; `recode explain KEY` says whether it may be an axis.";
    E121: "An axis, another list or a table of the grid is empty.",
        "Give it values, or remove it.";
    E122: "The lists of a [[grid.zip]] differ in length.",
        "Give all of them equally many values, or put them under [grid] to cross them.";
    E123: "A [[grid.exclude]] or a [[grid.when]] matches no point of the grid.",
        "Correct its values, or remove it.";
    E124: "An axis, or a value in a list, is there twice.",
        "Remove one of the two.";
    E125: "Two points of the grid are equal.",
        "Remove one of them, which is often a [[grid.add]].";
    E126: "The grid has no points left, or too many.",
        "Remove an exclude, or put axes that move together into a [[grid.zip]].";
    E130: "A row of the table is not an axis, or an axis is in no row.",
        "Make `table.rows` name all axes that have several values.";
    E131: "A column of the table names no benchmark or no metric.",
        "Write `benchmark.pass@k`, with a benchmark of `eval.benchmarks`.";
    E132: "A column asks for `pass@k` with a larger k than there are samples.",
        "Raise `eval.samples` of the benchmark, or ask for a smaller k.";
    E133: "The baseline matches no point, or the table shows changes without a baseline.",
        "Name values that the axes have, or write `baseline = { method = \"untrained\" }`.";
    E134: "A reference table does not exist.",
        "Name a table of datasets/reference/, such as `recode.table1`.";
    W201: "A setting changes nothing, because no job reads it.",
        "Remove it, or change the setting that keeps it from being read.";
    W202: "An axis makes no difference to some points, so that several rows of the table are the same jobs.",
        "Remove the axis, or exclude the repeated points with a [[grid.exclude]].";
    W203: "A benchmark is measured, but is in no column of the table.",
        "Add a column for it to `table.cols`, or remove it from `eval.benchmarks`.";
    W204: "No row of the table is compared with its baseline.",
        "Remove `table.baseline`, or add a row that differs from it.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_says_in_sentences_what_it_means_and_what_to_do() {
        for code in Code::ALL {
            for text in [code.meaning(), code.remedy()] {
                assert!(text.starts_with(char::is_uppercase), "{}", code.name());
                assert!(text.ends_with('.'), "{}", code.name());
            }
        }
    }
}
