//! What the words after an opening fence say about the code.

/// The language of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Language {
    /// Another language, or output.
    Other,
    /// A document with blocks of its own.
    Markdown,
    /// Not named.
    Plain,
    /// Python.
    Python,
}

/// The language of a block with that info string, such as `python title="a.py"` or `{.python .numberLines}`.
pub(super) fn language(info: &str) -> Language {
    let info = info.trim_start_matches(['{', '.', ' ', '\t']);
    let is_end = |c: char| c.is_whitespace() || ",;:{}()[]=\"'|#".contains(c);
    let word = info
        .split(is_end)
        .next()
        .unwrap_or(info)
        .to_ascii_lowercase();
    // Python files may be named instead of the language; MyST writes `{code-cell} python`.
    if word.strip_suffix(".py").is_some() || word == "code-cell" {
        return Language::Python;
    }
    let word = ["language-", "lang-", "i", "c"]
        .iter()
        .find_map(|prefix| word.strip_prefix(prefix).filter(|rest| is_python(rest)))
        .unwrap_or(&word);
    match word {
        word if is_python(word) => Language::Python,
        "" | "text" | "txt" | "plain" | "plaintext" | "code" | "none" => Language::Plain,
        "markdown" | "md" | "mdx" | "gfm" | "commonmark" => Language::Markdown,
        _ => Language::Other,
    }
}

/// Whether a word is `python` or `py`, with or without a version.
fn is_python(word: &str) -> bool {
    let version = word
        .strip_prefix("python")
        .or_else(|| word.strip_prefix("py"));
    version.is_some_and(|version| {
        version
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_info_string_names_the_language_in_many_ways() {
        let cases = [
            (
                Language::Python,
                "python Python PYTHON py py3 python3 python3.11 python-3 ipython ipython3",
            ),
            (
                Language::Python,
                "{python} {.python} {.python,.numbers} python,ignore python:a.py main.py language-python",
            ),
            (Language::Plain, "text plaintext code"),
            (Language::Markdown, "markdown md"),
            (
                Language::Other,
                "bash pycon python-repl pythonic json diff console pyx cython javascript",
            ),
        ];
        for (expected, infos) in cases {
            for info in infos.split(' ') {
                assert_eq!(language(info), expected, "{info}");
            }
        }
        for info in [
            "python title=\"a.py\"",
            "{.python .numberLines}",
            "{ .python }",
            "{python, echo=FALSE}",
            "{code-cell} ipython3",
        ] {
            assert_eq!(language(info), Language::Python, "{info}");
        }
        assert_eq!(language(""), Language::Plain);
    }
}
