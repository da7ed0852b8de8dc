//! One warm Python process that runs one program after the other.

mod answers;
mod command;
mod contention;
#[cfg(test)]
mod fuzz;
mod poll;
mod process;
mod program_pipes;
mod protocol;
mod time_limit;

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use crate::sandbox::{
    Call, Harness, Interpreter, Modules, Program, PythonError, Safeguards, Settings, Verdict,
    proof::{MAX_MESSAGE_BYTES, Nonce},
};

use answers::{Inbox, await_answers};
use poll::wait_for;
use program_pipes::ProgramPipes;
use protocol::{ANSWERS, CALL, CHECK, Channel, Checked, Ended, HARNESS, Hello, PROGRAM, Prepared};
use time_limit::{End, GRACE, await_checker, await_end};

pub use answers::{Answered, Answers, AnswersEnd, Calls};
pub(super) use command::DRIVER;
pub use contention::are_time_limits_exact;

/// The time that Python may take to start and to load its modules; torch needs several seconds.
const START: Duration = Duration::from_mins(1);
/// The time that a server may take to notice that its program has ended.
const NOTICE: Duration = Duration::from_millis(100);

/// A warm Python process with some modules loaded; killed when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    channel: Channel,
    random: File,
    safeguards: Safeguards,
    modules: BTreeMap<String, String>,
    /// Whether it could not clean up after a program.
    is_spent: bool,
    /// The key of the harness that is loaded.
    harness: Option<String>,
    /// The folder that programs write to if the system grants no file system in memory; only then it exists.
    scratch: PathBuf,
}

impl Server {
    /// Starts Python and waits until its modules are loaded.
    pub(super) fn start(
        interpreter: &Interpreter,
        settings: &Settings,
        modules: Modules,
    ) -> Result<Self, PythonError> {
        let mut random = File::open("/dev/urandom").map_err(PythonError::Lost)?;
        let scratch = unused_folder(&mut random).map_err(PythonError::Lost)?;
        let (channel, theirs) = Channel::pair().map_err(PythonError::Lost)?;
        let process = command::command(interpreter, settings, modules, &scratch)
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| PythonError::Start {
                interpreter: interpreter.path.clone(),
                source,
            })?;
        let mut server = Self {
            process,
            channel,
            random,
            safeguards: Safeguards::of_report(&BTreeMap::new(), &BTreeMap::new()),
            modules: BTreeMap::new(),
            is_spent: false,
            harness: None,
            scratch,
        };
        let hello: Hello = server.channel.receive(START)?;
        server.safeguards = Safeguards::of_report(&hello.safeguards, &hello.details);
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

    /// The modules that are loaded, with their versions where they have one.
    pub(super) fn modules(&self) -> &BTreeMap<String, String> {
        &self.modules
    }

    /// Runs a program to its end or to the end of its time.
    pub(super) fn run(&mut self, program: &Program) -> Result<(Verdict, String), PythonError> {
        self.exchange(PROGRAM, &program.source, program.timeout, program.seed)
    }

    /// Runs a program by a harness, and returns the harness's answer if the program passes.
    pub(super) fn call(&mut self, call: &Call<'_>) -> Result<(Verdict, String), PythonError> {
        self.load(call.harness)?;
        self.exchange(CALL, call.argument, call.timeout, call.seed)
    }

    /// Lets a program answer calls.
    pub(super) fn answer(
        &mut self,
        calls: &Calls<'_>,
        answers: &mut dyn Answers,
    ) -> Result<Answered, PythonError> {
        let call = &calls.call;
        self.load(call.harness)?;
        let (_, mut pipes) = self.send_program(ANSWERS, call.argument, call.seed)?;
        let mut inbox = Inbox::new(calls.limits.len(), answers);
        let server = self.process.id();
        let end = await_answers(server, &self.channel, &mut pipes, calls, &mut inbox)?;
        let status = self.status_after(end)?;
        inbox.drain(&mut pipes)?;
        Ok(inbox.finish(end, status))
    }

    /// Asks the harness to check something: its text, or none if it is late. The server must then be dropped.
    pub(super) fn check(&mut self, call: &Call<'_>) -> Result<Option<String>, PythonError> {
        self.load(call.harness)?;
        self.channel.send(CHECK, call.seed, call.argument, &[])?;
        if !await_checker(self.process.id(), &self.channel, call.timeout)? {
            self.is_spent = true;
            return Ok(None);
        }
        let reply: Checked = self.channel.receive(GRACE)?;
        Ok(Some(reply.checked))
    }

    fn load(&mut self, harness: &Harness) -> Result<(), PythonError> {
        if self.harness.as_ref() != Some(&harness.key) {
            self.harness = None;
            let request = json!({ "code": harness.code, "data": harness.data });
            self.channel.send(HARNESS, 0, &request.to_string(), &[])?;
            let _: Prepared = self.channel.receive(START)?;
            self.harness = Some(harness.key.clone());
        }
        Ok(())
    }

    /// Sends a program, with the ends of its own pipes.
    fn send_program(
        &mut self,
        kind: u8,
        text: &str,
        seed: u64,
    ) -> Result<(Nonce, ProgramPipes), PythonError> {
        let nonce = Nonce::new(&mut self.random).map_err(PythonError::Lost)?;
        let pipes = ProgramPipes::new(&nonce).map_err(PythonError::Lost)?;
        self.channel.send(kind, seed, text, &pipes.of_program())?;
        Ok((nonce, pipes))
    }

    /// Sends a program with its nonce, waits for its end, and weighs its message.
    fn exchange(
        &mut self,
        kind: u8,
        text: &str,
        timeout: Duration,
        seed: u64,
    ) -> Result<(Verdict, String), PythonError> {
        let (nonce, mut pipes) = self.send_program(kind, text, seed)?;
        let end = await_end(self.process.id(), &self.channel, timeout)?;
        let without_message = (end.verdict(), String::new());
        let Some(status) = self.status_after(end)? else {
            return Ok(without_message);
        };
        let mut message = Vec::new();
        pipes.drain_messages(&mut message, MAX_MESSAGE_BYTES)?;
        if message.len() > MAX_MESSAGE_BYTES {
            return Ok((Verdict::Forged, String::new()));
        }
        let verified = nonce.verify(message, status);
        // A program whose message is complete has ended, even if the system was still freeing its memory.
        let is_complete = !matches!(verified.0, Verdict::Died { .. } | Verdict::Forged);
        Ok(if end == End::ByItself || is_complete {
            verified
        } else {
            without_message
        })
    }

    /// The exit code of a program whose time has ended so, or the negative number of a signal; it is killed if it still
    /// runs. None if it cannot be killed, or was killed before it had read its text: then it ends with its server.
    fn status_after(&mut self, end: End) -> Result<Option<i32>, PythonError> {
        if end != End::ByItself && !self.kill_program()? {
            self.is_spent = true;
            return Ok(None);
        }
        match self.channel.receive::<Ended>(GRACE) {
            Ok(ended) => {
                self.is_spent = ended.is_spent;
                Ok(Some(ended.status))
            }
            Err(error) if end == End::ByItself => Err(error),
            Err(_) => {
                self.is_spent = true;
                Ok(None)
            }
        }
    }

    /// Kills the program, and returns whether it has ended, killed or not.
    fn kill_program(&self) -> Result<bool, PythonError> {
        let has_ended = |within| wait_for(&mut [self.channel.polled()], Instant::now() + within);
        Ok(process::kill(self.process.id()) || has_ended(NOTICE)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The watcher, the server and its program are one process group. Where there are namespaces, the kernel also
        // kills every other process in the server's namespace.
        let leader = i32::try_from(self.process.id()).ok();
        if let Some(leader) = leader.and_then(Pid::from_raw) {
            let _ = kill_process_group(leader, Signal::KILL);
        }
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// A path in the folder for temporary files, where nothing is.
fn unused_folder(random: &mut File) -> io::Result<PathBuf> {
    let nonce = Nonce::new(random)?;
    let name = nonce
        .bytes()
        .iter()
        .take(8)
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    std::path::absolute(env::temp_dir().join(format!("recode-{name:016x}")))
}
