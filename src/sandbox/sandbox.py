"""Safeguards around untrusted code, applied by system calls.

It runs before `forks.py` and `driver.py`, in the same namespace, and uses only the standard library. Each
safeguard has a name and a state: `None` if it is on, or the reason why it is off.
"""

import sys

# `python -c` looks for modules in the working folder first.
sys.path[:] = [path for path in sys.path if path]

import _ctypes
import ctypes
import errno
import functools
import os
import re
import resource
import signal
import struct

LINUX = sys.platform.startswith("linux")

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET

AT_FDCWD = -100
AT_RECURSIVE = 0x8000
MOUNT_ATTR_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2

# The same numbers on every architecture.
SYS_MOUNT_SETATTR = 442
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446
LANDLOCK_RULE_PATH_BENEATH = 1
FS_EXECUTE = 1 << 0
FS_WRITE_FILE = 1 << 1
FS_READ_FILE = 1 << 2
FS_READ_DIR = 1 << 3
# How many kinds of access each version of Landlock knows.
FS_KINDS = {1: 13, 2: 14, 3: 15, 4: 15}
FS_KINDS_NEWEST = 16
FS_TRUNCATE = 1 << 14

# Nobody: a user that owns nothing and, unlike 0, loses every capability.
NOBODY = 65534

# Where a program may write files: the first folder that contains no part of the interpreter is covered by a new
# file system, which vanishes with its namespace.
SCRATCH_PLACES = ("/tmp", "/var/tmp", "/mnt", "/media")

# Where the C library keeps semaphores and shared memory: the same folder, by another name.
SHARED_MEMORY = "/dev/shm"

SYSTEM_PLACES = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo",
    "/etc/ld.so.cache", "/etc/localtime",
)
# Without `/dev/zero`: a shared mapping of it is memory that no limit counts.
DEVICES = ("/dev/null", "/dev/random", "/dev/urandom")


class Refused(Exception):
    """The system does not grant a safeguard."""


if LINUX:
    libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """Calls a C function that returns a negative number when it fails."""
    result = getattr(libc, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise Refused(f"{name}: {os.strerror(number)}")
    return result


def syscall(number, *arguments):
    return call("syscall", ctypes.c_long(number), *arguments)


def enter_namespaces():
    """Leaves the host's users, mounts, processes, network and IPC; the next child is process 1.

    Without a user namespace (some containers refuse them) the others are tried anyway, which works for root.
    """
    user, group = os.geteuid(), os.getegid()
    try:
        call("unshare", CLONE_NEWUSER | NAMESPACES)
    except Refused as refusal:
        try:
            call("unshare", NAMESPACES)
        except Refused:
            return {"user_namespace": str(refusal), "namespaces": str(refusal)}
        return {"user_namespace": str(refusal), "namespaces": None}
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{NOBODY} {user} 1")
    write("/proc/self/gid_map", f"{NOBODY} {group} 1")
    return {"user_namespace": None, "namespaces": None}


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class Scratch:
    """The only folder that programs write to: an empty file system in memory, which only this namespace has.

    It covers a public folder. `/dev/shm` is the same folder. Everything else becomes read-only: Landlock does not
    prevent an owner from changing modes and times, and programs own what the judge's user owns.

    Each step is tried even if the system refuses another one, except where it would harm the host.
    """

    def __init__(self, size):
        # The folder, if there is one; why it is no safeguard; why `/dev/shm` is not the same folder.
        self.place, self.missing, self.no_shared_memory = None, None, None
        used = [os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, sys.executable)]

        def is_free(place):
            return os.path.isdir(place) and not any(path.startswith(place + "/") for path in used)

        place = next(filter(is_free, SCRATCH_PLACES), None)
        if place is None:
            self.missing = "no folder to cover"
            return
        options = f"size={size},nr_inodes=4096,mode=0700".encode()
        # The host would see a mount of a namespace that is not private.
        self.missing = (refusal_of(call, "mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
                        or refusal_of(call, "mount", b"tmpfs", place.encode(), b"tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                                   options))
        if self.missing:
            return
        self.place = place
        self.no_shared_memory = "no free folder"
        if is_free(SHARED_MEMORY):
            shared = SHARED_MEMORY.encode()
            self.no_shared_memory = refusal_of(call, "mount", place.encode(), shared, None, MS_BIND, None)
        self.missing = refusal_of(set_attributes, b"/", AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0)
        self.missing = refusal_of(set_attributes, place.encode(), 0, 0, MOUNT_ATTR_RDONLY) or self.missing
        # What is still the host's stays read-only.
        if not self.no_shared_memory:
            self.no_shared_memory = refusal_of(set_attributes, shared, 0, 0, MOUNT_ATTR_RDONLY)

    def detail(self, size):
        text = f"{size >> 20} MiB in memory"
        if self.no_shared_memory:
            text += f"; without {SHARED_MEMORY}, which locks of multiprocessing need ({self.no_shared_memory})"
        return text


def refusal_of(step, *arguments):
    """Why the system refuses a step, or `None` if it does not."""
    try:
        step(*arguments)
    except Refused as refusal:
        return str(refusal)


def set_attributes(place, how, on, off):
    attributes = struct.pack("QQQQ", on, off, 0, 0)
    length = ctypes.c_size_t(len(attributes))
    syscall(SYS_MOUNT_SETATTR, AT_FDCWD, place, how, attributes, length)


def limit_processes(most):
    """Bounds the threads in the namespace, because root is exempt from RLIMIT_NPROC.

    Kernels before 6.14 have one bound for the whole system, which we must not change.
    """
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if release and tuple(map(int, release.groups())) >= (6, 14):
        try:
            call("mount", b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
            write("/proc/sys/kernel/pid_max", str(most))
        except (Refused, OSError):
            pass


def drop_capabilities():
    """Gives up every capability, after the last step that needs one."""
    header = struct.pack("Ii", 0x20080522, 0)
    call("capset", header, struct.pack("6I", *[0] * 6))


def restrict_files(scratch):
    """Applies Landlock: the interpreter can be read, `scratch` can be written, nothing else can be opened.

    Returns the kernel's version of Landlock.
    """
    version = syscall(SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    handled = (1 << FS_KINDS.get(version, FS_KINDS_NEWEST)) - 1
    # Version 4 covers the network (binding, connecting), version 6 abstract sockets and signals.
    network = 3 if version >= 4 else 0
    scoped = 1 if version >= 6 else 0
    attributes = struct.pack("QQQ", handled, network, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = syscall(SYS_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    readable = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR
    places, _ = interpreter_places()
    for path in sorted({*places, *SYSTEM_PLACES}):
        allow(ruleset, path, readable & handled)
    for path in DEVICES:
        allow(ruleset, path, FS_READ_FILE | FS_WRITE_FILE)
    allow(ruleset, scratch, handled & ~FS_EXECUTE)
    no_new_privileges()
    syscall(SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return version


def interpreter_places():
    """The folders of Python's modules and shared libraries, and other folders of `sys.path`.

    A `.pth` file or an editable install adds the folder of a project, in which there may be secrets. So only what
    belongs to an installation counts, and folders of installed packages wherever they are.
    """
    prefixes = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    places = {os.path.join(prefix, name) for prefix in prefixes for name in ("lib", sys.platlibdir)}
    # A Python that was not installed has them elsewhere.
    places |= {os.path.dirname(module.__file__) for module in (os, _ctypes) if getattr(module, "__file__", None)}
    places = {os.path.realpath(place) for place in places}
    installed, others = set(places), []
    for path in filter(os.path.exists, sys.path):
        real = os.path.realpath(path)
        is_inside = any(real.startswith(place + "/") for place in (*places, *SYSTEM_PLACES))
        if is_inside or os.path.basename(real) in ("site-packages", "dist-packages"):
            installed.add(real)
        elif real not in places:
            others.append(path)
    return sorted(installed), others


def allow(ruleset, path, access):
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            access &= FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE
        rule = struct.pack("=Qi", access, descriptor)
        syscall(SYS_LANDLOCK_ADD_RULE, ruleset, LANDLOCK_RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def no_new_privileges():
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


class SystemCallFilter:
    """A seccomp program, ready to be installed by one call after a fork."""

    def __init__(self, program):
        if not LINUX:
            raise Refused(f"{sys.platform} has no seccomp")
        if not program:
            raise Refused("no filter for this processor")
        self.code = ctypes.create_string_buffer(program, len(program))
        fields = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(self.code))
        self.program = ctypes.create_string_buffer(fields, len(fields))
        # Unlike `CDLL` it keeps the interpreter's lock: releasing it costs a system call and touches more pages.
        prctl = ctypes.PyDLL(None, use_errno=True).prctl
        self.install_now = functools.partial(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, self.program, 0, 0)

    def install(self):
        """Restricts this process for good."""
        if self.install_now() != 0:
            raise Refused(f"prctl: {os.strerror(ctypes.get_errno())}")

    def probe(self):
        """Tries the filter in a child: does the kernel accept it, and does it refuse calls?"""
        if not holds_in_child(self.refuses_fork):
            raise Refused("the kernel does not take the filter")

    def refuses_fork(self):
        no_new_privileges()
        self.install()
        try:
            os.fork()
        except OSError as error:
            return error.errno == errno.ENOSYS
        return False


def holds_in_child(check):
    """Whether a check is true in a fork, which the check may change."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status == 0


def probe_limits(chosen, memory):
    """Tries the limits in a child: can it get more memory than they allow?"""

    def refuses_memory():
        import mmap
        for which, value in chosen:
            resource.setrlimit(which, value)
        try:
            mmap.mmap(-1, memory + (1 << 20), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError:
            return True
        return False

    if not holds_in_child(refuses_memory):
        raise Refused("the kernel does not limit the memory of a process")


def limits(settings):
    """The limits of a program, as arguments of `setrlimit`."""
    chosen = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, settings["file_bytes"]),
        (resource.RLIMIT_NOFILE, settings["open_files"]),
    ]
    # One bound on all memory of a program: private memory, the stack, and files, which are in memory and can be mapped.
    # There is no other memory that can be shared. Private memory is limited by RLIMIT_DATA and not by RLIMIT_AS,
    # because torch maps gigabytes of addresses that it never touches.
    if LINUX:
        stack = min(settings["stack_bytes"], settings["memory_bytes"] // 4)
        files = min(settings["scratch_bytes"], settings["memory_bytes"] // 4)
        chosen.append((resource.RLIMIT_DATA, settings["memory_bytes"] - stack - files))
        chosen.append((resource.RLIMIT_STACK, stack))
        chosen.append((resource.RLIMIT_AS, addresses() + 2 * settings["memory_bytes"]))
        chosen.append((resource.RLIMIT_NPROC, settings["threads"]))
        chosen.append((resource.RLIMIT_MEMLOCK, 0))
        chosen.append((resource.RLIMIT_MSGQUEUE, 0))
    result = []
    for which, value in chosen:
        now, most = resource.getrlimit(which)
        if most != resource.RLIM_INFINITY:
            value = min(value, most)
        # Threads reserve as much as the stack may have now; a program that needs more asks for it.
        is_stack = which == resource.RLIMIT_STACK and now != resource.RLIM_INFINITY
        result.append((which, (min(now, value) if is_stack else value, value)))
    return result


def addresses():
    """The bytes of addresses that this process has mapped."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def die_with_parent():
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
