//! The process of a program, which is a server's only child.

use std::fs;

/// The process that runs a program of a server that was started as `root`: the process that was
/// started watches the server, whose child the program is.
///
/// `None` where the kernel does not say (`CONFIG_PROC_CHILDREN`), or none runs.
pub(super) fn of_server(root: u32) -> Option<u32> {
    only_child(only_child(root)?)
}

fn only_child(process: u32) -> Option<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(path).ok()?;
    let mut children = children.split_ascii_whitespace();
    let child = children.next()?.parse().ok()?;
    children.next().is_none().then_some(child)
}

/// Kills the program of a server, and says whether it could.
#[cfg(target_os = "linux")]
pub(super) fn kill(root: u32) -> bool {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
    let program = of_server(root);
    let pid = program.and_then(|program| Pid::from_raw(i32::try_from(program).ok()?));
    let Some(handle) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return false;
    };
    // The number may have gone to another process before the handle was there.
    of_server(root) == program && pidfd_send_signal(&handle, Signal::KILL).is_ok()
}

/// Kills the program of a server, and says whether it could.
#[cfg(not(target_os = "linux"))]
pub(super) fn kill(_root: u32) -> bool {
    false
}
