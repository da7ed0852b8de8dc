//! The variables of the environment: the one list of them, for specs, `--help` and the documents.

use std::{env, path::Path};

/// A variable that the program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// The variable that names the file of the site.
pub(super) const SITE: &str = "RECODE_SITE";

/// The file of the site, if no variable names another one.
const SITE_FILE: &str = "/etc/recode/site.toml";

/// The variables of this process, and the file of the site if there is one. A variable that is not UTF-8 cannot be a
/// setting.
pub fn environment() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let is_named = all.iter().any(|(name, _)| name == SITE);
    if !is_named && Path::new(SITE_FILE).is_file() {
        all.push((SITE.to_owned(), SITE_FILE.to_owned()));
    }
    all
}

/// The variables that users may set, besides those that set keys of a spec.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "RECODE_RESULTS",
        meaning: "the folder of results, in place of `results/` of the project",
    },
    Variable {
        name: "RECODE_CACHE",
        meaning: "the folder of downloads and environments, in place of `~/.cache/recode`",
    },
    Variable {
        name: "RECODE_PYTHON",
        meaning: "the Python that runs generated code and, without `report.python`, the clients of trackers, in place of \
                  the one that is found",
    },
    Variable {
        name: SITE,
        meaning: "a file with keys of `[run]` for all specs of a site, in place of `/etc/recode/site.toml`",
    },
    Variable {
        name: "RUST_LOG",
        meaning: "which log lines go to stderr, such as `recode=debug`",
    },
    Variable {
        name: "NO_COLOR",
        meaning: "if not empty: no colours, no bars",
    },
    Variable {
        name: "HF_TOKEN",
        meaning: "an account of the Hugging Face Hub, for `recode fetch`",
    },
    Variable {
        name: "HF_ENDPOINT",
        meaning: "another hub than `https://huggingface.co`",
    },
    Variable {
        name: "HF_HOME",
        meaning: "the folder of the hub's own programs, whose downloads are used",
    },
    Variable {
        name: "HF_HUB_CACHE",
        meaning: "the folder of their models and data sets, in place of `$HF_HOME/hub`",
    },
    Variable {
        name: "PIP_INDEX_URL",
        meaning: "another index of packages than `https://pypi.org/simple`",
    },
    Variable {
        name: "XDG_CACHE_HOME",
        meaning: "the folder of caches, in place of `~/.cache`",
    },
    Variable {
        name: "VISUAL",
        meaning: "the editor of `recode data review`; else `EDITOR`",
    },
];

/// Variables with the prefix of settings that only tests and benchmarks of this project read.
const OF_TESTS: [&str; 6] = [
    "RECODE_SHARED",
    "RECODE_PARITY_VENV",
    "RECODE_BENCH_PYTHON",
    "RECODE_FUZZ_CASES",
    "RECODE_FUZZ_FIRST",
    "RECODE_CASES",
];

/// Whether a variable with the prefix of settings is none.
pub(super) fn is_no_setting(name: &str) -> bool {
    OF_TESTS.contains(&name) || VARIABLES.iter().any(|variable| variable.name == name)
}
