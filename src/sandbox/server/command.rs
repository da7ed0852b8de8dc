//! How a server is started: its command, and the settings that it gets as its argument.

use std::{fmt::Write as _, os::unix::process::CommandExt as _, path::Path, process::Command};

use serde_json::{Value, json};

use crate::sandbox::{Interpreter, Modules, Settings};

/// The driver, which Python gets as its command, so that no file of ours has to be found.
pub(in crate::sandbox) const DRIVER: &str = concat!(
    include_str!("../sandbox.py"),
    "\n",
    include_str!("../forks.py"),
    "\n",
    include_str!("../driver.py")
);

const OPEN_FILES: u64 = 128;
const THREADS: u64 = 64;
/// The most that a program may ask for as its stack.
const STACK_BYTES: u64 = 64 << 20;
/// The smallest bound on a namespace's processes that a kernel accepts.
const PROCESSES: u64 = 512;

/// The command that starts a server.
pub(super) fn command(
    interpreter: &Interpreter,
    settings: &Settings,
    modules: Modules,
    scratch: &Path,
) -> Command {
    let mut command = Command::new(&interpreter.path);
    command
        .args(["-s", "-B", "-c", DRIVER])
        .arg(driver_settings(settings, modules, scratch).to_string())
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

fn driver_settings(settings: &Settings, modules: Modules, scratch: &Path) -> Value {
    let (server_filter, program_filter) = filters();
    json!({
        "modules": modules.names(),
        "scratch": scratch,
        "scratch_bytes": settings.scratch_bytes,
        "file_bytes": settings.scratch_bytes,
        "memory_bytes": settings.memory_bytes,
        "stack_bytes": STACK_BYTES,
        "open_files": OPEN_FILES,
        "threads": THREADS,
        "processes": PROCESSES,
        "server_filter": hexadecimal(&server_filter),
        "program_filter": hexadecimal(&program_filter),
    })
}

/// The filter of system calls of the server, and the one that its programs add.
#[cfg(target_os = "linux")]
fn filters() -> (Vec<u8>, Vec<u8>) {
    use crate::sandbox::system_calls::{program_filter, server_filter};
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
