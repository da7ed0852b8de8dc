//! The system calls that a program may make.
//!
//! This is a list of allowed calls, so calls that a later kernel adds are refused. A refused call does not exist
//! (`ENOSYS`), which libraries take for an old kernel. Neither `fork` nor `exec` is allowed: a program is one process,
//! and killing that process kills all of it.
//!
//! There are two filters, of which the kernel applies the stricter answer. The server installs one for its lifetime,
//! which its programs inherit: the list, and the calls that the server needs to start and end a program. Each program
//! adds another one, which removes those calls again. It is short, so that installing it before each program costs
//! little.

use libc::c_long;

use super::filter::{Action, Condition, Rules, compile};

/// The filter of a server in the kernel's form: an array of `struct sock_filter`, eight bytes each.
/// Empty for an architecture on which filters have not been tried.
pub(in crate::sandbox) fn server_filter() -> Vec<u8> {
    let mut rules = rules();
    rules.extend(server_only().into_keys().map(|call| (call, Action::Allow)));
    filter(&rules, &Action::Refuse)
}

/// The filter that a program adds, in the same form.
pub(in crate::sandbox) fn program_filter() -> Vec<u8> {
    filter(&server_only(), &Action::Allow)
}

/// The calls that only the server may make, each with the rule for programs.
fn server_only() -> Rules {
    let rules = rules();
    [libc::SYS_clone, libc::SYS_kill, libc::SYS_prctl]
        .iter()
        .chain(FORK)
        .copied()
        .filter_map(|call| u32::try_from(call).ok())
        .map(|call| (call, rules.get(&call).cloned().unwrap_or(Action::Refuse)))
        .collect()
}

fn filter(rules: &Rules, others: &Action) -> Vec<u8> {
    ARCHITECTURE.map_or_else(Vec::new, |architecture| {
        compile(rules, others, architecture)
    })
}

/// `AUDIT_ARCH_…` of `linux/audit.h`.
const ARCHITECTURE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else if cfg!(target_arch = "riscv64") {
    Some(0xc000_00f3)
} else {
    None
};

/// What a program may do.
fn rules() -> Rules {
    let plain = PLAIN
        .iter()
        .chain(LEGACY)
        .map(|call| (*call, Action::Allow));
    plain
        .chain(conditional().map(|(call, conditions)| (call, Action::AllowIf(conditions))))
        // No number of a system call is negative.
        .filter_map(|(call, action)| Some((u32::try_from(call).ok()?, action)))
        .collect()
}

/// Calls that are allowed only with some arguments.
fn conditional() -> impl Iterator<Item = (c_long, Vec<Condition>)> {
    let own_process = || choices(0, &[0]);
    // Only threads. `clone3` hides its flags in memory, so it is refused and glibc falls back.
    let thread = number(libc::CLONE_THREAD);
    // Memory that is shared with nobody, and a stack, count towards no limit.
    let (shared, anonymous) = (number(libc::MAP_SHARED), number(libc::MAP_ANONYMOUS));
    let stack = number(libc::MAP_GROWSDOWN);
    // The requests that opening a file makes; none that types into a terminal.
    let asked = [
        libc::TCGETS,
        libc::TIOCGWINSZ,
        libc::FIONREAD,
        libc::FIONBIO,
        libc::FIOCLEX,
    ];
    // No `F_SETOWN` and `F_SETSIG`, which send signals.
    let file = [
        libc::F_DUPFD,
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
        libc::F_GETLK,
        libc::F_SETLK,
        libc::F_SETLKW,
    ];
    let named = [libc::PR_SET_NAME, libc::PR_GET_NAME];
    [
        (libc::SYS_clone, vec![masked(0, thread, thread)]),
        (libc::SYS_prlimit64, own_process()),
        (
            libc::SYS_mmap,
            vec![
                masked(3, shared | stack, 0),
                masked(3, anonymous | stack, 0),
            ],
        ),
        (libc::SYS_prctl, choices(0, &named.map(number))),
        (libc::SYS_ioctl, choices(1, &asked.map(low_half))),
        (libc::SYS_fcntl, choices(1, &file.map(number))),
    ]
    .into_iter()
}

/// The call by which some C libraries fork, where it exists; others `clone`.
#[cfg(target_arch = "x86_64")]
const FORK: &[c_long] = &[libc::SYS_fork];

/// The call by which some C libraries fork, where it exists; others `clone`.
#[cfg(not(target_arch = "x86_64"))]
const FORK: &[c_long] = &[];

/// A C constant, none of which is negative, as an argument of a system call.
fn number(constant: libc::c_int) -> u32 {
    constant.cast_unsigned()
}

/// The number of an `ioctl`, which has 32 bits.
fn low_half(constant: libc::c_ulong) -> u32 {
    u32::try_from(constant).unwrap_or(u32::MAX)
}

fn masked(argument: u32, mask: u32, value: u32) -> Condition {
    Condition {
        argument,
        mask,
        value,
    }
}

fn choices(argument: u32, values: &[u32]) -> Vec<Condition> {
    values
        .iter()
        .map(|value| masked(argument, u32::MAX, *value))
        .collect()
}

/// Allowed with any arguments, on every processor.
const PLAIN: &[c_long] = &[
    // memory
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_msync,
    libc::SYS_munmap,
    libc::SYS_membarrier,
    // files: Landlock says which
    libc::SYS_chdir,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchdir,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fdatasync,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_linkat,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_lseek,
    libc::SYS_mkdirat,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_renameat2,
    libc::SYS_sendfile,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_symlinkat,
    libc::SYS_truncate,
    libc::SYS_umask,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_write,
    libc::SYS_writev,
    // waiting
    libc::SYS_clock_nanosleep,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // itself
    libc::SYS_capget,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getrandom,
    libc::SYS_getresgid,
    libc::SYS_getresuid,
    libc::SYS_getrusage,
    libc::SYS_getsid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // its own signals
    libc::SYS_getitimer,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_setitimer,
    libc::SYS_sigaltstack,
    // clocks
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_times,
];

/// The same under the names that only the oldest architecture has.
#[cfg(target_arch = "x86_64")]
const LEGACY: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_alarm,
    libc::SYS_arch_prctl,
    libc::SYS_chmod,
    libc::SYS_creat,
    libc::SYS_dup2,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_getdents,
    libc::SYS_getpgrp,
    libc::SYS_getrlimit,
    libc::SYS_link,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_pause,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_rmdir,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_symlink,
    libc::SYS_time,
    libc::SYS_unlink,
    libc::SYS_utime,
    libc::SYS_utimes,
];

/// The same under the names that only the oldest architecture has.
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[c_long] = &[];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::seccomp::filter::run;

    #[test]
    fn both_filters_together_allow_what_the_list_allows() {
        let Some(here) = ARCHITECTURE else {
            return;
        };
        let (server, program) = (server_filter(), program_filter());
        let list = filter(&rules(), &Action::Refuse);
        let allow = libc::SECCOMP_RET_ALLOW;
        let arguments = [0, 1, 15, 16, 22, 0x11, 0x1_0000, 0x5_2f00, u64::MAX];
        let mut allowed = 0;
        for number in (0..600).chain([0x4000_0039, u32::MAX]) {
            for (first, second) in arguments
                .iter()
                .flat_map(|first| arguments.map(|second| (*first, second)))
            {
                let arguments = [first, second, 0, second, 0, 0];
                let by = |filter: &[u8]| run(filter, here, number, arguments) == allow;

                assert_eq!(
                    by(&server) && by(&program),
                    by(&list),
                    "{number} {arguments:x?}"
                );
                allowed += usize::from(by(&list));
            }
        }
        assert!(allowed > 0);
    }

    #[test]
    fn a_server_forks_and_its_programs_do_not() {
        let Some(here) = ARCHITECTURE else {
            return;
        };
        let clone = u32::try_from(libc::SYS_clone).unwrap();
        let by = |filter: &[u8]| run(filter, here, clone, [0x0120_0011, 0, 0, 0, 0, 0]);

        assert_eq!(by(&server_filter()), libc::SECCOMP_RET_ALLOW);
        assert_ne!(by(&program_filter()), libc::SECCOMP_RET_ALLOW);
    }
}
