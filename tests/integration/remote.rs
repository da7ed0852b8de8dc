//! Evaluations of a remote model; a thread plays its endpoint.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::kill::kill;

const KEY: &str = "sk-that-nobody-may-read";

/// How the endpoint replies to a request.
enum Reply {
    /// A status, further header lines, and a body.
    Status(u16, &'static str, Value),
    /// An answer that is cut off: the connection is closed.
    Cut,
    /// No answer while the test runs.
    Silence,
}

/// A request: its head in lower case, and its body.
pub(crate) type Request = (String, Value);

/// Starts an endpoint; `reply` gets the number of earlier requests.
fn endpoint(reply: fn(usize) -> Reply) -> (String, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            thread::spawn(move || answer(stream, &seen, reply));
        }
    });
    (address, requests)
}

fn answer(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, reply: fn(usize) -> Reply) {
    let Some(request) = read(&mut stream) else {
        return;
    };
    let count = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        seen.len() - 1
    };
    let text = match reply(count) {
        Reply::Status(status, header, body) => {
            let body = body.to_string();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
            format!("{head}{header}Connection: close\r\n\r\n{body}")
        }
        Reply::Cut => "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"choices\"".to_owned(),
        Reply::Silence => {
            thread::sleep(Duration::from_mins(10));
            return;
        }
    };
    // The client may have been killed.
    let _ = stream.write_all(text.as_bytes());
}

pub(crate) fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return Some((head.to_lowercase(), body));
        }
    }
}

fn completion() -> Reply {
    let message = json!({"role": "assistant", "content": "```python\nx = 1\n```"});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    let usage = json!({"prompt_tokens": 100, "completion_tokens": 10});
    Reply::Status(200, "", json!({"choices": [choice], "usage": usage}))
}

/// Two tasks with two completions each, of one remote model.
fn spec(folder: &Path, address: &str) -> String {
    let path = folder.join("far.toml");
    let text = format!(
        "name = \"far\"\n\
         [model.remote]\n\
         base_url = \"{address}\"\n\
         model = \"lab/large\"\n\
         key_variable = \"FAR_KEY\"\n\
         concurrency = 1\n\
         longest_pause_seconds = 1\n\
         dollars_per_million_prompt_tokens = 5.0\n\
         dollars_per_million_completion_tokens = 100.0\n\
         [eval]\n\
         benchmarks = [\"mini_arena\"]\n\
         samples.mini_arena = 2\n\
         limit = 2\n\
         [grid]\n\
         \"model.base\" = [\"remote\"]\n\
         \"train.algorithm\" = [\"none\"]\n"
    );
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn recode(folder: &Path, key: Option<&str>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recode"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RECODE_RESULTS", folder.join("results"))
        .env_remove("FAR_KEY")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(key) = key {
        command.env("FAR_KEY", key);
    }
    command
}

pub(crate) fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// The files below a folder, with their bytes.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(folder).into_iter().flatten();
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().display().to_string();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn a_row_is_filled_although_some_requests_are_refused_fail_or_are_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (address, requests) = endpoint(|count| match count {
        0 => Reply::Status(429, "Retry-After: 0\r\n", json!({})),
        // A server may repeat the key.
        1 => Reply::Status(500, "", json!({"error": {"message": format!("no {KEY}")}})),
        2 => Reply::Cut,
        _ => completion(),
    });
    let spec = spec(folder.path(), &address);

    let output = recode(folder.path(), Some(KEY), &["run", &spec])
        .output()
        .unwrap();

    let (stdout, stderr) = texts(&output);
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.contains("| lab/large"), "{stdout}");
    let requests = requests.lock().unwrap();
    // Two tasks with two samples each, and three requests that failed.
    assert_eq!(requests.len(), 7);
    let bodies: Vec<&Value> = requests.iter().skip(3).map(|(_, body)| body).collect();
    for body in &bodies {
        assert_eq!(body["model"], "lab/large");
        assert_eq!(
            (&body["temperature"], &body["max_tokens"]),
            (&json!(0.8), &json!(1024))
        );
        // The turn that the template begins is left out.
        let roles: Vec<&Value> = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|turn| &turn["role"])
            .collect();
        assert_eq!(roles, ["system", "user"]);
    }
    let mut seeds: Vec<u64> = bodies
        .iter()
        .map(|body| body["seed"].as_u64().unwrap())
        .collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 4);
    let (head, _) = &requests[0];
    assert!(
        head.contains(&format!("authorization: bearer {KEY}")),
        "{head}"
    );

    let files = files(folder.path());
    let provenance = files
        .iter()
        .find(|(name, _)| name.ends_with("provenance.json"));
    let provenance: Value = serde_json::from_slice(&provenance.unwrap().1).unwrap();
    let remote = &provenance["attempts"][0]["remote"];
    // By hand: 4 by 100 and 10 tokens; 400 by 5 and 40 by 100 dollars a million are 0.006 dollars.
    assert_eq!(
        remote,
        &json!({
            "endpoint": address, "model": "lab/large", "completions": "4",
            "prompt_tokens": "400", "completion_tokens": "40", "dollars": "0.006000",
        })
    );
    for (name, bytes) in &files {
        assert!(!contains(bytes, KEY), "{name}");
    }
    assert!(!stdout.contains(KEY) && !stderr.contains(KEY), "{stderr}");
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "needs Linux: workers are found in /proc"
)]
fn an_evaluation_that_was_killed_requests_no_completion_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (address, requests) = endpoint(|count| match count {
        3 => Reply::Silence,
        _ => completion(),
    });
    let spec = spec(folder.path(), &address);
    let asked = || requests.lock().unwrap().len();
    let lines = || {
        files(folder.path())
            .iter()
            .filter(|(name, _)| name.ends_with("samples.jsonl"))
            .map(|(_, bytes)| String::from_utf8_lossy(bytes).lines().count())
            .sum::<usize>()
    };

    let run = recode(folder.path(), Some(KEY), &["run", &spec])
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while asked() < 4 || lines() < 3 {
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "{} asked",
            asked()
        );
        thread::sleep(Duration::from_millis(20));
    }
    kill(run, folder.path());
    let output = recode(folder.path(), Some(KEY), &["run", &spec])
        .output()
        .unwrap();

    let (_, stderr) = texts(&output);
    assert!(output.status.success(), "{stderr}");
    let requests = requests.lock().unwrap();
    let seeds: Vec<u64> = requests
        .iter()
        .map(|(_, body)| body["seed"].as_u64().unwrap())
        .collect();
    // The fourth request had no answer, and is the only one that is repeated.
    assert_eq!((seeds.len(), seeds[3]), (5, seeds[4]));
    assert_eq!(lines(), 4);
}

#[test]
fn a_permanent_refusal_fails_the_job_and_keeps_earlier_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (address, requests) = endpoint(|count| match count {
        1 => Reply::Status(
            401,
            "",
            json!({"error": {"message": format!("wrong key {KEY}")}}),
        ),
        _ => completion(),
    });
    let spec = spec(folder.path(), &address);
    let run = || {
        recode(folder.path(), Some(KEY), &["run", &spec])
            .output()
            .unwrap()
    };

    let failed = run();
    assert_eq!(failed.status.code(), Some(1));
    let (_, stderr) = texts(&failed);
    assert!(
        stderr.contains("status 401: wrong key (hidden)"),
        "{stderr}"
    );
    assert_eq!(requests.lock().unwrap().len(), 2);

    assert!(run().status.success());
    // Four completions, one of which took two requests.
    assert_eq!(requests.lock().unwrap().len(), 5);
    for (name, bytes) in files(folder.path()) {
        assert!(!contains(&bytes, KEY), "{name}");
    }
}

#[test]
fn without_a_key_no_request_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (address, requests) = endpoint(|_| completion());
    let spec = spec(folder.path(), &address);

    let run = recode(folder.path(), None, &["run", &spec])
        .output()
        .unwrap();
    let plan = recode(folder.path(), None, &["plan", &spec])
        .output()
        .unwrap();

    assert_eq!(run.status.code(), Some(3));
    insta::assert_snapshot!(texts(&run).1.replace(&address, "ADDRESS"), @"
    error: the environment variable `FAR_KEY` holds no key
    help: put the key of ADDRESS there, or name another: model.remote.key_variable
    ");
    let (stdout, _) = texts(&plan);
    assert!(stdout.contains("mini_arena on large s42"), "{stdout}");
    assert!(
        stdout.contains("not possible here: the environment variable `FAR_KEY` holds no key"),
        "{stdout}"
    );
    assert!(requests.lock().unwrap().is_empty());
}
