//! The imports of a module, one name at a time.

use ruff_python_ast::{Alias, Stmt};

use super::bound::bound_by;
use crate::syntax::{Grammar, SyntaxFault, parse::with_syntax_tree};

/// An import of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The name that it binds.
    pub name: String,
    /// The statement: `import a.b`, `from a import b as c`.
    pub text: String,
}

/// The imports at the top level of a module, in their order, without `*` and those from `__future__`; a fault if
/// CPython does not parse the module.
pub fn imports(source: &str) -> Result<Vec<Import>, SyntaxFault> {
    with_syntax_tree(source, Grammar::Python313, |tree| {
        let all = tree.module.body.iter().flat_map(imports_of);
        all.collect()
    })
}

fn imports_of(statement: &Stmt) -> Vec<Import> {
    let (before, aliases) = match statement {
        Stmt::Import(part) => (String::new(), &part.names),
        Stmt::ImportFrom(part) => {
            let module = part.module.as_ref().map_or("", |module| module.as_str());
            if module == "__future__" {
                return Vec::new();
            }
            let dots = ".".repeat(part.level as usize);
            (format!("from {dots}{module} "), &part.names)
        }
        _ => return Vec::new(),
    };
    let import = |alias: &Alias| {
        let renamed = alias.asname.as_ref();
        let renamed = renamed.map_or_else(String::new, |name| format!(" as {name}"));
        Import {
            name: bound_by(alias).to_owned(),
            text: format!("{before}import {}{renamed}", alias.name),
        }
    };
    let named = aliases.iter().filter(|alias| alias.name.as_str() != "*");
    named.map(import).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand.
    #[test]
    fn an_import_of_several_names_is_several_imports() {
        let source = "from __future__ import annotations\nimport a.b, c as d\nfrom e import *\n\
                      from .f import (g, h as i,)\nif x:\n    import j\nfrom .. import k";
        let expected = [
            ("a", "import a.b"),
            ("d", "import c as d"),
            ("g", "from .f import g"),
            ("i", "from .f import h as i"),
            ("k", "from .. import k"),
        ];
        let expected = expected.map(|(name, text)| Import {
            name: name.to_owned(),
            text: text.to_owned(),
        });
        assert_eq!(imports(source).unwrap(), expected);
        assert!(imports("import (").is_err());
    }
}
