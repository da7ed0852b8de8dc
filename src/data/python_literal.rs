//! Values written as Python literals: what `repr` prints for lists, dictionaries, strings, numbers.

use ruff_python_ast::{Expr, Number, Stmt, UnaryOp};
use serde_json::{Map, Value};

use crate::syntax::{Grammar, with_syntax_tree};

/// The JSON value of a Python literal; tuples become arrays.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let found = with_syntax_tree(text.trim(), Grammar::Python313, |tree| {
        match tree.module.body.as_slice() {
            [Stmt::Expr(statement)] => value(&statement.value),
            _ => Err("not a Python literal: expected one expression".to_owned()),
        }
    });
    found.unwrap_or_else(|fault| Err(format!("not a Python literal: {fault}")))
}

fn value(expression: &Expr) -> Result<Value, String> {
    match expression {
        Expr::StringLiteral(string) => Ok(Value::from(string.value.to_str())),
        Expr::BooleanLiteral(boolean) => Ok(Value::from(boolean.value)),
        Expr::NoneLiteral(_) => Ok(Value::Null),
        Expr::NumberLiteral(literal) => number(&literal.value, 1.0),
        Expr::UnaryOp(unary) => match (unary.op, unary.operand.as_ref()) {
            (UnaryOp::USub, Expr::NumberLiteral(literal)) => number(&literal.value, -1.0),
            _ => Err("an operator other than a minus before a number".to_owned()),
        },
        Expr::List(list) => list.elts.iter().map(value).collect(),
        Expr::Tuple(tuple) => tuple.elts.iter().map(value).collect(),
        Expr::Dict(dictionary) => {
            let mut map = Map::new();
            for item in &dictionary.items {
                let Some(Expr::StringLiteral(key)) = &item.key else {
                    return Err("a dictionary with a key that is not a string".to_owned());
                };
                map.insert(key.value.to_str().to_owned(), value(&item.value)?);
            }
            Ok(Value::Object(map))
        }
        _ => Err("an expression that is not a literal".to_owned()),
    }
}

fn number(number: &Number, sign: f64) -> Result<Value, String> {
    match number {
        Number::Int(int) => {
            let signed = if sign < 0.0 {
                int.as_i64().map(|n| -n)
            } else {
                int.as_i64()
            };
            signed
                .map(Value::from)
                .ok_or_else(|| format!("the integer `{int}` is too large"))
        }
        // JSON has no such number, and would read null.
        Number::Float(float) if !float.is_finite() => Err("a float that is not finite".to_owned()),
        Number::Float(float) => Ok(Value::from(sign * float)),
        Number::Complex { .. } => Err("a complex number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_read_as_python_reads_them() {
        // Oracle: the rules of Python's string escapes, worked by hand.
        let text = r#"{'a': ["it's", 'line\nbreak', '\u03c0 \x41 \\'], 'b': (1, -2.5, True, None), 'c': {}}"#;

        assert_eq!(
            parse(text).unwrap(),
            json!({"a": ["it's", "line\nbreak", "π A \\"], "b": [1, -2.5, true, null], "c": {}})
        );
    }

    #[test]
    fn what_is_not_a_literal_is_refused() {
        for (text, reason) in [
            ("[1,", "not a Python literal"),
            ("open('x')", "not a literal"),
            ("{1: 2}", "not a string"),
            ("{**a}", "not a string"),
            ("not True", "an operator"),
            ("[1e999]", "not finite"),
            ("1; 2", "expected one expression"),
            ("", "expected one expression"),
        ] {
            assert!(parse(text).unwrap_err().contains(reason), "{text}");
        }
    }
}
