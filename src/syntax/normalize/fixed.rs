//! The normal form as it was meant, on Python's own tokens.

use std::ops::Range;

use ruff_python_ast::token::TokenKind;

use crate::syntax::{
    parse::with_tokens,
    token::Token,
    white_space::{is_python_space, with_unix_line_ends},
};

/// Removes comments, string statements and blank lines, by Python's own tokens.
pub fn normalize_fixed(code: &str) -> String {
    let code = with_unix_line_ends(code);
    let pieces = with_tokens(&code, |tokens| {
        (comments(tokens), string_statements(tokens), solid(tokens))
    });
    // A text that nests too deeply to be read is not code and is kept as it is.
    let Some((mut cuts, statements, solid)) = pieces else {
        return code.into_owned();
    };
    cuts.extend(statements);
    cuts.sort_by_key(|cut| cut.start);
    let mut kept = Vec::new();
    for line in logical_pieces(&code, &solid) {
        let text = without_cuts(&code, line, &cuts);
        let text = text.trim_end_matches(is_python_space);
        if !text.is_empty() {
            kept.push(text.to_owned());
        }
    }
    kept.join("\n").trim_matches(is_python_space).to_owned()
}

fn comments(tokens: &[Token]) -> Vec<Range<usize>> {
    let comments = tokens
        .iter()
        .filter(|token| token.kind == TokenKind::Comment);
    comments.map(|token| token.start..token.end).collect()
}

/// Statements that are nothing but string literals.
fn string_statements(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // The first byte of the strings that the statement so far consists of.
    let mut first_string = None;
    let mut at_start = true;
    for token in tokens {
        match token.kind {
            TokenKind::Newline | TokenKind::EndOfFile | TokenKind::Indent | TokenKind::Dedent => {
                found.extend(first_string.take().map(|start| start..token.start));
                at_start = true;
            }
            TokenKind::String if at_start => {
                first_string = Some(token.start);
                at_start = false;
            }
            TokenKind::String | TokenKind::Comment | TokenKind::NonLogicalNewline => {}
            _ => (first_string, at_start) = (None, false),
        }
    }
    found
}

/// Tokens that contain line breaks which end no line of code: strings, and f-strings from start to end.
fn solid(tokens: &[Token]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open = Vec::new();
    for token in tokens {
        match token.kind {
            TokenKind::String if open.is_empty() => found.push(token.start..token.end),
            TokenKind::FStringStart | TokenKind::TStringStart => open.push(token.start),
            TokenKind::FStringEnd | TokenKind::TStringEnd => {
                let start = open.pop();
                found.extend(
                    start
                        .filter(|_| open.is_empty())
                        .map(|start| start..token.end),
                );
            }
            _ => {}
        }
    }
    found
}

/// The lines of `code`; a line break within one of `solid` does not end a line.
fn logical_pieces(code: &str, solid: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut solid = solid.iter().peekable();
    for (at, _) in code.match_indices('\n') {
        while solid.next_if(|range| range.end <= at).is_some() {}
        if solid.peek().is_none_or(|range| at < range.start) {
            pieces.push(start..at);
            start = at + 1;
        }
    }
    pieces.push(start..code.len());
    pieces
}

fn without_cuts(code: &str, line: Range<usize>, cuts: &[Range<usize>]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut from = line.start;
    let first = cuts.partition_point(|cut| cut.end <= line.start);
    for cut in cuts
        .iter()
        .skip(first)
        .take_while(|cut| cut.start < line.end)
    {
        text.push_str(code.get(from..cut.start.max(from)).unwrap_or_default());
        from = cut.end.min(line.end).max(from);
    }
    text.push_str(code.get(from..line.end).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_blank_lines_and_docstrings_go() {
        let code = "# head\n\ndef f(x):  # it's\n    \"\"\"Doc.\n\n    More.\"\"\"\n\n    # body\n    return '#' + x # end\n";
        assert_eq!(normalize_fixed(code), "def f(x):\n    return '#' + x");
    }

    #[test]
    fn strings_that_are_values_stay_whole() {
        let code = "x = '''a\n\n  # b\n'''\ny = f'''{x}\n\n# c'''";
        assert_eq!(normalize_fixed(code), code);
    }

    #[test]
    fn line_ends_of_windows_are_line_ends() {
        assert_eq!(normalize_fixed("x = 1\r\n\r\ny = 2\r\n"), "x = 1\ny = 2");
    }

    proptest! {
        #[test]
        fn no_text_panics(code in any::<String>()) {
            let _ = normalize_fixed(&code);
        }
    }
}
