//! What a Python program uses: dotted names, attributes and keyword arguments.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{
    Expr, ExprCall, Stmt,
    visitor::{self, Visitor},
};
use ruff_text_size::Ranged as _;

use crate::syntax::{Grammar, SyntaxTree, with_syntax_tree};

/// Something that a program may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// `numpy.lib.stride_tricks`: a name or anything below it, under whatever alias.
    Path(Vec<String>),
    /// `.append`: an attribute of anything.
    Attribute(String),
    /// `read_csv(sep=)`, `plot(kind="bar")`, `axis=`: a keyword argument, perhaps with its value.
    Keyword {
        callee: Option<String>,
        name: String,
        value: Option<String>,
    },
}

impl Use {
    /// Reads one of the three notations.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            let starts = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
            starts && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        let wrong = || {
            Err(format!(
                "`{text}` is no use of an API, expected `package.name`, `.attribute`, `argument=` \
                 or `function(argument=)`"
            ))
        };
        if let Some(attribute) = text.strip_prefix('.') {
            return if is_name(attribute) {
                Ok(Self::Attribute(attribute.to_owned()))
            } else {
                wrong()
            };
        }
        let (callee, keyword) = match text.strip_suffix(')').and_then(|it| it.split_once('(')) {
            Some((callee, keyword)) => (Some(callee.to_owned()), keyword),
            None => (None, text),
        };
        let Some((name, value)) = keyword.split_once('=') else {
            let path: Vec<String> = text.split('.').map(str::to_owned).collect();
            return if path.iter().all(|part| is_name(part)) {
                Ok(Self::Path(path))
            } else {
                wrong()
            };
        };
        if !is_name(name) || callee.as_deref().is_some_and(|callee| !is_name(callee)) {
            return wrong();
        }
        Ok(Self::Keyword {
            callee,
            name: name.to_owned(),
            value: (!value.is_empty()).then(|| value.replace('\'', "\"")),
        })
    }
}

/// All that a program uses.
#[derive(Debug, Default)]
pub(super) struct Names {
    paths: BTreeSet<Vec<String>>,
    attributes: BTreeSet<String>,
    keywords: BTreeSet<(Option<String>, String, String)>,
}

impl Names {
    /// The names of `source`; nothing if it does not parse.
    pub(super) fn of(source: &str) -> Option<Self> {
        with_syntax_tree(source, Grammar::Python313, Self::of_tree).ok()
    }

    fn of_tree(tree: &SyntaxTree<'_>) -> Self {
        let body = &tree.module.body;
        let mut imports = Imports::default();
        imports.visit_body(body);
        let mut collector = Collector {
            source: tree.source,
            names: Self {
                paths: imports.paths,
                ..Self::default()
            },
            aliases: imports.aliases,
        };
        collector.visit_body(body);
        collector.names
    }

    /// Whether the program uses this.
    pub(super) fn have(&self, wanted: &Use) -> bool {
        match wanted {
            Use::Path(path) => self.paths.iter().any(|used| used.starts_with(path)),
            Use::Attribute(name) => self.attributes.contains(name),
            Use::Keyword {
                callee,
                name,
                value,
            } => self.keywords.iter().any(|(function, used, text)| {
                used == name
                    && (callee.is_none() || callee == function)
                    && value.as_ref().is_none_or(|value| value == text)
            }),
        }
    }
}

/// What the names that imports bind refer to.
#[derive(Debug, Default)]
struct Imports {
    aliases: BTreeMap<String, Vec<String>>,
    paths: BTreeSet<Vec<String>>,
}

fn parts(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

impl<'a> Visitor<'a> for Imports {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let path = parts(alias.name.as_str());
                    self.paths.insert(path.clone());
                    // `import a.b` binds `a`; `import a.b as c` binds all of it.
                    if let Some(name) = &alias.asname {
                        self.aliases.insert(name.to_string(), path);
                    } else if let Some(first) = path.into_iter().next() {
                        self.aliases.insert(first.clone(), vec![first]);
                    }
                }
            }
            Stmt::ImportFrom(import) if import.level == 0 => {
                let module = import.module.as_ref().map(|name| parts(name.as_str()));
                for alias in &import.names {
                    let mut path = module.clone().unwrap_or_default();
                    path.push(alias.name.to_string());
                    self.paths.insert(path.clone());
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.aliases.insert(name.to_string(), path);
                }
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }
}

struct Collector<'s> {
    source: &'s str,
    names: Names,
    aliases: BTreeMap<String, Vec<String>>,
}

impl Collector<'_> {
    /// The full path of a name or a chain of attributes that begins with an import.
    fn path(&self, expression: &Expr) -> Option<Vec<String>> {
        match expression {
            Expr::Name(name) => self.aliases.get(name.id.as_str()).cloned(),
            Expr::Attribute(attribute) => {
                let mut path = self.path(&attribute.value)?;
                path.push(attribute.attr.to_string());
                Some(path)
            }
            _ => None,
        }
    }

    fn call(&mut self, call: &ExprCall) {
        let callee = match call.func.as_ref() {
            Expr::Attribute(attribute) => Some(attribute.attr.to_string()),
            Expr::Name(name) => self
                .path(&call.func)
                .and_then(|mut path| path.pop())
                .or_else(|| Some(name.id.to_string())),
            _ => None,
        };
        for keyword in &call.arguments.keywords {
            if let Some(name) = &keyword.arg {
                let value = self.text(&keyword.value);
                let name = name.to_string();
                self.names.keywords.insert((callee.clone(), name, value));
            }
        }
    }

    /// A value as `Use::parse` has it: strings in double quotes, the rest as it is written.
    fn text(&self, value: &Expr) -> String {
        match value {
            Expr::StringLiteral(string) => format!("\"{}\"", string.value.to_str()),
            _ => self
                .source
                .get(value.range().to_std_range())
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

impl<'a> Visitor<'a> for Collector<'_> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Some(path) = self.path(expression) {
            self.names.paths.insert(path);
        }
        match expression {
            Expr::Attribute(attribute) => {
                self.names.attributes.insert(attribute.attr.to_string());
            }
            Expr::Call(call) => self.call(call),
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "
import numpy as np
import scipy.misc
from torch import nn, load as read

def f(x):
    from sklearn.externals import joblib
    y = np.linalg.norm(x, axis=0).mean()
    nn.MSELoss(reduction='sum')
    read(x, weights_only=False)
    joblib.dump(y)
    scipy.misc.comb(3, 2)
    return x.sum(level=y.z)
";

    fn uses(text: &str) -> bool {
        Names::of(PROGRAM).unwrap().have(&Use::parse(text).unwrap())
    }

    #[test]
    fn names_are_found_under_their_aliases() {
        for used in [
            "numpy.linalg.norm",
            "numpy.linalg",
            "numpy",
            "scipy.misc.comb",
            "torch.nn.MSELoss",
            "torch.load",
            "sklearn.externals.joblib",
            ".mean",
            ".z",
            "axis=",
            "norm(axis=)",
            "MSELoss(reduction=\"sum\")",
            "MSELoss(reduction='sum')",
            "load(weights_only=False)",
            "sum(level=)",
        ] {
            assert!(uses(used), "{used}");
        }
    }

    #[test]
    fn what_only_looks_like_a_use_is_none() {
        for unused in [
            "numpy.lin",
            "np.linalg",
            "joblib",
            ".reduction",
            "norm(level=)",
            "MSELoss(reduction=\"mean\")",
            "read(weights_only=)",
            "scipy.special",
        ] {
            assert!(!uses(unused), "{unused}");
        }
    }

    #[test]
    fn other_notations_are_refused() {
        for wrong in ["", ".", "a b", "f(x)", "f(=)", "a..b", "np.f(axis=)", "1x"] {
            assert!(
                Use::parse(wrong).unwrap_err().contains("expected"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_text_that_is_no_python_has_no_names() {
        assert!(Names::of("def (").is_none());
    }
}
