//! The system calls that a server and its programs may make.
//!
//! This is a list of allowed calls, so calls that a later kernel adds are refused. A refused call does not exist
//! (`ENOSYS`), which libraries take for an old kernel. Neither `fork` nor `exec` is allowed to a program: it is one
//! process, and killing that process kills all of it.
//!
//! There are two filters, of which the kernel applies the stricter answer. The server installs one for its lifetime,
//! which its programs inherit: the list, and the calls that the server needs to start and end a program. Each program
//! adds a short one, which refuses those calls again.
//!
//! On Linux 6.18 the long filter takes 0.38 ms to install, once for each server, and the short one 0.03 ms, once for
//! each program, of the 1.5 ms that judging a short program takes. Filters of our own with the same rules as a search
//! tree took 0.08 ms and 0.03 ms, and judging took as long. So the order of comparisons does not matter; installing the
//! long filter only once does.

use std::collections::BTreeMap;

use libc::{c_int, c_long, c_ulong};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// For each call, the rules of which one must hold; every call with that number if there are none.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// The filter of a server in the kernel's form: an array of `struct sock_filter`, eight bytes each.
/// Empty for an architecture that the compiler does not know.
pub(super) fn server_filter() -> Vec<u8> {
    let mut allowed = allowed();
    allowed.extend(
        refused_to_programs()
            .into_keys()
            .map(|call| (call, Vec::new())),
    );
    compile(allowed, SeccompAction::Allow, refuse())
}

/// The filter that a program adds, in the same form.
pub(super) fn program_filter() -> Vec<u8> {
    compile(refused_to_programs(), refuse(), SeccompAction::Allow)
}

/// The call does not exist.
fn refuse() -> SeccompAction {
    SeccompAction::Errno(libc::ENOSYS.cast_unsigned())
}

/// `matched` is the action for calls of which a rule holds, `others` that for all others. A call by the numbers of
/// another architecture kills the process.
fn compile(rules: Rules, matched: SeccompAction, others: SeccompAction) -> Vec<u8> {
    let Ok(architecture) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Vec::new();
    };
    let filter = SeccompFilter::new(rules, others, matched, architecture);
    let program = filter
        .and_then(BpfProgram::try_from)
        .expect("the rules are constants");
    program
        .into_iter()
        .flat_map(|step| {
            let [code_low, code_high] = step.code.to_ne_bytes();
            let [a, b, c, d] = step.k.to_ne_bytes();
            [code_low, code_high, step.jt, step.jf, a, b, c, d]
        })
        .collect()
}

/// The calls that programs and servers may make.
fn allowed() -> Rules {
    let plain = PLAIN.iter().chain(LEGACY).map(|call| (*call, Vec::new()));
    plain.chain(allowed_with_arguments()).collect()
}

fn allowed_with_arguments() -> [(c_long, Vec<SeccompRule>); 6] {
    // Memory that is shared with nobody, and a stack, count towards no limit.
    let (shared, anonymous) = (number(libc::MAP_SHARED), number(libc::MAP_ANONYMOUS));
    let stack = number(libc::MAP_GROWSDOWN);
    // The requests that opening a file makes; none that types into a terminal.
    let requests = [
        libc::TCGETS,
        libc::TIOCGWINSZ,
        libc::FIONREAD,
        libc::FIONBIO,
        libc::FIOCLEX,
    ];
    // No `F_SETOWN` and `F_SETSIG`, which send signals.
    let commands = [
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
    [
        // Only the own process.
        (libc::SYS_prlimit64, one_of(0, &[0])),
        (
            libc::SYS_mmap,
            vec![
                rule(vec![masked(3, shared | stack, 0)]),
                rule(vec![masked(3, anonymous | stack, 0)]),
            ],
        ),
        (libc::SYS_ioctl, one_of(1, &requests.map(low_half))),
        (libc::SYS_fcntl, one_of(1, &commands.map(number))),
        // Two ends that reach nothing else, by which `asyncio` wakes itself up: they have no address, and nothing is
        // sent to one.
        (libc::SYS_socketpair, one_of(0, &[number(libc::AF_UNIX)])),
        (libc::SYS_sendto, vec![rule(vec![no_pointer(4)])]),
    ]
}

/// The calls that a server may make, with the rules by which they are refused to its programs.
fn refused_to_programs() -> Rules {
    // Only threads. `clone3` hides its flags in memory, so it is refused and glibc falls back.
    let thread = number(libc::CLONE_THREAD);
    let names = [libc::PR_SET_NAME, libc::PR_GET_NAME];
    let is_other = |name| condition(0, SeccompCmpOp::Ne, number(name));
    let mut rules = Rules::from([
        (libc::SYS_clone, vec![rule(vec![masked(0, thread, 0)])]),
        (libc::SYS_prctl, vec![rule(names.map(is_other).to_vec())]),
        (libc::SYS_kill, Vec::new()),
        (libc::SYS_recvmsg, Vec::new()),
    ]);
    rules.extend(FORK.iter().map(|call| (*call, Vec::new())));
    rules
}

/// The call by which some C libraries fork, where it exists; others `clone`.
#[cfg(target_arch = "x86_64")]
const FORK: &[c_long] = &[libc::SYS_fork];

/// The call by which some C libraries fork, where it exists; others `clone`.
#[cfg(not(target_arch = "x86_64"))]
const FORK: &[c_long] = &[];

/// A C constant, none of which is negative, as an argument of a system call.
fn number(constant: c_int) -> u32 {
    constant.cast_unsigned()
}

/// The number of an `ioctl`, which has 32 bits.
fn low_half(constant: c_ulong) -> u32 {
    u32::try_from(constant).unwrap_or(u32::MAX)
}

/// One rule for each value that an argument may have.
fn one_of(argument: u8, values: &[u32]) -> Vec<SeccompRule> {
    let equal = |value: &u32| rule(vec![condition(argument, SeccompCmpOp::Eq, *value)]);
    values.iter().map(equal).collect()
}

fn masked(argument: u8, mask: u32, value: u32) -> SeccompCondition {
    condition(argument, SeccompCmpOp::MaskedEq(mask.into()), value)
}

/// On the low half of an argument: none of these calls uses the other half, and the kernel ignores it too.
fn condition(argument: u8, operator: SeccompCmpOp, value: u32) -> SeccompCondition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value.into())
        .expect("a call has six arguments")
}

/// On all of an argument, which is an address in memory.
fn no_pointer(argument: u8) -> SeccompCondition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
        .expect("a call has six arguments")
}

fn rule(conditions: Vec<SeccompCondition>) -> SeccompRule {
    SeccompRule::new(conditions).expect("there is a condition")
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
    libc::SYS_recvfrom,
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

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

    /// Runs a filter as the kernel's documentation says that the kernel does (`seccomp(2)`, `linux/bpf_common.h`).
    fn run(filter: &[u8], architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_ne_bytes());
        data.extend(architecture.to_ne_bytes());
        data.extend(0_u64.to_ne_bytes());
        data.extend(arguments.into_iter().flat_map(u64::to_ne_bytes));
        let (mut accumulator, mut position) = (0, 0);
        loop {
            let step = &filter[position * 8..][..8];
            let value = u32::from_ne_bytes(step[4..].try_into().unwrap());
            position += 1;
            let branch = |holds: bool| usize::from(if holds { step[2] } else { step[3] });
            match u16::from_ne_bytes([step[0], step[1]]) {
                0x20 => {
                    let word = &data[value as usize..][..4];
                    accumulator = u32::from_ne_bytes(word.try_into().unwrap());
                }
                0x54 => accumulator &= value,
                0x05 => position += value as usize,
                0x15 => position += branch(accumulator == value),
                0x06 => return value,
                code => panic!("no step {code:#x}"),
            }
        }
    }

    /// `AUDIT_ARCH_...` of `linux/audit.h`.
    const HERE: u32 = if cfg!(target_arch = "x86_64") {
        0xc000_003e
    } else if cfg!(target_arch = "aarch64") {
        0xc000_00b7
    } else {
        0xc000_00f3
    };

    fn server_allows(call: c_long, arguments: [u64; 6]) -> bool {
        let number = u32::try_from(call).unwrap();
        run(&server_filter(), HERE, number, arguments) == ALLOW
    }

    /// The kernel applies the stricter answer of both filters.
    fn program_allows(call: c_long, arguments: [u64; 6]) -> bool {
        let number = u32::try_from(call).unwrap();
        let by_program = run(&program_filter(), HERE, number, arguments) == ALLOW;
        by_program && server_allows(call, arguments)
    }

    #[test]
    fn every_listed_call_is_allowed_and_every_other_one_does_not_exist() {
        let with_arguments = [
            libc::SYS_clone,
            libc::SYS_prlimit64,
            libc::SYS_mmap,
            libc::SYS_prctl,
            libc::SYS_ioctl,
            libc::SYS_fcntl,
            libc::SYS_socketpair,
            libc::SYS_sendto,
        ];
        let filters = [server_filter(), program_filter()];
        for number in (0..1000).filter(|number| !with_arguments.contains(number)) {
            let is_listed = PLAIN.contains(&number) || LEGACY.contains(&number);
            assert_eq!(program_allows(number, [0; 6]), is_listed, "{number}");
        }
        for number in [1000, 0x4000_0001, 0x4000_0039, u32::MAX] {
            let answer = run(&filters[0], HERE, number, [0; 6]);
            assert_eq!(
                answer,
                libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned(),
                "{number:#x}"
            );
        }
    }

    /// Oracle: the constants of Linux's headers, written out.
    #[test]
    fn arguments_decide_where_a_call_is_allowed_in_part() {
        const PRIVATE_ANONYMOUS: u64 = 0x22;
        const SHARED: u64 = 0x01;
        const SHARED_ANONYMOUS: u64 = 0x21;
        const STACK: u64 = 0x122;
        let third = |flags| [0, 0, 0, flags, 0, 0];
        let second = |request| [0, request, 0, 0, 0, 0];
        let first = |what| [what, 0, 0, 0, 0, 0];
        for (call, arguments, is_allowed) in [
            (libc::SYS_mmap, third(PRIVATE_ANONYMOUS), true),
            (libc::SYS_mmap, third(SHARED), true),
            (libc::SYS_mmap, third(SHARED_ANONYMOUS), false),
            (libc::SYS_mmap, third(STACK), false),
            (libc::SYS_ioctl, second(0x5401), true),
            // `TIOCSTI` types into a terminal.
            (libc::SYS_ioctl, second(0x5412), false),
            (libc::SYS_fcntl, second(3), true),
            // `F_SETOWN` and `F_SETSIG` send signals.
            (libc::SYS_fcntl, second(8), false),
            (libc::SYS_fcntl, second(10), false),
            (libc::SYS_prlimit64, first(0), true),
            (libc::SYS_prlimit64, first(1), false),
            // The kernel ignores the high half of this argument, and so do the filters.
            (libc::SYS_prlimit64, first(1 << 32), true),
            (libc::SYS_prctl, first(15), true),
            (libc::SYS_prctl, first(16), true),
            (libc::SYS_prctl, first(22), false),
            // `CLONE_THREAD`, and the flags of `fork`.
            (libc::SYS_clone, first(0x1_0000), true),
            (libc::SYS_clone, first(0x0120_0011), false),
            (libc::SYS_kill, first(1), false),
            // `AF_UNIX`, `AF_INET`, `AF_NETLINK`.
            (libc::SYS_socketpair, first(1), true),
            (libc::SYS_socketpair, first(2), false),
            (libc::SYS_socketpair, first(16), false),
            // To the other end, and to an address.
            (libc::SYS_sendto, [3, 1 << 40, 9, 0, 0, 0], true),
            (libc::SYS_sendto, [3, 1 << 40, 9, 0, 1, 16], false),
            (libc::SYS_sendto, [3, 1 << 40, 9, 0, 1 << 32, 16], false),
        ] {
            let allows = program_allows(call, arguments);
            assert_eq!(allows, is_allowed, "{call} {arguments:x?}");
        }
    }

    #[test]
    fn a_server_forks_and_its_programs_do_not() {
        let own = [
            libc::SYS_clone,
            libc::SYS_prctl,
            libc::SYS_kill,
            libc::SYS_recvmsg,
        ];
        for call in own.iter().chain(FORK) {
            let arguments = [0x0120_0011, 9, 0, 0, 0, 0];
            assert!(server_allows(*call, arguments), "{call}");
            assert!(!program_allows(*call, arguments), "{call}");
        }
    }

    #[test]
    fn calls_by_another_architecture_s_numbers_kill() {
        for filter in [server_filter(), program_filter()] {
            let answer = run(&filter, 0x4000_0003, 1, [0; 6]);
            assert_eq!(answer, libc::SECCOMP_RET_KILL_PROCESS);
        }
    }
}
