//! Which names the statements of a module bind, change and need.
//!
//! The analysis reads the tree alone. Where it cannot know what a statement does, it reports more rather than fewer names.

mod bound;
mod guard;
mod imports;
mod parts;
mod stack;
mod visit;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use ruff_python_ast::Expr;

use super::{Grammar, SyntaxFault, parse::with_syntax_tree};
use parts::Parts;

pub use imports::{Import, imports};

/// A statement at the top level of a module.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Its text, with `\n` line ends. A main guard with other branches has `pass` in place of its body.
    pub text: String,
    /// Its bytes in the module with `\n` line ends.
    pub range: Range<usize>,
    /// What it is, as far as it matters for its use.
    pub kind: StatementKind,
    /// The names in it.
    pub names: Names,
}

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// `import` or `from … import`.
    Import,
    /// The definition of a function or a class.
    Definition,
    /// An `assert`.
    Assert,
    /// A call of `print`, whose value is not used.
    Print,
    /// `if __name__ == "__main__"` without another branch.
    MainGuard,
    /// A `for` that only calls functions, `print` not among them, and does not use their values.
    LoopOfCalls,
    /// A `while` that nothing in it ends.
    Endless,
    /// A text that stands alone.
    Text,
    /// A simple statement that calls `input`.
    Input,
    /// Any other statement.
    Other,
}

/// The names in a statement.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The names that it binds in the module.
    pub binds: BTreeSet<String>,
    /// Those of them that it imports.
    pub imports: BTreeSet<String>,
    /// The names whose objects it changes by assigning or deleting an attribute or an item, or that it deletes.
    pub changes: BTreeSet<String>,
    /// The names that it reads and does not bind before; those in functions too, because they are read later.
    pub needs: BTreeSet<String>,
    /// The calls that it makes when it runs.
    pub calls: Vec<Call>,
    /// Names that it binds to an object, or a part of an object, that has another name: `row = table[0]`.
    pub aliases: Vec<(String, String)>,
    /// What calls of the functions and classes that it defines do.
    pub effects: BTreeMap<String, Effects>,
}

/// A call by name: `f(x)` or `object.method(x)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The name of the function, or the names of the object: several if it is an element of other objects.
    pub roots: BTreeSet<String>,
    /// The name of the method.
    pub method: Option<String>,
    /// The names of the objects that are passed.
    pub arguments: BTreeSet<String>,
    /// Whether the value of the call is not used.
    pub is_statement: bool,
}

/// What a call of a function does to names outside.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// The names that it binds or changes.
    pub changes: BTreeSet<String>,
    /// The calls that it makes.
    pub calls: Vec<Call>,
    /// Whether an earlier call may change what a later one does, although no name shows it: a function has a
    /// decorator, such as `lru_cache`, or a default that can change; a class has such a method or attribute.
    pub may_remember: bool,
}

/// The statements at the top level of a module; a fault if CPython does not parse it.
pub fn statements(source: &str) -> Result<Vec<Statement>, SyntaxFault> {
    with_syntax_tree(source, Grammar::Python313, |tree| {
        let body = tree.module.body.iter();
        body.map(|statement| guard::read_statement(statement, tree.source))
            .collect()
    })
}

/// The names that the top level of a module binds; a fault if CPython does not parse it.
pub fn bound_names(source: &str) -> Result<BTreeSet<String>, SyntaxFault> {
    let statements = statements(source)?.into_iter();
    Ok(statements
        .flat_map(|statement| statement.names.binds)
        .collect())
}

/// The functions and classes that the top level of a module defines; a fault if CPython does not parse it.
pub fn defined_names(source: &str) -> Result<BTreeSet<String>, SyntaxFault> {
    with_syntax_tree(source, Grammar::Python313, |tree| {
        let names = tree.module.body.iter().filter_map(|statement| {
            let function = statement
                .as_function_def_stmt()
                .map(|def| def.name.as_str());
            function.or_else(|| statement.as_class_def_stmt().map(|def| def.name.as_str()))
        });
        names.map(str::to_owned).collect()
    })
}

/// The names that a program takes from libraries: attributes, imports, keywords of calls, and texts that
/// are keys; a fault if CPython does not parse it.
pub fn library_names(source: &str) -> Result<BTreeSet<String>, SyntaxFault> {
    with_syntax_tree(source, Grammar::Python313, |tree| {
        Parts::of(&tree.module.body).0
    })
}

/// The name of the object of which an expression is the object itself, an attribute or an item.
fn object_of(mut expression: &Expr) -> Option<&str> {
    loop {
        expression = match expression {
            Expr::Attribute(attribute) => &attribute.value,
            Expr::Subscript(subscript) => &subscript.value,
            Expr::Starred(starred) => &starred.value,
            Expr::Name(name) => return Some(name.id.as_str()),
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(source: &str) -> Names {
        let mut all = statements(source).unwrap();
        assert_eq!(all.len(), 1, "{source}");
        all.remove(0).names
    }

    fn joined(names: &BTreeSet<String>) -> String {
        names
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Worked by hand; what a module binds and reads is also what CPython's `symtable` says.
    #[test]
    fn statements_bind_change_and_need_names() {
        for (source, binds, changes, needs) in [
            ("a = b", "a", "", "b"),
            ("a, (b, *c) = d", "a b c", "", "d"),
            ("a += b", "a", "a", "a b"),
            ("a: b = c", "a", "", "b c"),
            ("a: b", "", "", "b"),
            ("a.b = c", "", "a", "a c"),
            ("a[b].c = 1", "", "a", "a b"),
            ("a().b = 1", "", "a", "a"),
            ("del a, b[0]", "", "a b", "b"),
            ("import a.b, c as d", "a d", "", ""),
            ("from a import *", "", "", ""),
            ("(a := b)", "a", "", "b"),
            ("[a for a in b if c]", "", "", "b c"),
            ("[(a := b) for b in c]", "a", "", "c"),
            ("lambda a, b=c: a + d", "", "", "c d"),
            (
                "def a(b, c=d) -> e:\n    f = b\n    return f + g",
                "a",
                "",
                "d e g",
            ),
            ("def a():\n    global b\n    b = c", "a", "", "c"),
            (
                "def a():\n    b = 1\n    def c():\n        nonlocal b\n        b = d\n    return c",
                "a",
                "",
                "d",
            ),
            (
                "class a(b):\n    c = d\n    e = c\n    def f(self):\n        return c",
                "a",
                "",
                "b c d",
            ),
            ("for a in b:\n    a.c = d", "a", "a b", "b d"),
            ("while a:\n    b = 1", "b", "", "a"),
            ("if a:\n    b = 1\nelse:\n    c = b", "b c", "", "a b"),
            ("with a as b:\n    c = b", "b c", "", "a"),
            ("try:\n    a\nexcept b as c:\n    d = c", "c d", "", "a b"),
            (
                "match a:\n    case {'k': b, **c}:\n        d = b",
                "b c d",
                "",
                "a k",
            ),
            ("a = 'b'", "a", "", "b"),
            ("type a = b", "a", "", "b"),
        ] {
            let names = only(source);
            let found = [&names.binds, &names.changes, &names.needs].map(joined);
            assert_eq!(
                found,
                [binds, changes, needs].map(str::to_owned),
                "{source}"
            );
        }
    }

    #[test]
    fn calls_have_objects_methods_and_arguments() {
        for (source, expected) in [
            ("f(a, b.c, k=d)", "f. a b d !"),
            ("a.b.c(d)", "a.c d !"),
            ("globals().update(a=b)", "globals.update b !, globals."),
            ("x = a.b()", "a.b "),
            ("[a.b(c) for a in d]", "d.b c"),
            ("for a in d:\n    a.b()", "a d.b !"),
            ("await f()", "f. !"),
            ("@a.b\ndef f(): pass", "a.b f !"),
            ("def f(): g()", ""),
            ("class C:\n    g()", "g. !"),
        ] {
            let calls = only(source).calls;
            let texts: Vec<String> = calls
                .iter()
                .map(|call| {
                    let method = call.method.as_deref().unwrap_or_default();
                    let mark = if call.is_statement { "!" } else { "" };
                    let space = if call.arguments.is_empty() { "" } else { " " };
                    format!(
                        "{}.{method} {}{space}{mark}",
                        joined(&call.roots),
                        joined(&call.arguments)
                    )
                })
                .collect();
            assert_eq!(texts.join(", ").trim_end(), expected.trim_end(), "{source}");
        }
    }

    #[test]
    fn calls_of_a_function_change_what_is_outside_it() {
        let names = only(
            "def f(a):\n    global b\n    b = 1\n    a.x = 1\n    c.append(d)\n    e['k'] = 1\n    g()",
        );
        let effects = &names.effects["f"];
        assert_eq!(joined(&effects.changes), "b e");
        let roots: Vec<String> = effects
            .calls
            .iter()
            .map(|call| joined(&call.roots))
            .collect();
        assert_eq!(roots, ["c", "g"]);
    }

    #[test]
    fn a_decorator_or_a_default_that_can_change_may_remember() {
        for (source, expected) in [
            ("def f(a): return a", false),
            ("@cache\ndef f(a): return a", true),
            ("def f(a, b=1, c=(), *, d=None): return a", false),
            ("def f(a, b={}): return a", true),
            ("def f(a, *, b=dict()): return a", true),
            ("async def f(a, b=[]): return a", true),
            // It is made at each call.
            (
                "def f(a):\n    @cache\n    def g(b): return b\n    return g(a)",
                false,
            ),
            ("class f:\n    def g(self): return 1", false),
            ("class f:\n    @cache\n    def g(self): return 1", true),
            ("@cache\nclass f:\n    a = 1", true),
            ("class f:\n    a = 1", false),
            ("class f:\n    a = {}", true),
        ] {
            let names = only(source);
            assert_eq!(names.effects["f"].may_remember, expected, "{source}");
        }
    }

    #[test]
    fn statements_have_kinds() {
        use StatementKind::{Endless, Input, LoopOfCalls, MainGuard, Other, Print, Text};
        for (source, expected) in [
            ("if __name__ == '__main__':\n    a", MainGuard),
            ("if '__main__' == __name__ and a:\n    b", MainGuard),
            ("if __name__ == '__main__' or a:\n    b", Other),
            ("if __name__ != '__main__':\n    a", Other),
            ("if __name__ == 'a':\n    b", Other),
            ("for a in b:\n    for c in a:\n        d(c)", LoopOfCalls),
            ("for a in b:\n    print(a)", Other),
            ("for a in b:\n    assert c(a)", Other),
            ("while True:\n    a", Endless),
            ("while 1:\n    def a():\n        raise b", Endless),
            ("while True:\n    if a:\n        break", Other),
            ("while a:\n    b", Other),
            ("\"a\"", Text),
            ("print('a')", Print),
            ("a = input()", Input),
        ] {
            assert_eq!(statements(source).unwrap()[0].kind, expected, "{source}");
        }
    }

    #[test]
    fn of_a_main_guard_the_other_branches_count() {
        let source =
            "if __name__ == '__main__':\n    a = 1\n    b()\nelif c:\n    d = 1\nelse:\n    e = 1";
        let statement = statements(source).unwrap().remove(0);
        let text = "if __name__ == '__main__':\n    pass\nelif c:\n    d = 1\nelse:\n    e = 1";
        assert_eq!(statement.text, text);
        assert_eq!(joined(&statement.names.binds), "d e");
        assert_eq!(statement.kind, StatementKind::Other);
    }

    #[test]
    fn a_deep_statement_needs_no_deep_stack() {
        let deep = "-".repeat(2_900) + "1";
        assert!(statements(&deep).is_ok());
        let elses = "if x: y\n".to_owned() + &"elif x: y\n".repeat(2_000);
        assert!(statements(&elses).is_ok());
    }
}
