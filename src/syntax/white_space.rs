//! White space and line ends as Python has them.

use std::borrow::Cow;

/// Whether Python's `str.isspace` holds: Unicode's white space and the four ASCII separators.
pub fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Replaces `\r\n` and `\r` by `\n`, as CPython's tokenizer does first.
pub(super) fn with_unix_line_ends(source: &str) -> Cow<'_, str> {
    if source.contains('\r') {
        Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(source)
    }
}
