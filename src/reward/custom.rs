//! A reward of one's own: a process that reads lines of JSON and writes lines of JSON.
//!
//! The process is started once and stays warm. It first writes `{"protocol": 1, "version": "..."}`. Then
//! each line that it reads is `{"items": [...]}`, and it answers with one line `{"rewards": [...]}` that
//! has a number for each item, or with `{"error": "..."}`. What it writes to its standard error is kept
//! for messages. A process that fails is started again once, with the same line; if it fails again, that
//! is an error and no reward.

use std::{
    borrow::Cow,
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::CustomSettings;

/// The version of the protocol.
const PROTOCOL: u64 = 1;
/// The largest line of an answer.
const LINE_BYTES: u64 = 1 << 24;
/// The largest size of a reward.
const LARGEST: f64 = 1e6;
/// The lines of the standard error that a message repeats.
const COMPLAINT_LINES: usize = 12;
/// The most characters of an answer that a message repeats.
const SHOWN: usize = 300;

/// A completion to reward, with what the process may want to know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CustomItem<'a> {
    /// The name of the row.
    pub row: &'a str,
    /// What the model was shown.
    pub prompt: &'a str,
    /// What it wrote.
    pub completion: &'a str,
    /// The code in it, if there is some.
    pub code: Option<Cow<'a, str>>,
    /// The code that is wanted.
    pub target: &'a str,
    /// The share of the row's tests that the code passes, if the settings ask for it.
    pub tests: Option<f64>,
}

/// Why there are no rewards.
#[derive(Debug, thiserror::Error)]
pub enum CustomError {
    /// It does not start.
    #[error("cannot start the reward process `{command}`")]
    Start {
        /// The command.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// It ended, or its pipes broke.
    #[error("the reward process ended{}", said(stderr))]
    Ended {
        /// The end of its standard error.
        stderr: String,
    },
    /// It took too long.
    #[error("the reward process gave no answer in {seconds} s{}", said(stderr))]
    Late {
        /// The time limit.
        seconds: f64,
        /// The end of its standard error.
        stderr: String,
    },
    /// It wrote something that is no answer.
    #[error("the reward process wrote `{line}`: {reason}{}", said(stderr))]
    Answer {
        /// The line, perhaps cut.
        line: String,
        /// What was expected.
        reason: String,
        /// The end of its standard error.
        stderr: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!("; its last lines on stderr are:\n{stderr}")
    }
}

/// The first line of a process.
#[derive(Deserialize)]
struct Hello {
    protocol: u64,
    version: String,
}

/// A line with rewards.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply {
    Rewards(Vec<Option<f64>>),
    Error(String),
}

/// A warm process that gives rewards.
#[derive(Debug)]
pub struct CustomReward {
    settings: CustomSettings,
    version: String,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    input: ChildStdin,
    lines: Receiver<io::Result<Vec<u8>>>,
    complaints: Arc<Mutex<VecDeque<String>>>,
    timeout: Duration,
}

impl CustomReward {
    /// Starts the process and waits for its version.
    pub fn start(settings: &CustomSettings) -> Result<Self, CustomError> {
        let (process, version) = Process::start(settings)?;
        Ok(Self {
            settings: settings.clone(),
            version,
            process: Mutex::new(Some(process)),
        })
    }

    /// The version that the process has given.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The reward of each item, in their order.
    pub fn rewards(&self, items: &[CustomItem<'_>]) -> Result<Vec<f64>, CustomError> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rewards = Vec::with_capacity(items.len());
        for batch in items.chunks(self.settings.batch_size.max(1)) {
            let first = match process.as_mut() {
                Some(process) => process.batch(batch),
                None => Err(CustomError::Ended {
                    stderr: String::new(),
                }),
            };
            let found = match first {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%error, "the reward process failed; it is started again");
                    // The old one ends here.
                    *process = None;
                    let (mut again, _) = Process::start(&self.settings)?;
                    let found = again.batch(batch)?;
                    *process = Some(again);
                    found
                }
            };
            rewards.extend(found);
        }
        Ok(rewards)
    }
}

impl Process {
    fn start(settings: &CustomSettings) -> Result<(Self, String), CustomError> {
        let command = settings.command.join(" ");
        let failed = |source| CustomError::Start {
            command: command.clone(),
            source,
        };
        let missing = || failed(io::Error::other("the command is empty"));
        let (program, arguments) = settings.command.split_first().ok_or_else(missing)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        let complaints = Arc::new(Mutex::new(VecDeque::new()));
        keep_last_lines(errors, Arc::clone(&complaints));
        let mut process = Self {
            child,
            input,
            lines: read_lines(output),
            complaints,
            timeout: Duration::try_from_secs_f64(settings.timeout_seconds).unwrap_or(Duration::MAX),
        };
        let line = process.line()?;
        let hello: Hello = serde_json::from_slice(&line).map_err(|error| {
            let expected = format!("{{\"protocol\": {PROTOCOL}, \"version\": \"...\"}}");
            process.wrong(&line, &format!("expected {expected} first ({error})"))
        })?;
        if hello.protocol != PROTOCOL {
            let reason = format!("this program speaks protocol `{PROTOCOL}`");
            return Err(process.wrong(&line, &reason));
        }
        Ok((process, hello.version))
    }

    /// The rewards of items that go into one line.
    fn batch(&mut self, items: &[CustomItem<'_>]) -> Result<Vec<f64>, CustomError> {
        let request = format!("{}\n", json!({ "items": items }));
        let sent = self.input.write_all(request.as_bytes());
        if sent.and_then(|()| self.input.flush()).is_err() {
            return Err(self.ended());
        }
        let line = self.line()?;
        let reply: Reply = serde_json::from_slice(&line).map_err(|error| {
            self.wrong(&line, &format!("expected {{\"rewards\": [...]}} ({error})"))
        })?;
        let rewards = match reply {
            Reply::Rewards(rewards) => rewards,
            Reply::Error(reason) => return Err(self.wrong(&line, &reason)),
        };
        if rewards.len() != items.len() {
            let reason = format!("expected `{}` rewards, one for each item", items.len());
            return Err(self.wrong(&line, &reason));
        }
        let checked = rewards.iter().zip(items).map(|(reward, item)| {
            let fine = reward.filter(|reward| reward.is_finite() && reward.abs() <= LARGEST);
            fine.ok_or_else(|| {
                let row = item.row;
                let reason = format!("expected a number up to {LARGEST} for the item of `{row}`");
                self.wrong(&line, &reason)
            })
        });
        checked.collect()
    }

    /// The next line of the process.
    fn line(&mut self) -> Result<Vec<u8>, CustomError> {
        match self.lines.recv_timeout(self.timeout) {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(RecvTimeoutError::Timeout) => Err(CustomError::Late {
                seconds: self.timeout.as_secs_f64(),
                stderr: self.stderr(),
            }),
        }
    }

    fn ended(&mut self) -> CustomError {
        // Its last words may still be on their way.
        let _ = self.child.kill();
        let _ = self.child.wait();
        thread::sleep(Duration::from_millis(50));
        CustomError::Ended {
            stderr: self.stderr(),
        }
    }

    fn wrong(&self, line: &[u8], reason: &str) -> CustomError {
        let line = String::from_utf8_lossy(line);
        CustomError::Answer {
            line: line.trim_end().chars().take(SHOWN).collect(),
            reason: reason.to_owned(),
            stderr: self.stderr(),
        }
    }

    fn stderr(&self) -> String {
        let lines = self
            .complaints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each line of `output`, without its end, until the output ends.
fn read_lines(output: impl io::Read + Send + 'static) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        loop {
            let mut line = Vec::new();
            let read = output
                .by_ref()
                .take(LINE_BYTES)
                .read_until(b'\n', &mut line);
            let end = match read {
                Ok(0) => return,
                Ok(_) if line.ends_with(b"\n") => Ok(line),
                Ok(_) => Err(io::Error::other("a line that does not end")),
                Err(error) => Err(error),
            };
            let is_over = end.is_err();
            if sender.send(end).is_err() || is_over {
                return;
            }
        }
    });
    lines
}

/// Keeps the last lines of `errors`, and reads all of them so that the process never waits.
fn keep_last_lines(errors: impl io::Read + Send + 'static, kept: Arc<Mutex<VecDeque<String>>>) {
    thread::spawn(move || {
        let mut errors = BufReader::new(errors);
        let mut line = Vec::new();
        while let Ok(1..) = errors
            .by_ref()
            .take(LINE_BYTES)
            .read_until(b'\n', &mut line)
        {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == COMPLAINT_LINES {
                kept.pop_front();
            }
            kept.push_back(text);
            line.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "import json, sys\n\
        print(json.dumps({'protocol': 1, 'version': 'v7'}), flush=True)\n";

    fn settings(source: &str) -> CustomSettings {
        CustomSettings {
            command: vec!["python3".to_owned(), "-c".to_owned(), source.to_owned()],
            files: Vec::new(),
            batch_size: 2,
            timeout_seconds: 20.0,
            tests: false,
        }
    }

    fn items(completions: &[&'static str]) -> Vec<CustomItem<'static>> {
        let item = |completion: &&'static str| CustomItem {
            row: "row 1",
            prompt: "p",
            completion,
            code: None,
            target: "t",
            tests: None,
        };
        completions.iter().map(item).collect()
    }

    fn rewards(body: &str, completions: &[&'static str]) -> Result<Vec<f64>, CustomError> {
        let reward = CustomReward::start(&settings(&format!("{HELLO}{body}")))?;
        assert_eq!(reward.version(), "v7");
        reward.rewards(&items(completions))
    }

    /// By hand: the lengths; the batches have 2, 2 and 1 items.
    #[test]
    fn a_warm_process_rewards_a_batch_at_a_time_and_in_order() {
        let body = "number = 0\n\
            for line in sys.stdin:\n\
            \x20   items = json.loads(line)['items']\n\
            \x20   number += 1\n\
            \x20   lengths = [100 * number + len(item['completion']) for item in items]\n\
            \x20   print(json.dumps({'rewards': lengths}), flush=True)\n";

        let found = rewards(body, &["a", "ab", "abc", "", "abcde"]).unwrap();

        assert_eq!(found, [101.0, 102.0, 203.0, 200.0, 305.0]);
    }

    #[test]
    fn what_is_no_answer_is_an_error_with_its_line() {
        for (answer, expected) in [
            ("{'rewards': [1]}", "expected `2` rewards"),
            (
                "{'rewards': [1, None]}",
                "expected a number up to 1000000 for the item of `row 1`",
            ),
            ("{'error': 'no key'}", "no key"),
            ("{'reward': 1}", "expected {\"rewards\": [...]}"),
        ] {
            let body = format!("for line in sys.stdin: print(json.dumps({answer}), flush=True)");
            let error = rewards(&body, &["a", "b"]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            let start: String = answer
                .chars()
                .take(7)
                .collect::<String>()
                .replace('\'', "\"");
            assert!(error.contains(&start), "{error}");
        }
    }

    #[test]
    fn a_process_that_fails_says_why() {
        let body = "for line in sys.stdin: raise ValueError('no such model')";
        let error = rewards(body, &["a"]).unwrap_err().to_string();
        assert!(error.contains("ValueError: no such model"), "{error}");

        let silent = CustomSettings {
            timeout_seconds: 0.3,
            ..settings(&format!("{HELLO}sys.stdin.read()"))
        };
        // The handshake itself may take longer than that on a busy machine; both are late.
        let late = CustomReward::start(&silent).and_then(|reward| reward.rewards(&items(&["a"])));
        assert!(matches!(late, Err(CustomError::Late { .. })), "{late:?}");

        let error = CustomReward::start(&settings("print('hello')")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`hello`: expected {\"protocol\": 1"),
            "{error}"
        );
        let other = "print('{\"protocol\": 2, \"version\": \"\"}')";
        let error = CustomReward::start(&settings(other)).unwrap_err();
        assert!(error.to_string().contains("speaks protocol `1`"), "{error}");
    }

    #[test]
    fn a_process_that_dies_once_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("died");
        let body = format!(
            "import os\n\
             for line in sys.stdin:\n\
             \x20   if not os.path.exists({mark:?}):\n\
             \x20       open({mark:?}, 'w').close()\n\
             \x20       os._exit(3)\n\
             \x20   print(json.dumps({{'rewards': [4]}}), flush=True)\n"
        );
        assert_eq!(rewards(&body, &["a"]).unwrap(), [4.0]);
        assert!(mark.exists());
    }
}
