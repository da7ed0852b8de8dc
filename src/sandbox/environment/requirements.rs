//! The libraries that some benchmarks import, in pinned versions.
//!
//! The lists are in `datasets/python`, with hashes: the next version of a library may give a solution another verdict.

use std::path::PathBuf;

use super::{EnvironmentError, Interpreter};

/// A list of libraries, each with its version and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirements {
    /// The versions that give the published verdicts.
    Pinned,
    /// The newest versions with recorded verdicts, for a Python that is too new for the others.
    Newest,
}

impl Requirements {
    /// In the order in which an environment is chosen to judge.
    pub const ALL: &[Self] = &[Self::Pinned, Self::Newest];

    /// The name of its file and of its environment's folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Newest => "newest",
        }
    }

    /// The minor versions of Python 3 that have wheels for all of them.
    fn minors(self) -> &'static [u32] {
        match self {
            // The recorded verdicts come from 3.11.
            Self::Pinned => &[11, 12, 10, 9],
            Self::Newest => &[11, 12, 13, 14],
        }
    }

    /// Whether all libraries have wheels for an interpreter.
    pub(super) fn supports(self, interpreter: &Interpreter) -> bool {
        let minor = interpreter.version.split('.').nth(1);
        let minor = minor.and_then(|minor| minor.parse().ok());
        minor.is_some_and(|minor| self.minors().contains(&minor))
    }

    /// The text of its file, as `pip` reads it.
    pub(super) fn text(self, with_torch: bool) -> &'static str {
        match (self, with_torch) {
            (Self::Pinned, false) => include_str!("../../../datasets/python/pinned.txt"),
            (Self::Pinned, true) => include_str!("../../../datasets/python/pinned-torch.txt"),
            (Self::Newest, false) => include_str!("../../../datasets/python/newest.txt"),
            (Self::Newest, true) => include_str!("../../../datasets/python/newest-torch.txt"),
        }
    }

    /// The preferred Python of this machine among those that the libraries support.
    pub fn base(self) -> Result<Interpreter, EnvironmentError> {
        let mut names: Vec<PathBuf> = self
            .minors()
            .iter()
            .map(|minor| format!("python3.{minor}").into())
            .collect();
        names.push("python3".into());
        let found: Vec<Interpreter> = names
            .iter()
            .filter_map(|name| Interpreter::find(name).ok())
            .collect();
        match found.iter().find(|found| self.supports(found)) {
            Some(interpreter) => Ok(interpreter.clone()),
            None => Err(self.unsupported(&found)),
        }
    }

    /// The error if none of the interpreters that were found is supported.
    pub(super) fn unsupported(self, found: &[Interpreter]) -> EnvironmentError {
        let (low, high) = match self {
            Self::Pinned => ("3.9", "3.12"),
            Self::Newest => ("3.11", "3.14"),
        };
        let versions: Vec<&str> = found.iter().map(|one| one.version.as_str()).collect();
        EnvironmentError::Unsuited {
            name: self.name(),
            low,
            high,
            found: if versions.is_empty() {
                "none".to_owned()
            } else {
                versions.join(", ")
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned_to_a_version_and_a_hash() {
        for requirements in Requirements::ALL {
            for with_torch in [false, true] {
                let text = requirements.text(with_torch).replace("\\\n", " ");
                let lines: Vec<&str> = text
                    .lines()
                    .filter(|line| !line.is_empty() && !line.starts_with('#'))
                    .collect();
                for name in ["numpy", "pandas", "pytest", "scipy", "sympy", "mpmath"] {
                    let start = format!("{name}==");
                    assert!(lines.iter().any(|line| line.starts_with(&start)), "{name}");
                }
                assert_eq!(with_torch, text.contains("\ntorch=="));
                for line in lines {
                    assert!(
                        line.contains("==") && line.contains("--hash=sha256:"),
                        "{line}"
                    );
                }
            }
        }
    }
}
