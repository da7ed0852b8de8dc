//! Workers as child processes of this one.

use std::{
    env,
    ffi::OsString,
    fs::File,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Ended, LaunchError, Launcher, Order, Started};

/// The variable with the GPUs that the driver of NVIDIA shows to a process.
const DEVICES: &str = "CUDA_VISIBLE_DEVICES";

/// Starts `recode job FOLDER` on this machine.
///
/// Each worker leads a process group of its own: a Ctrl-C at the terminal reaches the scheduler
/// alone, which asks the workers to stop, and a kill reaches what the worker has started too.
///
/// Workers ask the system for a signal when the *thread* that started them ends: start them from
/// the main thread.
#[derive(Clone, Debug)]
pub struct Process {
    program: PathBuf,
    before: Vec<OsString>,
}

impl Process {
    /// Starts workers by this program.
    pub fn this_program() -> Result<Self, LaunchError> {
        Ok(Self::new(
            env::current_exe().map_err(LaunchError::FindProgram)?,
        ))
    }

    /// Starts workers by the program at a path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            before: Vec::new(),
        }
    }

    /// Adds an argument before those that say which job to run.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.before.push(argument.into());
        self
    }
}

impl Launcher for Process {
    fn start(&mut self, order: &Order<'_>) -> Result<Box<dyn Started>, LaunchError> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.before)
            .arg("job")
            .arg(order.folder)
            .args(["--attempt", &order.attempt.to_string()])
            // The worker compares: if this process dies first, the worker has another parent.
            .args(["--parent", &std::process::id().to_string()])
            .args(order.sharing.arguments())
            .stdin(Stdio::null())
            .stdout(create_log(&order.logs.join("stdout.log"))?)
            .stderr(create_log(&order.logs.join("stderr.log"))?)
            .process_group(0);
        if !order.devices.is_empty() {
            command.env(DEVICES, order.devices.join(","));
        }
        Ok(Box::new(Worker {
            child: command.spawn().map_err(LaunchError::start(&self.program))?,
            ended: None,
        }))
    }
}

struct Worker {
    child: Child,
    ended: Option<Ended>,
}

impl Worker {
    /// The worker's process number, while no other process can have it.
    fn pid(&self) -> Option<Pid> {
        let pid = i32::try_from(self.child.id()).ok()?;
        if self.ended.is_none() {
            Pid::from_raw(pid)
        } else {
            None
        }
    }
}

impl Started for Worker {
    fn poll(&mut self) -> Result<Option<Ended>, LaunchError> {
        let pid = self.child.id();
        let wait = |source| LaunchError::Wait { pid, source };
        if self.ended.is_none() {
            self.ended = self.child.try_wait().map_err(wait)?.map(how);
        }
        Ok(self.ended)
    }

    fn stop(&mut self) {
        if let Some(pid) = self.pid() {
            // It fails only if the worker has just ended.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    fn kill(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
            // Before the worker made its group, there is no group to kill.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Drop for Worker {
    /// A scheduler that gives up must not leave workers running.
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) fn how(status: ExitStatus) -> Ended {
    status
        .signal()
        .map_or_else(|| Ended::Code(status.code().unwrap_or(-1)), Ended::Signal)
}

fn create_log(path: &Path) -> Result<File, LaunchError> {
    File::create(path).map_err(|source| LaunchError::CreateLog {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, thread, time::Duration};

    use super::*;
    use crate::launch::Sharing;

    /// Starts a shell script as a worker; `$@` are the worker's arguments.
    fn start(script: &str, folder: &Path) -> Box<dyn Started> {
        let mut launcher = Process::new("/bin/sh")
            .argument("-c")
            .argument(script)
            .argument("sh");
        launcher
            .start(&Order {
                folder,
                attempt: 3,
                logs: folder,
                sharing: Sharing::among(2),
                devices: &["3".to_owned(), "5".to_owned()],
            })
            .unwrap()
    }

    fn end_of(worker: &mut dyn Started) -> Ended {
        for _ in 0..1000 {
            if let Some(ended) = worker.poll().unwrap() {
                return ended;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the worker did not end within 10 s");
    }

    fn wait_for_output(folder: &Path) {
        for _ in 0..1000 {
            if !fs::read(folder.join("stdout.log")).unwrap().is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the worker said nothing within 10 s");
    }

    #[test]
    fn a_worker_is_told_its_job_and_its_words_are_kept() {
        let folder = tempfile::tempdir().unwrap();

        let mut worker = start(
            "echo $@ on $CUDA_VISIBLE_DEVICES; echo bad >&2; exit 7",
            folder.path(),
        );

        assert_eq!(end_of(&mut *worker), Ended::Code(7));
        let arguments = fs::read_to_string(folder.path().join("stdout.log")).unwrap();
        let (path, pid) = (folder.path().display(), std::process::id());
        assert_eq!(
            arguments,
            format!("job {path} --attempt 3 --parent {pid} --ranks 2 on 3,5\n")
        );
        assert_eq!(
            fs::read_to_string(folder.path().join("stderr.log")).unwrap(),
            "bad\n"
        );
    }

    #[test]
    fn a_worker_may_end_in_its_own_way_when_it_is_asked_to() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'exit 75' TERM; echo ready; while :; do sleep 0.01; done";
        let mut worker = start(script, folder.path());
        wait_for_output(folder.path());
        assert_eq!(worker.poll().unwrap(), None);

        worker.stop();

        assert_eq!(end_of(&mut *worker), Ended::Code(75));
    }

    #[test]
    fn a_kill_reaches_what_the_worker_has_started() {
        let folder = tempfile::tempdir().unwrap();
        // The grandchild ignores polite requests, and holds the pipe of standard output open.
        let script = "trap '' TERM; (trap '' TERM; sleep 600) & echo $!; wait";
        let mut worker = start(script, folder.path());
        wait_for_output(folder.path());

        worker.kill();

        assert_eq!(end_of(&mut *worker), Ended::Signal(9));
        let pid = fs::read_to_string(folder.path().join("stdout.log")).unwrap();
        let status = format!("/proc/{}/stat", pid.trim());
        for _ in 0..500 {
            // Gone, or a zombie that waits for its new parent.
            if fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z ")) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("process {pid} lives on");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let order = Order {
            folder: folder.path(),
            attempt: 1,
            logs: folder.path(),
            sharing: Sharing::default(),
            devices: &[],
        };

        let error = Process::new("/no/such/program").start(&order).unwrap_err();

        assert_eq!(error.to_string(), "cannot start `/no/such/program`");
    }
}
