//! One warm Python process, and the pipes to it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tempfile::TempDir;

use super::{
    Call, Interpreter, Modules, PythonError, Safeguards, Settings, Verdict, contention::Contention,
};

/// The driver, given to Python as its command: no file of ours has to be found.
pub(super) const DRIVER: &str =
    concat!(include_str!("sandbox.py"), "\n", include_str!("driver.py"));

/// What Python may take to start and to load its modules; torch needs several seconds.
const START: Duration = Duration::from_mins(1);
/// What a server may take over a program's own time: forking, killing, emptying the scratch folder.
const GRACE: Duration = Duration::from_secs(15);
/// How many times its limit a program may wait for a processor before judging gives up.
const PATIENCE: u32 = 20;
/// A reply is a verdict with a short text, or the answer of a harness.
const REPLY_BYTES: usize = 1 << 29;

const OPEN_FILES: u64 = 128;
const THREADS: u64 = 64;
/// The fewest that a kernel takes as a bound of a namespace.
const PROCESSES: u64 = 512;

/// A warm Python process with some modules loaded; killed when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    requests: ChildStdin,
    replies: ChildStdout,
    safeguards: Safeguards,
    modules: BTreeMap<String, String>,
    /// Whether it could not clean up behind a program.
    is_spent: bool,
    /// How far below this process's child a program is: the namespaces' first process is between.
    generations: usize,
    /// The key of the harness that is loaded.
    harness: Option<String>,
    /// Where programs write if the system grants no file system in memory.
    _scratch: TempDir,
}

#[derive(Deserialize)]
struct Hello {
    safeguards: BTreeMap<String, Option<String>>,
    details: BTreeMap<String, String>,
    modules: BTreeMap<String, String>,
    is_nested: bool,
}

#[derive(Deserialize)]
struct Prepared {
    #[serde(rename = "prepared")]
    _is_prepared: bool,
}

/// How a program ended, and what the harness around it says.
#[derive(Deserialize)]
struct Reply {
    #[serde(flatten)]
    verdict: Verdict,
    #[serde(default)]
    answer: String,
    /// Whether the server can run no other program.
    is_spent: bool,
}

/// What comes back while a program runs: it has had its time by the clock, or has ended.
#[derive(Deserialize)]
#[serde(untagged)]
enum News {
    Late { late: f64 },
    Ended(Reply),
}

/// What comes back: an answer, or why the server gave up.
#[derive(Deserialize)]
struct Fatal {
    fatal: String,
}

impl Server {
    /// Starts Python and waits until its modules are loaded.
    pub(super) fn start(
        interpreter: &Interpreter,
        settings: &Settings,
        modules: Modules,
    ) -> Result<Self, PythonError> {
        let scratch = tempfile::Builder::new()
            .prefix("recode-")
            .tempdir()
            .map_err(PythonError::Lost)?;
        let told = json!({
            "modules": modules.names(),
            "scratch": scratch.path(),
            "scratch_bytes": settings.scratch_bytes,
            "file_bytes": settings.scratch_bytes,
            "memory_bytes": settings.memory_bytes,
            "open_files": OPEN_FILES,
            "threads": THREADS,
            "processes": PROCESSES,
            "server_filter": hexadecimal(&filters().0),
            "program_filter": hexadecimal(&filters().1),
        });
        let mut process = command(interpreter, &told.to_string())
            .spawn()
            .map_err(|source| PythonError::Start {
                interpreter: interpreter.path.clone(),
                source,
            })?;
        let (Some(requests), Some(replies)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(PythonError::Server {
                reason: "no pipes".to_owned(),
            });
        };
        let mut server = Self {
            process,
            requests,
            replies,
            safeguards: Safeguards::of_report(&BTreeMap::new(), &BTreeMap::new()),
            modules: BTreeMap::new(),
            is_spent: false,
            generations: 1,
            harness: None,
            _scratch: scratch,
        };
        let hello: Hello = server.receive(START)?;
        server.safeguards = Safeguards::of_report(&hello.safeguards, &hello.details);
        server.generations = if hello.is_nested { 2 } else { 1 };
        server.modules = hello.modules;
        Ok(server)
    }

    /// Whether it must run no other program.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Which protections hold.
    pub(super) fn safeguards(&self) -> &Safeguards {
        &self.safeguards
    }

    /// The modules that are loaded, with their versions where they tell one.
    pub(super) fn modules(&self) -> &BTreeMap<String, String> {
        &self.modules
    }

    /// Runs a program to its end or to the end of its time.
    pub(super) fn run(&mut self, source: &str, timeout: Duration) -> Result<Verdict, PythonError> {
        let request = json!({ "source": source, "timeout": timeout.as_secs_f64() });
        self.send(request.to_string().as_bytes())?;
        let reply = self.await_end(timeout)?;
        Ok(reply.verdict)
    }

    /// Lets a harness run a program, and returns what the harness says if the program let it.
    pub(super) fn call(&mut self, call: &Call<'_>) -> Result<(Verdict, String), PythonError> {
        let harness = call.harness;
        if self.harness.as_ref() != Some(&harness.key) {
            self.harness = None;
            let request = json!({ "code": harness.code, "data": harness.data });
            self.send(request.to_string().as_bytes())?;
            let _: Prepared = self.receive(START)?;
            self.harness = Some(harness.key.clone());
        }
        let request = json!({
            "argument": call.argument,
            "timeout": call.timeout.as_secs_f64(),
            "answer_bytes": call.answer_bytes,
        });
        self.send(request.to_string().as_bytes())?;
        let reply = self.await_end(call.timeout)?;
        Ok((reply.verdict, reply.answer))
    }

    /// Waits for a program's end, and gives it the time for which others kept it from running.
    fn await_end(&mut self, timeout: Duration) -> Result<Reply, PythonError> {
        let mut granted = timeout;
        loop {
            let wall = match self.receive(granted + GRACE)? {
                News::Ended(reply) => {
                    self.is_spent = reply.is_spent;
                    return Ok(reply);
                }
                News::Late { late } => {
                    Duration::try_from_secs_f64(late).map_err(|_| PythonError::Server {
                        reason: format!("a program has run for {late} seconds"),
                    })?
                }
            };
            let quiet = match Contention::of_descendant(self.process.id(), self.generations) {
                Some(contention) => contention.quiet_time(wall),
                None => wall,
            };
            granted = timeout.saturating_sub(quiet);
            if !granted.is_zero() && wall > timeout.saturating_mul(PATIENCE) {
                return Err(PythonError::Overloaded {
                    waited: wall.saturating_sub(quiet),
                });
            }
            self.send(
                json!({ "more": granted.as_secs_f64() })
                    .to_string()
                    .as_bytes(),
            )?;
        }
    }

    fn send(&mut self, request: &[u8]) -> Result<(), PythonError> {
        let size = u32::try_from(request.len()).map_err(|_| PythonError::Server {
            reason: "the program is too long".to_owned(),
        })?;
        // In one piece, so that the server wakes up once.
        let whole = [&size.to_le_bytes(), request].concat();
        self.requests.write_all(&whole).map_err(PythonError::Lost)
    }

    fn receive<T: DeserializeOwned>(&mut self, within: Duration) -> Result<T, PythonError> {
        let deadline = Instant::now() + within;
        let mut size = [0; 4];
        self.read(&mut size, deadline)?;
        let size = u32::from_le_bytes(size) as usize;
        if size > REPLY_BYTES {
            return Err(PythonError::Server {
                reason: format!("a reply of {size} bytes"),
            });
        }
        let mut reply = vec![0; size];
        self.read(&mut reply, deadline)?;
        serde_json::from_slice(&reply).map_err(|error| {
            let reason = match serde_json::from_slice::<Fatal>(&reply) {
                Ok(Fatal { fatal }) => fatal,
                Err(_) => error.to_string(),
            };
            PythonError::Server { reason }
        })
    }

    fn read(&mut self, mut buffer: &mut [u8], deadline: Instant) -> Result<(), PythonError> {
        while !buffer.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).unwrap_or(Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            });
            let mut pipe = [PollFd::new(&self.replies, PollFlags::IN)];
            match poll(&mut pipe, Some(&left)) {
                Ok(0) => {
                    return Err(PythonError::Server {
                        reason: "no answer".to_owned(),
                    });
                }
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(PythonError::Lost(error.into())),
            }
            match self.replies.read(buffer) {
                Ok(0) => return Err(PythonError::Lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => buffer = &mut buffer[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(PythonError::Lost(error)),
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The kernel kills all that lives in the namespace of a killed server.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(interpreter: &Interpreter, told: &str) -> Command {
    let mut command = Command::new(&interpreter.path);
    command
        .args(["-s", "-B", "-c", DRIVER, told])
        .current_dir("/")
        .env_clear()
        .envs([
            ("LANG", "C.UTF-8"),
            ("PATH", "/usr/bin:/bin"),
            // Sets of strings are iterated in the same order every time.
            ("PYTHONHASHSEED", "0"),
            ("OMP_NUM_THREADS", "1"),
            ("OPENBLAS_NUM_THREADS", "1"),
            ("MKL_NUM_THREADS", "1"),
            ("NUMEXPR_NUM_THREADS", "1"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Ctrl-C at the terminal is for us; we end the server.
        .process_group(0);
    command
}

/// Of the server, and what its programs add.
#[cfg(target_os = "linux")]
fn filters() -> (Vec<u8>, Vec<u8>) {
    use super::system_calls::{program_filter, server_filter};
    // A processor without a filter is a missing safeguard, which the driver reports.
    (server_filter(), program_filter())
}

#[cfg(not(target_os = "linux"))]
fn filters() -> (Vec<u8>, Vec<u8>) {
    (Vec::new(), Vec::new())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
