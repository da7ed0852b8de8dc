//! `recode score`, as a user runs it.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

/// Scores lines from the standard input.
fn score(lines: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_recode"))
        .args(["score", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built for this test");
    let mut stdin = child.stdin.take().expect("the input is a pipe");
    // With wrong arguments the program ends before it reads.
    let _ = stdin.write_all(lines.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the program ends")
}

const LINE: &str = r#"{"id": "a", "completion": "</think><answer>```python\nx = 1\n```</answer>", "target": "x = 1"}"#;

#[test]
fn a_line_of_json_comes_out_for_every_line() {
    let output = score(&format!("{LINE}\n{LINE}\n"), &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    let line = "{\"correctness\":2.0,\"format\":1.0,\"id\":\"a\",\"total\":3.0}\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), line.repeat(2));
}

#[test]
fn what_a_line_has_besides_is_kept_to_the_letter() {
    let deep = "[".repeat(500) + &"]".repeat(500);
    let more = format!(r#""h":1e400,"id":123456789012345678901234567890,"n":{deep}"#);
    let line = LINE.replace(r#""id": "a""#, &more);

    let output = score(&line, &["--json"]);

    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("{{\"correctness\":2.0,\"format\":1.0,{more},\"total\":3.0}}\n")
    );
}

#[test]
fn the_variant_and_the_normalizer_can_be_chosen() {
    let output = score(
        LINE,
        &["--json", "--reward", "em", "--normalizer", "published"],
    );
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("\"correctness\":1.0")
    );
}

#[test]
fn bad_lines_are_all_named_and_the_others_are_scored() {
    let output = score(&format!("{LINE}\n{{}}\n{LINE}\nnot json\n"), &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r#"
    {"correctness":2.0,"format":1.0,"id":"a","total":3.0}
    {"correctness":null,"error":"line 2: `completion` is missing","format":null,"total":null}
    {"correctness":2.0,"format":1.0,"id":"a","total":3.0}
    {"correctness":null,"error":"line 4: expected ident at line 1 column 2","format":null,"total":null}
    "#);
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @"
    warning: 2 bad lines: line 2: `completion` is missing; line 4: expected ident at line 1 column 2; they have no score
    help: a line is a JSON object with the strings `completion` and `target`
    ");
}

#[test]
fn without_a_line_that_can_be_read_nothing_is_scored() {
    let output = score("{}\n", &["--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn an_unknown_reward_is_answered_with_the_known_ones() {
    let output = score(LINE, &["--reward", "sestar"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("[possible values: format, em, es, em_star, es_star, ast, ast_star]"),
        "{text}"
    );
}
