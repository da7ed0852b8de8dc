//! No production file is long without a reason.

use super::source::production_files;

/// Lines of a file without its tests.
const LINES: usize = 400;

/// What the top comment of a longer file says, followed by the reason.
const REASON: &str = "Longer than 400 lines because";

#[test]
fn no_production_file_is_long_without_a_reason() {
    let mut long = Vec::new();
    for file in production_files() {
        let lines = file.code.trim_end().lines().count();
        let has_reason = file
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .any(|line| line.contains(REASON));
        if lines > LINES && !has_reason {
            long.push(format!("src/{}: {lines} lines", file.path));
        }
    }
    assert!(
        long.is_empty(),
        "split these files, or write `{REASON} …` into their top comments:\n{}",
        long.join("\n")
    );
}
