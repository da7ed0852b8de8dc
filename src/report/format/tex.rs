//! `table.tex`: the table for papers, to be put into a document with `\input`; it needs `booktabs`.
//!
//! It has the same texts as `table.md`. The jobs of the cells are not in it, because a paper has no room
//! for them; `table.json` has them.

use crate::report::table::Table;

use super::{Block, blocks, legend};

/// The table in LaTeX.
pub(in crate::report) fn tex(table: &Table) -> String {
    let mut lines = vec!["% \\usepackage{booktabs}".to_owned()];
    for block in blocks(table) {
        let caption = match (block.title.as_str(), table.description.as_str()) {
            ("", "") => table.experiment.clone(),
            ("", description) => description.to_owned(),
            (title, _) => format!("{}: {title}", table.experiment),
        };
        let notes = if block.title.is_empty() {
            legend(table)
        } else {
            Vec::new()
        };
        lines.extend(float(&block, &caption, &notes));
    }
    lines.join("\n") + "\n"
}

fn float(block: &Block, caption: &str, notes: &[String]) -> Vec<String> {
    let columns = block.lines.first().map_or(0, Vec::len);
    let labels = block.labels.min(columns);
    let mut lines = vec![
        "\\begin{table}".to_owned(),
        "\\centering".to_owned(),
        format!("\\caption{{{}}}", escaped(caption)),
        format!(
            "\\begin{{tabular}}{{{}{}}}",
            "l".repeat(labels),
            "r".repeat(columns - labels)
        ),
        "\\toprule".to_owned(),
    ];
    for (place, texts) in block.lines.iter().enumerate() {
        let cells = (0..columns).map(|column| {
            let text = escaped(texts.get(column).map_or("", String::as_str));
            if place == 0 || column < labels {
                text
            } else {
                with_signs(&text)
            }
        });
        let cells = cells.collect::<Vec<_>>().join(" & ");
        lines.push(format!("{} \\\\", at_line_start(cells)));
        if place == 0 {
            lines.push("\\midrule".to_owned());
        }
    }
    lines.extend(["\\bottomrule", "\\end{tabular}"].map(str::to_owned));
    if !notes.is_empty() {
        let notes = notes.iter().map(|note| at_line_start(escaped(note)));
        let notes = notes.collect::<Vec<_>>().join("\\\\\n");
        lines.push(format!(
            "\\par\\smallskip\\parbox{{\\linewidth}}{{\\footnotesize\n{notes}}}"
        ));
    }
    lines.push("\\end{table}".to_owned());
    lines
}

/// A line that may follow `\\\\`, which would take a bracket or a star as its own.
fn at_line_start(line: String) -> String {
    if line.starts_with(['[', '*']) {
        ["{}", &line].concat()
    } else {
        line
    }
}

/// Text as LaTeX has it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '"' => escaped.push_str("{''}"),
            '±' => escaped.push_str("$\\pm$"),
            '—' => escaped.push_str("---"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            '\n' | '\r' | '\t' => escaped.push(' '),
            letter if letter.is_control() => escaped.push('?'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Figures with a minus in place of a hyphen.
fn with_signs(text: &str) -> String {
    let mut signed = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_minus = letter == '-' && letters.peek().is_some_and(char::is_ascii_digit);
        if is_minus {
            signed.push_str("$-$");
        } else {
            signed.push(letter);
        }
    }
    signed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{
            compare::fill,
            tests::fixture::{complete, sheet},
        },
        spec::Show,
    };

    /// Oracle: by hand; the figures are those of the table in Markdown.
    #[test]
    fn a_table_for_papers() {
        let text = tex(&fill(&sheet(Show::Value, complete()), None));

        for line in [
            "\\begin{tabular}{lrr}",
            "train.algorithm & code\\_update\\_arena pass@1 & code\\_update\\_arena pass@2 \\\\",
            "sft & 43.8 $\\pm$ 38.1 (+0.0 n) & 62.5, 23.4 to 90.1 (+0.0 n) \\\\",
            "sft - grpo & $-$37.5 $\\pm$ 23.0 & $-$37.5 $\\pm$ 39.8 n \\\\",
            "\\caption{example: Rows against each other}",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        for name in ["toprule", "midrule", "bottomrule"] {
            assert_eq!(text.matches(name).count(), 2, "{name}");
        }
    }

    #[test]
    fn what_latex_reads_as_a_command_is_text() {
        let text = "a_b & 5% {x} $ # \\ ~ ^ < > | \" — \u{7}";
        let wanted = "a\\_b \\& 5\\% \\{x\\} \\$ \\# \\textbackslash{} \\textasciitilde{} \\textasciicircum{} \
                      \\textless{} \\textgreater{} \\textbar{} {''} --- ?";
        assert_eq!(escaped(text), wanted);
        assert_eq!(at_line_start("[1] a".to_owned()), "{}[1] a");
        assert_eq!(with_signs("-1.0 a-b - 2"), "$-$1.0 a-b - 2");
    }
}
