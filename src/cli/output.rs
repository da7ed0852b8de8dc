//! The only functions that print: results to stdout, everything else to stderr.
//!
//! A closed pipe (`recode plan x.toml | head`) is no error: text that cannot be written is dropped. Any
//! other failure, such as a full disk, loses a part of the result: [`lost`] has the reason, and
//! the program's exit code says so.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    sync::OnceLock,
};

use rustix::io::Errno;

use super::closed_output;

/// Why a part of the result is lost: the first error of stdout.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Writes a result to stdout, and a line break if it has none at its end.
pub(super) fn result(text: &str) {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    piece(&[text, end].concat());
}

/// Writes a part of a result to stdout, at once; false if stdout cannot be written.
pub(super) fn piece(text: &str) -> bool {
    let mut stdout = io::stdout().lock();
    let written = if closed_output::is_closed() {
        Err(Errno::BADF.into())
    } else {
        stdout.write_all(text.as_bytes())
    };
    let written = written.and_then(|()| stdout.flush());
    let is_written = written.is_ok();
    remember(written);
    is_written
}

/// Remembers an error of stdout, unless the reader has closed the pipe.
pub(super) fn remember(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Why a part of the result could not be written to stdout, if so.
pub(super) fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// Writes a prompt, after which the person at the terminal types, to stderr.
pub(super) fn prompt(mark: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(mark.as_bytes());
    let _ = stderr.flush();
}

/// Writes a line for the person at the terminal to stderr.
pub(super) fn error_line(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.write_all(b"\n");
}

/// Whether stderr is a terminal and the user has not asked for plain text (`NO_COLOR`).
pub(super) fn is_stderr_colourful() -> bool {
    io::stderr().is_terminal() && !wants_plain_text()
}

/// Whether stdout can be redrawn: it is a terminal, and the user has not asked for plain text.
pub(super) fn is_stdout_redrawable() -> bool {
    io::stdout().is_terminal() && !wants_plain_text()
}

fn wants_plain_text() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Bytes as people read them, in units of 10⁹, 10⁶ or 10³.
pub(super) fn size(bytes: u64) -> String {
    let bytes = bytes as f64;
    match bytes {
        1e9.. => format!("{:.1} GB", bytes / 1e9),
        1e6.. => format!("{:.0} MB", (bytes / 1e6).ceil()),
        _ => format!("{:.0} kB", (bytes / 1e3).ceil()),
    }
}

/// A number and its noun: `1 job`, `2 jobs`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_makes_them_short() {
        let sizes = [0, 1, 999_999, 1_000_000, 2_500_000_000].map(size);
        assert_eq!(sizes, ["0 kB", "1 kB", "1000 kB", "1 MB", "2.5 GB"]);
    }
}
