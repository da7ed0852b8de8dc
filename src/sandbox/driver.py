"""A warm server that runs one program after the other, each in a fork of its own.

Three descriptors connect it with whoever asks: a socket for requests and replies, a pipe for nonces, a
pipe for what programs say. A request is a letter, four bytes of length and a text; a reply is four bytes of
length and JSON. Everything that a program may do is decided before its first line runs.

A pass is the hash of a nonce. Whoever asks puts the nonce into its pipe, so that it lies neither in the
program's memory nor in a Python frame; the child reads it only when the program has ended without an
exception. Anything else, silence included, is no pass: neither the nonce itself, which a program can
find by reading all its descriptors, nor what it guesses. What a message is worth, when a program is late,
and that it is killed then, is the asker's business; nothing that a program does to the two pipes outlives it,
since the asker empties both.
"""

import builtins
import functools
import gc
import importlib
import json
import select
import stat
from _signal import default_int_handler, signal as handle_signal
try:
    # `hashlib` brings a library of megabytes, for which every fork would pay.
    from _sha2 import sha256
except ImportError:
    from _sha256 import sha256

NONCE_BYTES = 32
PROOF_BYTES = 32
# Longer texts come from nobody honest.
MESSAGE_BYTES = 4096
TEXT = 500
# What a request asks for.
PROGRAM, CALL, HARNESS = b"p", b"c", b"h"
# The limit that is set in programs alone.
PROCESSES = getattr(resource, "RLIMIT_NPROC", None)


def main():
    settings = json.loads(sys.argv[1])
    sys.argv[:] = [""]
    watched, alive, channel, nonces, messages = descriptors()
    states = {}
    if LINUX:
        states.update(enter_namespaces())
    else:
        states.update(user_namespace=f"{sys.platform} has none", namespaces=f"{sys.platform} has none")
    child = os.fork()
    if child != 0:
        os.close(alive)
        watch(child, watched, channel)
    os.close(watched)
    if LINUX:
        die_with_parent()
    try:
        server = Server(settings, (alive, channel), nonces, messages, states)
        server.serve()
    except EOFError:
        pass
    except BaseException:
        import traceback
        send(channel, {"fatal": traceback.format_exc()[-2000:]})
        os._exit(1)
    os._exit(0)


def watch(child, watched, channel):
    """Ends with the server, and ends it, whatever it runs, when nobody is left who asks."""
    poll = select.poll()
    poll.register(watched, 0)
    poll.register(channel, 0)
    for descriptor, _ in poll.poll():
        if descriptor == channel:
            # The watcher, the server and its program; with process 1 the whole namespace dies.
            os.killpg(0, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os._exit(0 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def descriptors():
    """Moves the socket and the two pipes out of the way, so that programs find nothing on 0, 1 and 2.

    Whatever else was open when the judge was started is closed. Returns before them the ends of a pipe that
    tells the watcher whether the server lives; its second end and the socket are neighbours.
    """
    os.closerange(3, 1 << 20)
    watched, alive = os.pipe()
    moved = [os.dup(descriptor) for descriptor in (0, 1, 2)]
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return [watched, alive, *moved]


def framed(value):
    data = json.dumps(value).encode()
    return len(data).to_bytes(4, "little") + data


def send(descriptor, value):
    write_all(descriptor, framed(value))


def write_all(descriptor, data, write=os.write):
    data = memoryview(data)
    while data:
        data = data[write(descriptor, data):]


def receive(descriptor, read=os.read, number=int.from_bytes):
    """The text of a request, whose letter is read."""
    size = number(read(descriptor, 4), "little")
    text = read(descriptor, size)
    if len(text) < size:
        text = bytearray(text)
        while len(text) < size:
            part = read(descriptor, min(size - len(text), 1 << 20))
            if not part:
                raise EOFError
            text += part
    return text.decode()


class Server:
    """What stays the same from program to program."""

    def __init__(self, settings, private, nonces, messages, states):
        # From the first to the last: what programs do not have.
        self.private, self.channel = private, private[-1]
        self.nonces, self.messages = nonces, messages
        # A nonce is there before its program is; whoever has taken it away need not be waited for.
        os.set_blocking(nonces, False)
        os.set_blocking(self.channel, True)
        # Process 1 of a namespace gets no signal that it does not handle.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        imported = self.import_modules(settings["modules"])
        without_tracing()
        self.scratch = settings["scratch"]
        self.limits = limits(settings)
        details = self.protect(settings, states)
        os.chdir(self.scratch)
        os.environ.update(HOME=self.scratch, TMPDIR=self.scratch)
        os.umask(0o077)
        self.limit()
        warm_up()
        # What is alive now stays: a collection in a child would touch, and so copy, every page.
        gc.collect()
        gc.freeze()
        send(self.channel, {
            "ready": sys.version.split()[0],
            "modules": imported,
            "safeguards": states,
            "details": details,
        })

    def import_modules(self, names):
        """Loads what most programs import; what is not installed fails in the program instead."""
        imported = {}
        for name in names:
            try:
                module = importlib.import_module(name)
            except Exception:
                continue
            imported[name] = str(getattr(module, "__version__", ""))
        return imported

    def protect(self, settings, states):
        """Applies what holds for all programs, notes what the system refuses, and says how."""
        self.filter = None
        if not LINUX:
            for name in ("scratch", "files", "system_calls", "limits"):
                states[name] = f"{sys.platform} has none"
            return {}
        try:
            write("/proc/self/oom_score_adj", "1000")
        except OSError:
            pass
        no_new_privileges()
        details = {}
        states["scratch"] = states["namespaces"]
        if states["namespaces"] is None:
            try:
                self.scratch = mount_scratch(settings["scratch_bytes"])
                details["scratch"] = f"{settings['scratch_bytes'] >> 20} MiB in memory"
            except Refused as refusal:
                states["scratch"] = str(refusal)
            limit_processes(settings["processes"])
            drop_capabilities()
        states["files"] = states["system_calls"] = states["limits"] = None
        try:
            details["files"] = f"Landlock version {restrict_files(self.scratch)}"
        except Refused as refusal:
            states["files"] = str(refusal)
        try:
            SystemCallFilter(bytes.fromhex(settings["server_filter"])).install()
            self.filter = SystemCallFilter(bytes.fromhex(settings["program_filter"]))
            self.filter.probe()
        except Refused as refusal:
            self.filter, states["system_calls"] = None, str(refusal)
        try:
            probe_limits(self.limits, settings["memory_bytes"])
            details["limits"] = f"{settings['memory_bytes'] >> 20} MiB"
        except Refused as refusal:
            states["limits"] = str(refusal)
        return details

    def limit(self):
        """Sets the limits of programs already here, but for how many processes there may be.

        Old kernels count those of a user of the whole system, and this server would fork no more.
        """
        for which, value in self.limits:
            if which != PROCESSES:
                resource.setrlimit(which, value)

    def serve(self):
        """Runs a program after the other, each in a fork, and says how each ended.

        In a fork, and in the server while one lives, each page of memory that is written to is copied first,
        and a count of references is a write. So all that is used lies in the variables of this one call
        (a function, an attribute, a global more are pages more), a child reads its program itself, and the
        server does nothing until it has ended.
        """
        (first, channel), scratch = self.private, self.scratch
        nonces, messages = self.nonces, self.messages
        read, write, close_range, wait, listdir = os.read, os.write, os.closerange, os.waitpid, os.listdir
        exit_now, reseed, run, mode = os._exit, reseeding(), exec, os.chmod
        fork, take, unblock, left = fork_of_one_thread(), receive, os.set_blocking, self.leftovers()
        sigint, interrupt = signal.SIGINT.value, default_int_handler
        limit, most = resource.setrlimit, dict(self.limits).get(PROCESSES)
        restrict = self.filter.install_now if self.filter else None
        tell_error, prove = tell, tell_pass
        ended = framed({"status": 0, "is_spent": False})
        while True:
            kind = read(channel, 1)
            if not kind:
                raise EOFError
            if kind == HARNESS:
                send(channel, self.prepare(**json.loads(take(channel))))
                continue
            child = fork()
            if child == 0:
                try:
                    text = take(channel)
                    close_range(first, channel + 1)
                    # A program may have left the pipe, which all share, in another state.
                    unblock(messages, True)
                    reseed()
                    handle_signal(sigint, interrupt)
                    if most is not None:
                        limit(PROCESSES, most)
                    if restrict is not None and restrict() != 0:
                        exit_now(70)
                    # What is needed afterwards is bound before: the program may replace `os.write`. It runs and
                    # is proven in one line, since by tracing it can have this frame jump to any line.
                    try:
                        if kind == PROGRAM:
                            prove(messages, nonces, run(compile(text, "<string>", "exec"), {}))
                        else:
                            prove(messages, nonces, self.harness["run"](text))
                    except BaseException as error:
                        tell_error(messages, error)
                    else:
                        # Ends the program, threads included.
                        exit_now(0)
                finally:
                    exit_now(70)
            _, status = wait(child, 0)
            try:
                mode(scratch, 0o700)
                is_clean = not listdir(scratch)
            except OSError:
                is_clean = False
            if is_clean and status == 0:
                write(channel, ended)
                continue
            if left():
                raise RuntimeError("the system ended a program before it had read its text")
            # What a program has made too deep to be removed goes with the server's own file system.
            is_spent = not (is_clean or self.clean_scratch())
            send(channel, {"status": os.waitstatus_to_exitcode(status), "is_spent": is_spent})

    def leftovers(self):
        """How to ask whether there is something to read before a request is answered."""
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        return lambda: bool(poll.poll(0))

    def prepare(self, code, data):
        """Loads a harness: trusted code of ours that runs programs in its own way."""
        # Builtins of its own, which a program cannot replace.
        self.harness = {"__builtins__": dict(vars(builtins))}
        exec(compile(code, "<harness>", "exec"), self.harness)
        self.harness["prepare"](data)
        gc.freeze()
        return {"prepared": True}

    def clean_scratch(self):
        """Leaves nothing behind for the next program, and says whether it could."""
        try:
            if not os.listdir(self.scratch):
                return True
            empty(self.scratch)
            return not os.listdir(self.scratch)
        except (OSError, RecursionError):
            return False


def describe(kind, error):
    name = type.__dict__["__name__"].__get__(kind)
    try:
        text = str(error)[:TEXT]
    except BaseException:
        text = ""
    return f"{name}\n{text}"


def proof(nonce, sha256=sha256):
    """What a pass must bring."""
    return sha256(b"the last assertion holds" + nonce).digest()


# Nothing in it is special: it uses what programs use.
EXAMPLE = """
from typing import List

def mean(numbers: List[float], *more, scale=1.0, **named) -> float:
    total, seen = 0, {}
    for index, number in enumerate(sorted(numbers, key=lambda x: -x)):
        if number not in seen and index >= 0:
            seen[number] = f"{index}: {number!r}"
        elif number % 2 == 0:
            continue
        else:
            total += number ** 2 // 3
    while total > 100:
        total -= 1
    try:
        return round(sum([x * scale for x in numbers if x]) / len(numbers), 2)
    except ZeroDivisionError as error:
        raise ValueError("empty") from error

def check(candidate):
    assert candidate([1.0, 2.0, 3.0]) == 2.0
    assert candidate([5, -1]) == 2, "of two"
    assert "".join(map(str, [1, 2])).split(",")[0][::-1] == "21"

check(mean)
"""


def warm_up():
    """Runs a program in the server, so that no fork pays for what Python makes on first use.

    The first call of `compile` alone makes a hundred types.
    """
    for _ in range(3):
        exec(compile(EXAMPLE, "<string>", "exec"), {})


def fork_of_one_thread():
    """How to fork: by the C library, without what modules have asked Python to do in every child.

    Those handlers, of `threading` and `logging` most of all, repair locks that another thread may
    have held; they write to a hundred pages of memory, each of which is copied for it. A process of
    one thread needs no repair, and what `random` asks for is done by `reseeding`.
    """
    if len(sys._current_frames()) > 1 or not LINUX:
        return os.fork
    # Unlike `CDLL` it keeps the interpreter's lock, which is the child's as well.
    fork = ctypes.PyDLL(None, use_errno=True).fork

    def checked():
        child = fork()
        if child < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return child

    return checked


def reseeding():
    """What gives a program random numbers of its own, as `os.fork` does: no two have the same.

    By the method in C, since that of `random` runs Python's code over more pages.
    """
    import random
    return functools.partial(random.Random.__base__.seed, random._inst)


def without_tracing():
    """Makes the functions that follow a program line by line do nothing.

    By them a program could have the frame of the driver above it jump over its failure.
    """

    def nothing(function):
        pass

    monitoring = getattr(sys, "monitoring", None)
    for name in dir(monitoring):
        if name in ("use_tool_id", "register_callback", "set_events", "set_local_events"):
            setattr(monitoring, name, lambda *arguments: None)
    for name in ("settrace", "setprofile", "_settraceallthreads", "_setprofileallthreads"):
        real = getattr(sys, name, None)
        # `sys` keeps a copy of itself, from which it can be made anew.
        for holder in gc.get_referrers(real) if real else ():
            if isinstance(holder, dict) and holder.get(name) is real:
                holder[name] = nothing


def tell_pass(messages, nonces, answer, read=os.read, write=os.write, send_all=write_all, prove=proof,
              header=b"P" + PROOF_BYTES.to_bytes(4, "little")):
    """Sends the one message of a program that has passed, with the answer of the harness around it."""
    if answer:
        answer = answer.encode()
        send_all(messages, b"P" + (PROOF_BYTES + len(answer)).to_bytes(4, "little"))
        send_all(messages, prove(read(nonces, NONCE_BYTES)) + answer)
    else:
        write(messages, header + prove(read(nonces, NONCE_BYTES)))


def tell(messages, error, kind_of=type, describe=describe, send_all=write_all):
    """Sends the one message of a program that has not passed."""
    kind = kind_of(error)
    letter = b"A" if issubclass(kind, AssertionError) else b"E"
    data = describe(kind, error).encode("utf-8", "replace")[:MESSAGE_BYTES]
    send_all(messages, letter + len(data).to_bytes(4, "little") + data)


def empty(folder):
    """Removes all that is in a folder, whatever modes a program has given it."""
    for root, folders, _ in os.walk(folder):
        for name in folders:
            path = os.path.join(root, name)
            if not stat.S_ISLNK(os.lstat(path).st_mode):
                os.chmod(path, 0o700)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            import shutil
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)


main()
