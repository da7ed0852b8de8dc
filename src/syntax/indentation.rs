//! Indentation as CPython's tokenizer measures it.
//!
//! A tab ends at a multiple of 8 columns, and lines must compare in the same way if a tab is 1 column wide, so that
//! this choice never matters. The parser has another rule for tabs.

use ruff_python_ast::token::TokenKind;

use super::token::Token;

/// The two widths of a line's indentation: with tabs of 8 columns, and of 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Indent {
    column: usize,
    alternative: usize,
}

/// The start of the first logical line whose indentation CPython refuses.
pub(super) fn first_fault(source: &str, tokens: &[Token]) -> Option<usize> {
    let mut levels = vec![Indent::default()];
    let mut is_line_start = true;
    for token in tokens {
        match token.kind {
            TokenKind::Newline => is_line_start = true,
            TokenKind::Indent
            | TokenKind::Dedent
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::EndOfFile => {}
            _ if is_line_start => {
                is_line_start = false;
                let before = source.get(..token.start)?;
                let (earlier, white) = before.rsplit_once('\n').unwrap_or(("", before));
                // A continued line has its indentation on the line before the backslash.
                if !earlier.ends_with('\\') && !fits(&mut levels, Indent::of(white)) {
                    return Some(token.start);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether a line may follow the open levels, which it opens or closes.
fn fits(levels: &mut Vec<Indent>, line: Indent) -> bool {
    let top = levels.last().copied().unwrap_or_default();
    if line.column > top.column {
        levels.push(line);
        return line.alternative > top.alternative;
    }
    levels.retain(|level| level.column <= line.column);
    levels.last() == Some(&line)
}

impl Indent {
    fn of(white: &str) -> Self {
        let mut indent = Self::default();
        for character in white.chars() {
            match character {
                ' ' => {
                    indent.column += 1;
                    indent.alternative += 1;
                }
                '\t' => {
                    indent.column = (indent.column / 8 + 1) * 8;
                    indent.alternative += 1;
                }
                // A form feed starts the line again.
                _ => indent = Self::default(),
            }
        }
        indent
    }
}
