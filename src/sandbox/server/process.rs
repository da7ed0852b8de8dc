//! The process of a program, which is the only child of its server.

use std::fs;

/// The process that runs a server's program.
///
/// `root` is the process that was started as the server: it only watches the server, which is its child and the
/// program's parent. `None` if no program runs, or if the kernel does not list children (`CONFIG_PROC_CHILDREN`).
pub(super) fn of_server(root: u32) -> Option<u32> {
    only_child(only_child(root)?)
}

/// Whether a server has no program now. Also no if the kernel does not list children.
pub(super) fn is_absent(root: u32) -> bool {
    only_child(root)
        .and_then(children)
        .is_some_and(|children| children.is_empty())
}

fn only_child(process: u32) -> Option<u32> {
    match children(process)?.as_slice() {
        [child] => Some(*child),
        _ => None,
    }
}

fn children(process: u32) -> Option<Vec<u32>> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(path).ok()?;
    let numbers = children.split_ascii_whitespace();
    numbers.map(|number| number.parse().ok()).collect()
}

/// Kills the program of a server, and returns whether it could.
#[cfg(target_os = "linux")]
pub(super) fn kill(root: u32) -> bool {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let program = of_server(root);
    let pid = program.and_then(|program| Pid::from_raw(i32::try_from(program).ok()?));
    let Some(handle) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return false;
    };
    // Another process may have got the number before the handle was opened.
    of_server(root) == program && pidfd_send_signal(&handle, Signal::KILL).is_ok()
}

/// Kills the program of a server, and returns whether it could.
#[cfg(not(target_os = "linux"))]
pub(super) fn kill(_root: u32) -> bool {
    false
}
