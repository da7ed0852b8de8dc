//! A completion and its target, as rewards see them.

use std::borrow::Cow;

use crate::syntax::{
    Grammar, NormalizeError, SyntaxFault, SyntaxTree, normalize_fixed, normalize_published,
    with_syntax_tree,
};

use super::{Detail, Fault, Measured, Normalizer, extract::fenced_code};

/// A completion and its target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    completion: &'a str,
    target: &'a str,
    normalizer: Normalizer,
}

/// Why there is no code to compare.
#[derive(Debug)]
pub(super) enum NoCode {
    /// There is no fenced code.
    NoFence,
    /// CPython would raise `SyntaxError`.
    DoesNotParse,
    /// The reference would not end, or raise another exception; or a limit is reached.
    Raises(Fault),
}

impl NoCode {
    /// The score `value`, with the reason for it.
    pub(super) fn measured(self, value: f64) -> Measured {
        match self {
            Self::NoFence => Measured::new(value, Detail::NoCode),
            Self::DoesNotParse => Measured::new(value, Detail::DoesNotParse),
            Self::Raises(fault) => Measured::new(value, Detail::DoesNotParse).with(fault),
        }
    }
}

impl<'a> Pair<'a> {
    pub(super) fn new(completion: &'a str, target: &'a str, normalizer: Normalizer) -> Self {
        Self {
            completion,
            target,
            normalizer,
        }
    }

    pub(super) fn normalizer(&self) -> Normalizer {
        self.normalizer
    }

    /// The completion's code, normalised.
    pub(super) fn code(&self) -> Result<String, NoCode> {
        self.normalize(&self.fence()?)
    }

    /// The completion's code, normalised, if it parses.
    ///
    /// As published, the syntax of the normalised code counts; as fixed, that of the code itself, so that removing a
    /// docstring cannot break it.
    pub(super) fn code_that_parses(&self) -> Result<String, NoCode> {
        let code = self.fence()?;
        match self.normalizer {
            Normalizer::Published => {
                let code = self.normalize(&code)?;
                self.read_tree(&code, |_| ())?;
                Ok(code)
            }
            Normalizer::Fixed => {
                self.read_tree(&code, |_| ())?;
                self.normalize(&code)
            }
        }
    }

    /// The target, normalised.
    pub(super) fn target_code(&self) -> Result<String, NoCode> {
        self.normalize(self.target)
    }

    /// Calls `read` with the syntax tree of the completion's code.
    ///
    /// The tree is that of the text whose syntax [`Self::code_that_parses`] checks.
    pub(super) fn code_tree<T>(
        &self,
        read: impl FnOnce(&SyntaxTree<'_>) -> T,
    ) -> Result<T, NoCode> {
        self.tree(&self.fence()?, read)
    }

    /// Calls `read` with the syntax tree of the target.
    pub(super) fn target_tree<T>(
        &self,
        read: impl FnOnce(&SyntaxTree<'_>) -> T,
    ) -> Result<T, NoCode> {
        self.tree(self.target, read)
    }

    fn tree<T>(&self, code: &str, read: impl FnOnce(&SyntaxTree<'_>) -> T) -> Result<T, NoCode> {
        match self.normalizer {
            Normalizer::Published => self.read_tree(&self.normalize(code)?, read),
            Normalizer::Fixed => self.read_tree(code, read),
        }
    }

    fn fence(&self) -> Result<Cow<'a, str>, NoCode> {
        fenced_code(self.completion, self.target, self.normalizer).ok_or(NoCode::NoFence)
    }

    fn normalize(&self, code: &str) -> Result<String, NoCode> {
        match self.normalizer {
            Normalizer::Published => normalize_published(code)
                .map_err(|NormalizeError::TooLarge| NoCode::Raises(Fault::TooLarge)),
            Normalizer::Fixed => Ok(normalize_fixed(code)),
        }
    }

    fn read_tree<T>(
        &self,
        code: &str,
        read: impl FnOnce(&SyntaxTree<'_>) -> T,
    ) -> Result<T, NoCode> {
        let grammar = match self.normalizer {
            Normalizer::Published => Grammar::Python311,
            Normalizer::Fixed => Grammar::Python313,
        };
        let is_published = self.normalizer == Normalizer::Published;
        with_syntax_tree(code, grammar, read).map_err(|fault| match fault {
            SyntaxFault::TooDeep if is_published => NoCode::Raises(Fault::TooDeep),
            _ => NoCode::DoesNotParse,
        })
    }
}
