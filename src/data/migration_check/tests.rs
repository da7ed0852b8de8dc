//! Broken rows, and what is said about them.

use serde_json::json;

use super::*;

/// Stands for the syntax check: a program with `!` does not parse.
fn syntax(code: &str) -> Result<(), String> {
    match code.find('!') {
        Some(at) => Err(format!("at byte {at}")),
        None => Ok(()),
    }
}

fn good() -> Value {
    json!({
        "dependency": "numpy", "new_version": "==2.0.0", "description": "Adds up.",
        "update_info": "`np.product` is gone, use `np.prod`.",
        "old_code": "import numpy as np\nnp.product([1])",
        "new_code": "import numpy as np\nnp.prod([1])",
        "source": "notes", "uses": ["numpy.prod"], "not_uses": ["numpy.product"],
    })
}

fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut row = good();
    row[field] = value.into();
    row
}

fn check_text(text: &str) -> FileReport {
    MigrationChecker::new(&syntax).check("file", text.as_bytes())
}

/// Field and words of each problem of one row.
fn problems(row: &Value) -> Vec<String> {
    let report = check_text(&row.to_string());
    let told = |problem: &Problem| {
        let severity = match problem.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        let field = problem.field.as_deref().unwrap_or("-");
        format!("{severity}{field}: {}", problem.problem)
    };
    report.problems.iter().map(told).collect()
}

#[test]
fn a_good_row_has_no_problems() {
    assert_eq!(
        check_text(&format!("{}\n\n", good())),
        FileReport {
            rows: 1,
            problems: vec![]
        }
    );
}

#[test]
fn each_broken_field_is_named() {
    let mut missing = good();
    missing.as_object_mut().unwrap().remove("description");
    let cases = [
        (missing, "description: missing"),
        (with("update_info", " "), "update_info: empty"),
        (
            with("dependency", 7),
            "dependency: a number, expected a text",
        ),
        (
            with("new_version", "2.0.0"),
            "new_version: `2.0.0`, expected an operator and a version such as `==2.2.0`",
        ),
        (
            with("new_version", "== two"),
            "new_version: `== two`, expected an operator and a version such as `==2.2.0`",
        ),
        (
            with("new_code", "import numpy as np\nif 1:\n\tnp.prod([1])"),
            "new_code: a tab in line 3 of the code, expected spaces",
        ),
        (
            with("new_code", "import numpy as np\r\nnp.prod([1])"),
            "new_code: a carriage return in line 1 of the code",
        ),
        (
            with("new_code", "import numpy as np\nnp.prod([1]) # !"),
            "new_code: no Python 3: at byte 34",
        ),
        (
            with("new_code", "import numpy as np\nnp.sum([1])"),
            "new_code: does not use `numpy.prod`, which `uses` promises",
        ),
        (
            with("new_code", "import numpy as np\nnp.prod([np.product([1])])"),
            "new_code: still uses `numpy.product`, which `not_uses` rules out",
        ),
        (
            with("old_code", "import numpy as np\nnp.cumsum([1])"),
            "old_code: does not use `numpy.product`, the old API by `not_uses`",
        ),
        (
            with("uses", "numpy.prod"),
            "uses: a text, expected a list of texts",
        ),
        (
            with("uses", json!([1])),
            "uses: a number in the list, expected a text",
        ),
        (
            with("not_use", json!([])),
            "warning: not_use: an unknown field, did you mean `not_uses`?",
        ),
        (with("colour", 1), "warning: colour: an unknown field"),
    ];
    for (row, expected) in cases {
        assert_eq!(problems(&row), [expected]);
    }
}

#[test]
fn all_problems_of_a_row_are_told_at_once() {
    let row = json!({"new_version": "2", "old_code": "a !", "new_code": "a !", "uses": ["f()"]});

    insta::assert_snapshot!(problems(&row).join("\n"), @"
    dependency: missing
    description: missing
    update_info: missing
    new_version: `2`, expected an operator and a version such as `==2.2.0`
    old_code: no Python 3: at byte 2
    new_code: no Python 3: at byte 2
    uses: `f()` is no use of an API, expected `package.name`, `.attribute`, `argument=` or `function(argument=)`
    new_code: the same code as `old_code`
    ");
}

#[test]
fn lines_that_are_no_rows_are_told_by_their_number() {
    let report = check_text("[]\n{\"a\": \n\n\u{feff}1\n");

    let told: Vec<_> = report
        .problems
        .iter()
        .map(|problem| (problem.line, problem.problem.as_str()))
        .collect();
    assert_eq!(report.rows, 3);
    assert_eq!(
        told,
        [
            (1, "not a JSON object"),
            (2, "not JSON: EOF while parsing a value at column 6"),
            (4, "the file begins with a byte order mark, expected none"),
            (4, "not a JSON object"),
        ]
    );
    assert_eq!(
        check_text(" \n").problems[0].problem,
        "the file has no rows, expected one JSON object a line"
    );
    let report = MigrationChecker::new(&syntax).check("file", b"\xff{}");
    assert_eq!(report.problems[0].problem, "the line is not UTF-8");
}

#[test]
fn windows_line_ends_are_errors() {
    let report = check_text(&format!("{}\r\n", good()));

    assert_eq!(report.count(Severity::Error), 1);
    assert_eq!(
        report.problems[0].problem,
        "the line ends in CRLF, expected LF"
    );
}

#[test]
fn duplicates_are_found_across_files_whatever_their_white_space() {
    let mut spaced = with("description", "Other words.");
    spaced["old_code"] = json!("import numpy as np  \nnp.product([1])\n");
    let mut checker = MigrationChecker::new(&syntax);

    let first = checker.check("one", good().to_string().as_bytes());
    let second = checker.check("two", format!("\n{spaced}\n{}", good()).as_bytes());

    assert!(first.problems.is_empty());
    let told: Vec<_> = second
        .problems
        .iter()
        .map(|problem| (problem.line, problem.problem.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (2, "the same codes as one:1"),
            (3, "the same codes as one:1")
        ]
    );
}

#[test]
fn without_a_list_of_uses_the_names_of_the_note_are_looked_for() {
    let mut row = with("new_code", "import numpy as np\nnp.sum([1])");
    row.as_object_mut().unwrap().remove("uses");
    row.as_object_mut().unwrap().remove("not_uses");
    let expected =
        "warning: new_code: none of the names in backticks in `update_info` occurs in it";
    assert_eq!(problems(&row), [expected]);

    row["new_code"] = json!("import numpy as np\nnp.prod([1])");
    assert!(problems(&row).is_empty());
    row["update_info"] = json!("No names here, call `f x`.");
    assert!(problems(&row).is_empty());
}
