//! One warm Python process, and the socket and the pipes to it.

mod contention;
mod process;

pub use contention::are_time_limits_exact;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Child, Command},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process_group},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tempfile::TempDir;

use crate::sandbox::{
    Call, Interpreter, Modules, PythonError, Safeguards, Settings, Verdict,
    proof::{MESSAGE_BYTES, Nonce},
};

use contention::Contention;

/// The driver, given to Python as its command: no file of ours has to be found.
pub(super) const DRIVER: &str = concat!(
    include_str!("../sandbox.py"),
    "\n",
    include_str!("../driver.py")
);

/// What Python may take to start and to load its modules; torch needs several seconds.
const START: Duration = Duration::from_mins(1);
/// What a server may take after a program's time: seeing that it is dead, emptying the scratch folder.
const GRACE: Duration = Duration::from_secs(15);
/// Each look at how long a program has waited costs a little, so that none is sooner after the last.
const LOOK: Duration = Duration::from_millis(1);
/// How many times its limit a program may wait for a processor before judging gives up.
const PATIENCE: u32 = 20;
/// Between two looks whether a program has begun, or its server has cleaned up.
const PAUSE: Duration = Duration::from_millis(5);
/// What a server may take to say that a program has ended which has.
const NOTICE: Duration = Duration::from_millis(100);
/// What a server says of itself is short.
const REPLY_BYTES: usize = 1 << 20;
/// What is read at once.
const PART: usize = 1 << 14;

/// What a request asks for.
const PROGRAM: u8 = b'p';
const CALL: u8 = b'c';
const HARNESS: u8 = b'h';

const OPEN_FILES: u64 = 128;
const THREADS: u64 = 64;
/// The fewest that a kernel takes as a bound of a namespace.
const PROCESSES: u64 = 512;

/// A warm Python process with some modules loaded; killed when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    /// For requests and replies; programs do not have it.
    channel: UnixStream,
    /// To the pipe from which a program that has passed takes its nonce, and its other end, by which is
    /// taken out what was left there.
    nonces: (PipeWriter, PipeReader),
    /// From the pipe into which programs write.
    messages: PipeReader,
    random: File,
    safeguards: Safeguards,
    modules: BTreeMap<String, String>,
    /// Whether it could not clean up behind a program.
    is_spent: bool,
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
}

#[derive(Deserialize)]
struct Prepared {
    #[serde(rename = "prepared")]
    _is_prepared: bool,
}

/// What a server says when a program has ended.
#[derive(Deserialize)]
struct Ended {
    /// The exit code, or the negative number of a signal.
    status: i32,
    /// Whether the server can run no other program.
    is_spent: bool,
}

/// How a program's time ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    ByItself,
    /// It was still running.
    Late,
    /// It wrote more than any honest message has.
    Flood,
}

impl End {
    /// The verdict on a program whose message counts for nothing.
    fn verdict(self) -> Verdict {
        match self {
            Self::Late => Verdict::Timeout,
            Self::ByItself | Self::Flood => Verdict::Forged,
        }
    }
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
        let (channel, theirs) = UnixStream::pair().map_err(PythonError::Lost)?;
        let (nonce_reader, nonce_writer) = io::pipe().map_err(PythonError::Lost)?;
        let (messages, message_writer) = io::pipe().map_err(PythonError::Lost)?;
        let nonces = nonce_reader.try_clone().map_err(PythonError::Lost)?;
        let process = command(interpreter, &told.to_string())
            .stdin(OwnedFd::from(theirs))
            .stdout(nonces)
            .stderr(message_writer)
            .spawn()
            .map_err(|source| PythonError::Start {
                interpreter: interpreter.path.clone(),
                source,
            })?;
        let mut server = Self {
            process,
            channel,
            nonces: (nonce_writer, nonce_reader),
            messages,
            random: File::open("/dev/urandom").map_err(PythonError::Lost)?,
            safeguards: Safeguards::of_report(&BTreeMap::new(), &BTreeMap::new()),
            modules: BTreeMap::new(),
            is_spent: false,
            harness: None,
            _scratch: scratch,
        };
        server.await_hello()?;
        let hello: Hello = server.receive(START)?;
        server.safeguards = Safeguards::of_report(&hello.safeguards, &hello.details);
        server.modules = hello.modules;
        while is_readable(&server.messages)? {
            server.read_message(&mut Vec::new(), 0)?;
        }
        Ok(server)
    }

    /// Waits until the server speaks; what Python or a library complains of meanwhile is no message.
    fn await_hello(&mut self) -> Result<(), PythonError> {
        let deadline = Instant::now() + START;
        loop {
            let mut ends = [
                PollFd::new(&self.channel, PollFlags::IN),
                PollFd::new(&self.messages, PollFlags::IN),
            ];
            if !wait_for(&mut ends, deadline)? {
                return Err(no_answer());
            }
            let [has_spoken, has_complained] = ends.map(|end| !end.revents().is_empty());
            if has_spoken {
                return Ok(());
            }
            if has_complained {
                self.read_message(&mut Vec::new(), 0)?;
            }
        }
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
        let (verdict, _) = self.judge(PROGRAM, source, timeout, 0)?;
        Ok(verdict)
    }

    /// Lets a harness run a program, and returns what the harness says if the program let it.
    pub(super) fn call(&mut self, call: &Call<'_>) -> Result<(Verdict, String), PythonError> {
        let harness = call.harness;
        if self.harness.as_ref() != Some(&harness.key) {
            self.harness = None;
            let request = json!({ "code": harness.code, "data": harness.data });
            self.send(HARNESS, &request.to_string())?;
            let _: Prepared = self.receive(START)?;
            self.harness = Some(harness.key.clone());
        }
        self.judge(CALL, call.argument, call.timeout, call.answer_bytes)
    }

    fn judge(
        &mut self,
        kind: u8,
        text: &str,
        timeout: Duration,
        answer_bytes: usize,
    ) -> Result<(Verdict, String), PythonError> {
        let nonce = Nonce::new(&mut self.random).map_err(PythonError::Lost)?;
        let mut nonces = &self.nonces.0;
        nonces.write_all(nonce.bytes()).map_err(PythonError::Lost)?;
        self.send(kind, text)?;
        let mut message = Vec::new();
        let most = answer_bytes + MESSAGE_BYTES;
        let end = self.await_end(timeout, &mut message, most)?;
        if end != End::ByItself && !self.kill_program()? {
            // Whatever runs in it ends with the server.
            self.is_spent = true;
            return Ok((end.verdict(), String::new()));
        }
        let ended: Ended = match self.receive(GRACE) {
            Ok(ended) => ended,
            Err(error) if end == End::ByItself => return Err(error),
            // It was killed before it had read its text.
            Err(_) => {
                self.is_spent = true;
                return Ok((end.verdict(), String::new()));
            }
        };
        self.is_spent = ended.is_spent;
        while is_readable(&self.messages)? {
            self.read_message(&mut message, most)?;
        }
        self.take_out_nonces()?;
        if message.len() > most {
            return Ok((Verdict::Forged, String::new()));
        }
        let judged = nonce.judge(&message, ended.status);
        // Who has said all has ended, even if the system was still taking down its memory.
        let has_spoken = !matches!(judged.0, Verdict::Died { .. } | Verdict::Forged);
        if end == End::ByItself || has_spoken {
            Ok(judged)
        } else {
            Ok((end.verdict(), String::new()))
        }
    }

    /// Waits until the server says that the program has ended, and gives it the time for which others kept
    /// it from running.
    ///
    /// Meanwhile it reads what the program writes, of which `message` keeps `most` bytes and one; but not
    /// where an honest message fits the pipe, since being woken by it costs more than the pipe's room.
    fn await_end(
        &mut self,
        timeout: Duration,
        message: &mut Vec<u8>,
        most: usize,
    ) -> Result<End, PythonError> {
        let mut started = Instant::now();
        let mut deadline = started + timeout;
        let mut without_program = None;
        loop {
            let mut ends = [
                PollFd::new(&self.channel, PollFlags::IN),
                PollFd::new(&self.messages, PollFlags::IN),
            ];
            let watched = if most > MESSAGE_BYTES { 2 } else { 1 };
            wait_for(&mut ends[..watched], deadline)?;
            let [has_ended, has_said] = ends.map(|end| !end.revents().is_empty());
            if has_ended {
                return Ok(End::ByItself);
            }
            if has_said {
                self.read_message(message, most)?;
                if message.len() > most {
                    return Ok(End::Flood);
                }
            }
            if Instant::now() < deadline {
                continue;
            }
            if process::is_absent(self.process.id()) {
                // It is over, and what is left is the server's to do; or it has not begun, nor has its time.
                started = Instant::now();
                if *without_program.get_or_insert(started) + GRACE < started {
                    return Err(no_answer());
                }
                deadline = started + PAUSE;
                continue;
            }
            let wall = started.elapsed();
            let contention = process::of_server(self.process.id()).and_then(Contention::of);
            let quiet = contention.map_or(wall, |contention| contention.quiet_time(wall));
            let granted = timeout.saturating_sub(quiet);
            if granted.is_zero() {
                return Ok(End::Late);
            }
            if wall > timeout.saturating_mul(PATIENCE) {
                return Err(PythonError::Overloaded {
                    waited: wall.saturating_sub(quiet),
                });
            }
            deadline = Instant::now() + granted.max(LOOK);
        }
    }

    /// Kills the program, and says whether it has ended: it may have done so by itself.
    fn kill_program(&self) -> Result<bool, PythonError> {
        let mut channel = [PollFd::new(&self.channel, PollFlags::IN)];
        Ok(process::kill(self.process.id()) || wait_for(&mut channel, Instant::now() + NOTICE)?)
    }

    /// Reads some of what programs have written; keeps `most` bytes and one.
    fn read_message(&mut self, message: &mut Vec<u8>, most: usize) -> Result<(), PythonError> {
        let mut part = [0; PART];
        let count = self.messages.read(&mut part).map_err(PythonError::Lost)?;
        if count == 0 {
            return Err(PythonError::Lost(io::ErrorKind::UnexpectedEof.into()));
        }
        let room = (most + 1).saturating_sub(message.len());
        message.extend_from_slice(&part[..count.min(room)]);
        Ok(())
    }

    /// Takes out what the last program has left, or put, where the next one's nonce will be.
    fn take_out_nonces(&mut self) -> Result<(), PythonError> {
        while is_readable(&self.nonces.1)? {
            let mut part = [0; MESSAGE_BYTES];
            self.nonces.1.read(&mut part).map_err(PythonError::Lost)?;
        }
        Ok(())
    }

    fn send(&mut self, kind: u8, text: &str) -> Result<(), PythonError> {
        let size = u32::try_from(text.len()).map_err(|_| PythonError::Server {
            reason: "the program is too long".to_owned(),
        })?;
        // In one piece, so that the server wakes up once.
        let whole = [&[kind], size.to_le_bytes().as_slice(), text.as_bytes()].concat();
        self.channel.write_all(&whole).map_err(PythonError::Lost)
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
            let mut channel = [PollFd::new(&self.channel, PollFlags::IN)];
            if !wait_for(&mut channel, deadline)? {
                return Err(no_answer());
            }
            match self.channel.read(buffer) {
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
        // The watcher, the server and its program are a group; where there are namespaces, the kernel kills all
        // that lives in one of a killed server.
        let leader = i32::try_from(self.process.id()).ok();
        if let Some(leader) = leader.and_then(Pid::from_raw) {
            let _ = kill_process_group(leader, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

fn no_answer() -> PythonError {
    PythonError::Server {
        reason: "no answer".to_owned(),
    }
}

/// Waits until an end can be read, and says whether one can before the deadline.
fn wait_for(ends: &mut [PollFd<'_>], deadline: Instant) -> Result<bool, PythonError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap_or(Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        });
        match poll(ends, Some(&left)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(PythonError::Lost(error.into())),
        }
    }
}

fn is_readable(end: &PipeReader) -> Result<bool, PythonError> {
    let mut ends = [PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN)];
    wait_for(&mut ends, Instant::now())
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
        // Ctrl-C at the terminal is for us; we end the server, and its program with it.
        .process_group(0);
    command
}

/// Of the server, and what its programs add.
#[cfg(target_os = "linux")]
fn filters() -> (Vec<u8>, Vec<u8>) {
    use crate::sandbox::seccomp::{program_filter, server_filter};
    // A processor without a filter is a missing safeguard, which the driver reports.
    (server_filter(), program_filter())
}

#[cfg(not(target_os = "linux"))]
fn filters() -> (Vec<u8>, Vec<u8>) {
    (Vec::new(), Vec::new())
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
