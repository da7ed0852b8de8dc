//! A training whose teacher is behind an endpoint; a thread plays it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::remote::{contains, files, read, texts};

const KEY: &str = "sk-of-the-teacher";

/// The request that fails: the first of the second step, after one about a known text and two of the first step.
const FAILING: usize = 3;

/// Starts a teacher that finds all tokens equally likely; returns its address and the number of requests.
fn teacher() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, count.fetch_add(1, Ordering::Relaxed));
        }
    });
    (address, requests)
}

fn answer(mut stream: TcpStream, number: usize) {
    let Some((head, body)) = read(&mut stream) else {
        return;
    };
    assert!(head.starts_with("post /v1/completions"), "{head}");
    let tokens = body["prompt"].as_array().unwrap().len();
    let mut log_probs = vec![json!(-2.5); tokens];
    log_probs[0] = Value::Null;
    let said = json!({
        "choices": [{"text": "", "logprobs": {"token_logprobs": log_probs}}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": 1},
    });
    let (status, body) = match number {
        // A server may repeat the key.
        FAILING => (500, format!("no {KEY}")),
        _ => (200, said.to_string()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n");
    let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
}

fn spec(folder: &Path, address: &str) -> String {
    let path = folder.join("taught.toml");
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/from_scratch.toml");
    let text = format!(
        "include = [\"{}\"]\n\
         name = \"taught\"\n\
         [model.scratch]\n\
         hidden_size = 32\n\
         intermediate_size = 64\n\
         num_hidden_layers = 1\n\
         [train]\n\
         sampling = {{ max_completion_tokens = 8 }}\n\
         [train.distill]\n\
         teacher = \"remote\"\n\
         estimator = \"sampled\"\n\
         max_steps = 3\n\
         batch_size = 1\n\
         group_size = 2\n\
         lr = {{ peak = 1e-3, warmup_steps = 0 }}\n\
         [train.distill.remote]\n\
         base_url = \"{address}\"\n\
         model = \"lab/large\"\n\
         key_variable = \"FAR_KEY\"\n\
         attempts = 1\n\
         concurrency = 1\n\
         [eval]\n\
         limit = 2\n\
         samples = {{ mini_arena = 1 }}\n\
         sampling = {{ max_completion_tokens = 8 }}\n\
         [grid]\n\
         \"train.algorithm\" = [\"distill\"]\n\
         [table]\n\
         cols = [\"mini_arena.pass@1\"]\n",
        base.display()
    );
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn recode(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recode"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RECODE_RESULTS", folder.join("results"))
        .env_remove("FAR_KEY")
        .args(arguments);
    command
}

#[test]
fn a_training_goes_on_after_its_teacher_was_away_and_is_not_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let (address, requests) = teacher();
    let spec = spec(folder.path(), &address);

    let (_, stderr) = texts(&recode(folder.path(), &["run", &spec]).output().unwrap());
    assert!(
        stderr.contains("`FAR_KEY` holds no key") && requests.load(Ordering::Relaxed) == 0,
        "{stderr}"
    );

    let mut printed = String::new();
    for _ in 0..2 {
        let mut command = recode(folder.path(), &["run", &spec]);
        let output = command.env("FAR_KEY", KEY).output().unwrap();
        let (stdout, stderr) = texts(&output);
        printed += &(stdout + &stderr);
        if output.status.success() {
            break;
        }
    }

    let files = files(folder.path());
    let of = |name: &str| {
        let training = |path: &str| path.contains("/train-") && path.ends_with(name);
        let found = files.iter().find(|(path, _)| training(path));
        String::from_utf8_lossy(&found.unwrap().1).into_owned()
    };
    let steps: Vec<u64> = of("metrics.jsonl")
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["step"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(steps, [1, 2, 3], "{printed}");
    // By hand: a known text in each of two attempts, three steps of two completions, and the failure.
    assert_eq!(requests.load(Ordering::Relaxed), 2 + 6 + 1, "{printed}");
    let provenance: Value = serde_json::from_str(&of("provenance.json")).unwrap();
    let attempts = provenance["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    // By hand: the attempt that failed has paid for a known text and two completions.
    assert_eq!(attempts[0]["remote"]["completion_tokens"], "3");
    assert_eq!(attempts[1]["remote"]["endpoint"], address);
    assert_eq!(attempts[1]["remote"]["weights_compared"], "false");
    let outcome = of("outcome.json");
    assert!(
        outcome.contains("its tokens were counted, and nothing else compared"),
        "{outcome}"
    );
    for (name, bytes) in &files {
        assert!(!contains(bytes, KEY), "{name}");
    }
    assert!(!printed.contains(KEY), "{printed}");

    let table = folder.path().join("results/tables/taught/table.json");
    let mut command = recode(
        folder.path(),
        &["verify", table.to_str().unwrap(), "--cells", "9"],
    );
    let (stdout, stderr) = texts(&command.env("FAR_KEY", KEY).output().unwrap());
    assert!(
        stdout.contains("no step is replayed: its teacher `lab/large` is at"),
        "{stdout}{stderr}"
    );
    assert_eq!(requests.load(Ordering::Relaxed), 9, "nobody is asked");
}
