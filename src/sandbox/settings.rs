//! What a pool of Python servers is told.

use std::{env, path::PathBuf, thread};

/// What a pool of Python servers is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The interpreter: a path, or a name to look up on `PATH`.
    pub interpreter: PathBuf,
    /// Programs that run side by side.
    pub workers: usize,
    /// Memory of one program.
    pub memory_bytes: u64,
    /// Files of one program, together (they lie in memory).
    pub scratch_bytes: u64,
    /// Whether to go on where the system lacks a safeguard.
    pub is_unsandboxed_allowed: bool,
}

impl Settings {
    /// The interpreter that `RECODE_PYTHON` names, else `python3`.
    pub fn default_interpreter() -> PathBuf {
        env::var_os("RECODE_PYTHON")
            .filter(|value| !value.is_empty())
            .map_or_else(|| PathBuf::from("python3"), PathBuf::from)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interpreter: Self::default_interpreter(),
            workers: thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: 4 << 30,
            scratch_bytes: 64 << 20,
            is_unsandboxed_allowed: false,
        }
    }
}

/// What a server has loaded before its first program: a fat server forks slowly, so that each
/// program gets the slimmest that has what it imports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Modules {
    /// The standard library's most used modules.
    #[default]
    Standard,
    /// These and numpy.
    Numpy,
    /// These and pytest.
    Testing,
    /// The standard library's, numpy and sympy.
    Symbolic,
    /// All of these, pandas and scipy.
    Scientific,
    /// The standard library's, numpy and torch.
    Torch,
}

impl Modules {
    /// The slimmest set that serves a program, by the names that it may import.
    pub fn of_program(source: &str) -> Self {
        let mentions = |names: &[&str]| names.iter().any(|name| mentions_import(source, name));
        if mentions(&["torch"]) {
            Self::Torch
        } else if mentions(&["pandas", "scipy"]) {
            Self::Scientific
        } else if mentions(&["sympy"]) {
            if mentions(&["pytest"]) {
                Self::Scientific
            } else {
                Self::Symbolic
            }
        } else if mentions(&["pytest"]) {
            Self::Testing
        } else if mentions(&["numpy"]) {
            Self::Numpy
        } else {
            Self::Standard
        }
    }

    /// The names to import, in order.
    pub(super) fn names(self) -> Vec<&'static str> {
        let more: &[&str] = match self {
            Self::Standard => &[],
            Self::Numpy => &["numpy"],
            Self::Testing => &["numpy", "pytest"],
            // What scipy and sympy load on first use takes up to 90 ms, once or in every program.
            Self::Symbolic => &[
                "numpy",
                "sympy",
                "sympy.combinatorics",
                "sympy.tensor.tensor",
                "sympy.physics.units.systems",
            ],
            Self::Scientific => &[
                "numpy",
                "pandas",
                "scipy",
                "scipy.linalg",
                "scipy.sparse",
                "scipy.special",
                "sympy",
                "sympy.combinatorics",
                "sympy.tensor.tensor",
                "sympy.physics.units.systems",
                "pytest",
            ],
            Self::Torch => &["numpy", "torch"],
        };
        STANDARD.iter().chain(more).copied().collect()
    }
}

/// What programs import most: each module makes every fork dearer, and a rare one (`decimal`) is
/// cheaper to load by the few programs that use it. `math` and `random` must be here: a program of CodeUpdateArena deletes `math.cos`, and then
/// `import random` fails.
const STANDARD: &[&str] = &[
    "math",
    "random",
    "string",
    "re",
    "itertools",
    "functools",
    "collections",
    "heapq",
    "bisect",
    "copy",
    "datetime",
    "typing",
    "operator",
];

/// Whether some line starts by importing `name`; too often is harmless, a comment costs a little
/// time.
fn mentions_import(source: &str, name: &str) -> bool {
    source.lines().map(str::trim_start).any(|line| {
        let Some(rest) = line
            .strip_prefix("import ")
            .or_else(|| line.strip_prefix("from "))
        else {
            return false;
        };
        rest.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .any(|word| word == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_the_slimmest_server_that_has_its_imports() {
        let cases = [
            ("import math\nx = 'numpy'", Modules::Standard),
            ("import numpyro", Modules::Standard),
            ("def f():\n    import numpy as np", Modules::Numpy),
            ("from numpy import mean", Modules::Numpy),
            ("import os, pandas as pd", Modules::Scientific),
            ("import pytest\nimport numpy", Modules::Testing),
            ("from sympy import Symbol", Modules::Symbolic),
            ("import pytest, sympy", Modules::Scientific),
            ("import sympy\nimport scipy.linalg", Modules::Scientific),
            ("import numpy\nfrom torch.nn import Linear", Modules::Torch),
        ];
        for (source, expected) in cases {
            assert_eq!(Modules::of_program(source), expected, "{source}");
        }
    }
}
