//! The modules that servers load beforehand.

/// The modules that a server loads before its first program.
///
/// A large server forks slowly, so each program gets the smallest one that has loaded what the program imports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Modules {
    /// The most used modules of the standard library.
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
    /// The smallest set that has what a program may import.
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
            Self::Numpy => &["numpy", "numpy.random"],
            Self::Testing => &["numpy", "numpy.random", "pytest"],
            // The modules that scipy and sympy load on first use take up to 90 ms, which every program would spend.
            Self::Symbolic => &[
                "numpy",
                "numpy.random",
                "sympy",
                "sympy.combinatorics",
                "sympy.tensor.tensor",
                "sympy.physics.units.systems",
            ],
            Self::Scientific => &[
                "numpy",
                "numpy.random",
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
            Self::Torch => &["numpy", "numpy.random", "torch"],
        };
        STANDARD.iter().chain(more).copied().collect()
    }
}

/// The modules that programs import most. Each one makes every fork slower, so a rare one (`decimal`) is loaded by the
/// few programs that use it. `math` and `random` must be here: a program of CodeUpdateArena deletes `math.cos`, after
/// which `import random` fails.
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

/// Whether a line starts with an import of `name`. A false yes is harmless: it costs a little time.
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
    fn a_program_gets_the_smallest_server_that_has_its_imports() {
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
