//! The system calls that a program may make: a seccomp filter, compiled for the kernel.
//!
//! A list of what is allowed, so that calls which a kernel learns later are refused. Refused calls
//! do not exist (`ENOSYS`), which libraries take for an old kernel. Neither `fork` nor `exec` is
//! there: a program is one process, and killing that kills all of it.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// The filter as the kernel takes it: an array of `struct sock_filter`, eight bytes each.
pub(super) fn filter() -> Result<Vec<u8>, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in PLAIN.iter().chain(LEGACY) {
        rules.insert(*call, Vec::new());
    }
    for (call, alternatives) in conditional()? {
        rules.insert(call, alternatives);
    }
    let refused = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    let architecture = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, architecture)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(program
        .iter()
        .flat_map(|step| {
            let [code_low, code_high] = step.code.to_ne_bytes();
            let [a, b, c, d] = step.k.to_ne_bytes();
            [code_low, code_high, step.jt, step.jf, a, b, c, d]
        })
        .collect())
}

/// Calls that are allowed with some arguments only.
fn conditional() -> Result<Vec<(c_long, Vec<SeccompRule>)>, Error> {
    let own_process = || rule(0, SeccompCmpOp::Eq, 0);
    // Only threads. `clone3` hides its flags in memory, so it is refused and glibc falls back.
    let thread = number(libc::CLONE_THREAD);
    // Memory shared with nobody, and a stack, count towards no limit.
    let (shared, anonymous) = (number(libc::MAP_SHARED), number(libc::MAP_ANONYMOUS));
    let stack = number(libc::MAP_GROWSDOWN);
    let mut calls = vec![
        (
            libc::SYS_clone,
            vec![rule(0, SeccompCmpOp::MaskedEq(thread), thread)?],
        ),
        (libc::SYS_prlimit64, vec![own_process()?]),
        (libc::SYS_sched_setaffinity, vec![own_process()?]),
        (
            libc::SYS_mmap,
            vec![
                rule(3, SeccompCmpOp::MaskedEq(shared | stack), 0)?,
                rule(3, SeccompCmpOp::MaskedEq(anonymous | stack), 0)?,
            ],
        ),
    ];
    calls.push((
        libc::SYS_prctl,
        choices(0, &[libc::PR_SET_NAME, libc::PR_GET_NAME].map(number))?,
    ));
    // What opening a file asks; nothing that types into a terminal.
    let asked = [
        libc::TCGETS,
        libc::TIOCGWINSZ,
        libc::FIONREAD,
        libc::FIONBIO,
        libc::FIOCLEX,
    ];
    calls.push((libc::SYS_ioctl, choices(1, &asked)?));
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
    calls.push((libc::SYS_fcntl, choices(1, &file.map(number))?));
    Ok(calls)
}

/// A C constant, none of which is negative, as an argument of a system call.
fn number(constant: libc::c_int) -> u64 {
    u64::from(constant.cast_unsigned())
}

fn choices(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, Error> {
    values
        .iter()
        .map(|value| rule(argument, SeccompCmpOp::Eq, *value))
        .collect()
}

fn rule(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, Error> {
    let width = match operator {
        SeccompCmpOp::Eq => SeccompCmpArgLen::Dword,
        _ => SeccompCmpArgLen::Qword,
    };
    Ok(SeccompRule::new(vec![SeccompCondition::new(
        argument, width, operator, value,
    )?])?)
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
