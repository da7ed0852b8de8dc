//! `recode data`: checks, drafts and reviews, as a user runs them.

#![expect(clippy::unwrap_used, reason = "a test may stop at what must not be")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use recode::data::read_migrations;
use serde_json::{Value, json};

const LIBRARIES: [&str; 9] = [
    "jax",
    "matplotlib",
    "numpy",
    "pandas",
    "scikit_learn",
    "scipy",
    "scrapy",
    "seaborn",
    "torch",
];

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets")
}

fn recode(arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_recode"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .env_remove("VISUAL")
        .env_remove("EDITOR")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that needs no answers has closed its end.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_migrations_of_nine_libraries_pass_the_check() {
    let files: Vec<String> = LIBRARIES
        .iter()
        .map(|name| {
            datasets()
                .join(format!("migrations/{name}.jsonl"))
                .display()
                .to_string()
        })
        .collect();
    let mut arguments = vec!["data", "check"];
    arguments.extend(files.iter().map(String::as_str));

    let output = recode(&arguments, "", &[]);

    let printed = stdout(&output);
    assert!(output.status.success(), "{printed}");
    assert!(printed.ends_with(": 0 errors, 0 warnings\n"), "{printed}");
    for file in &files {
        let rows = read_migrations(Path::new(file)).unwrap();
        assert!(rows.len() >= 14, "{file}");
        let text = fs::read_to_string(file).unwrap();
        for row in text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
        {
            assert!(row["source"].is_string(), "{row}");
        }
    }
}

#[test]
fn the_one_name_for_all_migrations_stands_for_all_files() {
    let all = read_migrations(&datasets().join("migrations")).unwrap();
    let each = LIBRARIES.iter().flat_map(|name| {
        read_migrations(&datasets().join(format!("migrations/{name}.jsonl"))).unwrap()
    });

    assert_eq!(all, each.collect::<Vec<_>>());
    assert!(all.len() >= 120);
}

#[test]
fn every_problem_of_a_broken_file_is_printed_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    let mut good = row("f", "g");
    good["not_uses"] = json!(["lib.g"]);
    let broken = json!({"dependency": "lib", "new_version": "1", "description": "d",
        "update_info": "u", "old_code": "print 1", "new_code": "\tx"});
    fs::write(&path, format!("{good}\r\n{broken}\nno\n")).unwrap();
    let path = path.display().to_string();

    let output = recode(&["data", "check", &path], "", &[]);

    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(stdout(&output).replace(&path, "FILE"), @"
    FILE:1: error: the line ends in CRLF, expected LF
    FILE:1: error: `new_code`: still uses `lib.g`, which `not_uses` rules out
    FILE:1: error: `old_code`: does not use `lib.g`, the old API by `not_uses`
    FILE:2: error: `new_version`: `1`, expected an operator and a version such as `==2.2.0`
    FILE:2: error: `old_code`: no Python 3: invalid syntax at byte 6: Simple statements must be separated by newlines or semicolons
    FILE:2: error: `new_code`: a tab in line 1 of the code, expected spaces
    FILE:2: error: `new_code`: no Python 3: invalid syntax at byte 0: Unexpected indentation
    FILE:3: error: not JSON: expected ident at column 2
    1 file, 3 rows: 8 errors, 0 warnings
    ");
    let output = recode(&["data", "check", "--json", &path], "", &[]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&printed["errors"], &printed["files"][0]["rows"]),
        (&json!(8), &json!(3))
    );
    assert_eq!(printed["files"][0]["problems"][0]["line"], 1);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = recode(&["data", "check", "no/such.jsonl"], "", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot read `no/such.jsonl`"));
}

fn row(old: &str, new: &str) -> Value {
    json!({
        "dependency": "lib", "new_version": "==2.0", "description": "Calls a function.",
        "update_info": format!("`{old}` is now `{new}`."),
        "old_code": format!("import lib\n\nlib.{old}()"),
        "new_code": format!("import lib\n\nlib.{new}()"),
        "source": "lib 2.0 release notes, Changes",
        "uses": [format!("lib.{new}")], "not_uses": [format!("lib.{old}")],
    })
}

/// Plays a model: answers each request by what `reply` makes of its last message.
fn model(reply: fn(&str) -> String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut bytes = Vec::new();
            let (head, body) = loop {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0, "the request ends early");
                bytes.extend_from_slice(&buffer[..count]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n")
                    && let Ok(body) = serde_json::from_str::<Value>(body)
                {
                    break (head.to_owned(), body);
                }
            };
            let asked = body["messages"].as_array().unwrap().last().unwrap()["content"].clone();
            let asked = asked.as_str().unwrap().to_owned();
            let message = json!({"role": "assistant", "content": reply(&asked)});
            let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]});
            seen.lock().unwrap().push(format!("{head}\n\n{asked}"));
            let body = body.to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", body.len());
            let answer = format!("{head}Connection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, requests)
}

const NOTES: &str = "# Lib 2.0\n\n## Changes\n\n- `f` is now `g`.\n- `h` is faster.\n- `p` became \
                     `q`.\n- Only words.\n";

fn drafts(asked: &str) -> String {
    let passage = asked.split("<doc>\n").nth(1).unwrap();
    if passage.starts_with("`f`") {
        return format!("```json\n{}\n```", row("f", "g"));
    }
    if passage.starts_with("`p`") && asked.contains("who said: call q") {
        return row("p", "q").to_string();
    }
    if passage.starts_with("`p`") {
        return row("p", "p").to_string();
    }
    "{\"skip\": true}".to_owned()
}

/// A folder with release notes, and the arguments that draft from them.
fn building(address: &str) -> (tempfile::TempDir, Vec<String>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    fs::write(file("notes.md"), NOTES).unwrap();
    let (notes, queue, into) = (file("notes.md"), file("queue.jsonl"), file("rows.jsonl"));
    let arguments = [
        "data",
        "build",
        "--from",
        &notes,
        "--dependency",
        "lib",
        "--new-version",
        "==2.0",
        "--base-url",
        address,
        "--model",
        "m",
        "--key-from",
        "LIB_KEY",
        "--queue",
        &queue,
    ];
    let arguments = arguments.iter().map(ToString::to_string).collect();
    (folder, arguments, queue, into)
}

fn build(arguments: &[String], more: &[&str]) -> Output {
    let all: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    recode(&all, "", &[("LIB_KEY", "sk-secret")])
}

#[test]
fn drafts_are_made_judged_and_made_again() {
    let (address, requests) = model(drafts);
    let (folder, arguments, queue, into) = building(&address);

    // One passage, then the rest: what is in the queue is not asked for again.
    let first = build(&arguments, &["--limit", "1"]);
    assert!(
        stdout(&first).starts_with("1 new draft in "),
        "{}",
        stderr(&first)
    );
    let rest = build(&arguments, &[]);
    assert!(
        stdout(&rest).starts_with("1 new draft in "),
        "{}",
        stdout(&rest)
    );
    assert!(stdout(&rest).ends_with("1 passage without a migration; 0 passages failed\n"));
    assert_eq!(requests.lock().unwrap().len(), 3);
    assert!(
        requests.lock().unwrap()[0]
            .to_lowercase()
            .contains("authorization: bearer sk-secret")
    );

    // The first is right; the second cannot be accepted, and so is rejected with a remark.
    let judged = recode(
        &["data", "review", &queue, "--into", &into],
        "a\na\nr call q\n",
        &[],
    );
    assert_eq!(
        stdout(&judged),
        "1 accepted, 1 rejected, 0 drafts to judge\n"
    );
    assert!(stderr(&judged).contains("error: `new_code`: the same code as `old_code`"));
    assert!(stderr(&judged).contains("not accepted: "));

    let again = build(&arguments, &["--redo"]);
    assert!(
        stdout(&again).starts_with("1 new draft in "),
        "{}",
        stderr(&again)
    );
    let judged = recode(&["data", "review", &queue, "--into", &into], "a\n", &[]);
    assert_eq!(
        stdout(&judged),
        "2 accepted, 0 rejected, 0 drafts to judge\n"
    );

    let check = recode(&["data", "check", &into], "", &[]);
    assert!(stdout(&check).ends_with("1 file, 2 rows: 0 errors, 0 warnings\n"));
    assert_eq!(
        read_migrations(Path::new(&into)).unwrap()[1].new_code,
        "import lib\n\nlib.q()"
    );
    // The key is nowhere in what was written or said.
    for file in fs::read_dir(folder.path()).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("sk-secret"), "{text}");
    }
    for output in [&first, &rest, &again, &judged] {
        assert!(!stderr(output).contains("sk-secret") && !stdout(output).contains("sk-secret"));
    }
}

#[test]
fn a_draft_is_edited_skipped_and_left_for_later() {
    let (address, _requests) = model(drafts);
    let (_folder, arguments, queue, into) = building(&address);
    assert!(build(&arguments, &[]).status.success());
    let review = |answers: &str| {
        let editor = ("EDITOR", "sed -i s/Calls/Tries/");
        recode(
            &["data", "review", &queue, "--into", &into],
            answers,
            &[editor],
        )
    };

    let nothing = review("what\ns\nq\n");
    assert_eq!(
        stdout(&nothing),
        "0 accepted, 0 rejected, 2 drafts to judge\n"
    );
    assert!(stderr(&nothing).contains("`what` is none of a, r, e, s and q"));
    // The input ends after the edit: it is kept.
    let edited = review("e\n");
    assert_eq!(
        stdout(&edited),
        "0 accepted, 0 rejected, 2 drafts to judge\n"
    );
    let accepted = review("a\nq\n");

    assert_eq!(
        stdout(&accepted),
        "1 accepted, 0 rejected, 1 draft to judge\n"
    );
    let rows = read_migrations(Path::new(&into)).unwrap();
    assert_eq!(rows[0].description, "Tries a function.");
}

#[test]
fn a_missing_key_and_a_missing_queue_are_told_before_anything_is_sent() {
    let (_folder, arguments, queue, into) = building("http://localhost:1/v1");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();

    let build = recode(&arguments, "", &[]);
    let review = recode(&["data", "review", &queue, "--into", &into], "", &[]);

    assert_eq!(
        (build.status.code(), review.status.code()),
        (Some(3), Some(3))
    );
    assert!(stderr(&build).contains("the environment variable `LIB_KEY` holds no key"));
    assert!(stderr(&review).contains("there is no queue"));
}

#[test]
fn a_server_that_refuses_ends_the_build() {
    let (_folder, arguments, ..) = building("http://127.0.0.1:1/v1");

    let output = build(&arguments, &["--attempts", "2", "--pause", "0.001"]);

    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("the same command goes on"));
}
