//! Release notes, cut into passages of one change each.

/// A piece of release notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The line at which it begins, counted from 1.
    pub line: usize,
    /// The heading above it.
    pub heading: String,
    /// Its text, without the mark of a list.
    pub text: String,
}

/// Cuts Markdown or reStructuredText at headings, blank lines and the items of outer lists.
///
/// Only passages that name something in backticks are kept: a change of an API names it.
pub fn passages(notes: &str) -> Vec<Passage> {
    let lines: Vec<&str> = notes.lines().map(str::trim_end).collect();
    let mut found = Cut::default();
    let mut position = 0;
    while let Some(line) = lines.get(position) {
        let next = lines.get(position + 1).copied().unwrap_or_default();
        if let Some(heading) = markdown_heading(line) {
            found.close();
            heading.clone_into(&mut found.heading);
        } else if is_underline(next, line) {
            found.close();
            line.trim().clone_into(&mut found.heading);
            position += 1;
        } else if line.is_empty() {
            found.after_blank = true;
        } else if let Some(text) = item(line) {
            found.close();
            found.begin(position + 1, text, true);
        } else if line.starts_with(' ') && found.is_item || !found.after_blank && found.is_open() {
            found.go_on(line);
        } else {
            found.close();
            found.begin(position + 1, line, false);
        }
        position += 1;
    }
    found.close();
    found.passages.retain(|passage| passage.text.contains('`'));
    found.passages
}

/// What has been cut so far, and the passage that is open.
#[derive(Debug, Default)]
struct Cut {
    passages: Vec<Passage>,
    heading: String,
    open: Option<Passage>,
    is_item: bool,
    after_blank: bool,
}

impl Cut {
    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn begin(&mut self, line: usize, text: &str, is_item: bool) {
        self.open = Some(Passage {
            line,
            heading: self.heading.clone(),
            text: text.trim().to_owned(),
        });
        (self.is_item, self.after_blank) = (is_item, false);
    }

    fn go_on(&mut self, line: &str) {
        if let Some(passage) = &mut self.open {
            // A paragraph within an item stays one.
            passage
                .text
                .push_str(if self.after_blank { "\n\n" } else { "\n" });
            passage.text.push_str(line.trim());
        }
        self.after_blank = false;
    }

    fn close(&mut self) {
        self.passages.extend(self.open.take());
        (self.is_item, self.after_blank) = (false, false);
    }
}

fn markdown_heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len())
        .then(|| text.strip_prefix(' '))
        .flatten()
}

/// Whether `line` underlines `above`, as headings of reStructuredText are.
fn is_underline(line: &str, above: &str) -> bool {
    let Some(mark) = line.chars().next() else {
        return false;
    };
    let is_row = "=-~^\"'*+#".contains(mark) && line.chars().all(|c| c == mark);
    let above = above.trim_end();
    is_row && !above.is_empty() && !above.starts_with(' ') && line.len() >= above.len().max(3)
}

/// The text of an item of an outer list.
fn item(line: &str) -> Option<&str> {
    ["- ", "* ", "+ "]
        .iter()
        .find_map(|mark| line.strip_prefix(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(notes: &str) -> Vec<(usize, String, String)> {
        let found = passages(notes).into_iter();
        found
            .map(|passage| (passage.line, passage.heading, passage.text))
            .collect()
    }

    fn expected(rows: &[(usize, &str, &str)]) -> Vec<(usize, String, String)> {
        let owned = |row: &(usize, &str, &str)| (row.0, row.1.to_owned(), row.2.to_owned());
        rows.iter().map(owned).collect()
    }

    #[test]
    fn items_and_paragraphs_of_markdown_are_passages() {
        let notes = "# Lib 2.0\nThanks to all.\n\n## Removals\n\n- `a` is gone.\n  Use `b`.\n\n  More \
                     of it.\n- Nothing to see.\n* `c` takes `d`.\n\nThe `e` of\n`f` moved.\n";

        assert_eq!(
            cut(notes),
            expected(&[
                (6, "Removals", "`a` is gone.\nUse `b`.\n\nMore of it."),
                (11, "Removals", "`c` takes `d`."),
                (13, "Removals", "The `e` of\n`f` moved."),
            ])
        );
    }

    #[test]
    fn headings_of_restructured_text_are_their_underlined_lines() {
        let notes = "Release 2\n=========\n\n``x`` first\n\nDeprecations\n~~~~~~~~~~~~\n*   ``y()`` is old\n    now\n";

        assert_eq!(
            cut(notes),
            expected(&[
                (4, "Release 2", "``x`` first"),
                (8, "Deprecations", "``y()`` is old\nnow"),
            ])
        );
    }

    #[test]
    fn notes_without_names_have_no_passages() {
        assert!(passages("").is_empty());
        assert!(passages("# Only\n\nwords\n").is_empty());
    }
}
