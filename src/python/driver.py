"""A warm server that runs one program after the other, each in a fork of its own.

Requests come in on stdin, replies go out on stdout: four bytes of length, then JSON. Everything
that a program may do is decided before its first line runs; what it did is told by its one message.

A pass is the hash of a nonce. The server makes the nonce after the fork and puts it into a pipe, so
that it lies neither in the program's memory nor in a Python frame; the child reads it only when the
program has ended without an exception. Anything else, silence included, is no pass: neither the
nonce itself, which a program can find by reading all its descriptors, nor what it guesses.
"""

import builtins
import functools
import gc
import importlib
import json
import select
import stat
import time
from _signal import default_int_handler, signal as handle_signal
try:
    # `hashlib` brings a library of megabytes, for which every fork would pay.
    from _sha2 import sha256
except ImportError:
    from _sha256 import sha256

NONCE_BYTES = 32
PROOF_BYTES = 32
HEADER_BYTES = 5
# Longer messages come from nobody honest: an exception's text is cut to `TEXT` characters, and
# whoever asks for an answer says how long it may be.
MESSAGE_BYTES = 8192
TEXT = 500
# The reply to a pass, and the same as text.
PASS = {"verdict": "pass", "is_spent": False}
PASSED = json.dumps(PASS).encode()
# What is read at once.
PART = 1 << 16
# The limit that is set in programs alone.
PROCESSES = getattr(resource, "RLIMIT_NPROC", None)
# What a program is granted at least when it has waited for a processor.
LOOK = 0.001


def main():
    settings = json.loads(sys.argv[1])
    sys.argv[:] = [""]
    requests, replies = take_standard_streams()
    states = {}
    if LINUX:
        states.update(enter_namespaces())
    else:
        states.update(user_namespace=f"{sys.platform} has none", namespaces=f"{sys.platform} has none")
    if states["namespaces"] is None:
        child = os.fork()
        if child != 0:
            os.close(requests)
            os.close(replies)
            _, status = os.waitpid(child, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        die_with_parent()
    try:
        server = Server(settings, requests, replies, states)
        server.serve()
    except EOFError:
        pass
    except BaseException:
        import traceback
        send(replies, {"fatal": traceback.format_exc()[-2000:]})
        os._exit(1)
    os._exit(0)


def take_standard_streams():
    """Moves the two pipes out of the way, so that programs find nothing on 0, 1 and 2.

    Whatever else was open when the judge was started is closed.
    """
    os.closerange(3, 1 << 20)
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return requests, replies


# A server that works little between two forks writes to few pages, and each page that it writes to
# while it shares it with a program is copied. So JSON is read without looking for spaces around it,
# which takes a regular expression, and the answer that is given most often is kept.
from_json = json.JSONDecoder().scan_once


def send(descriptor, value):
    data = PASSED if value == PASS else json.dumps(value).encode()
    write_all(descriptor, len(data).to_bytes(4, "little") + data)


def write_all(descriptor, data, write=os.write):
    data = memoryview(data)
    while data:
        data = data[write(descriptor, data):]


def receive(descriptor):
    size = int.from_bytes(read_exactly(descriptor, 4), "little")
    return from_json(read_exactly(descriptor, size).decode(), 0)[0]


def read_exactly(descriptor, size):
    parts = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Server:
    """What stays the same from program to program."""

    def __init__(self, settings, requests, replies, states):
        self.requests, self.replies = requests, replies
        self.poll = select.poll()
        self.poll.register(requests, 0)
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
        send(replies, {
            "ready": sys.version.split()[0],
            "modules": imported,
            "safeguards": states,
            "details": details,
            "is_nested": states["namespaces"] is None,
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
        """Runs a program after the other, each in a fork, and says how it ended.

        Between two forks, and in the fork before its program begins, each page of memory that is
        written to is copied first, and a count of references is a write. So all that is used lies
        in the variables of this one call: a function, an attribute, a global more are pages more,
        and this way of writing takes a fifth from what an empty program costs.
        """
        requests, replies, scratch = self.requests, self.replies, self.scratch
        read, write, close, close_range, pipe = os.read, os.write, os.close, os.closerange, os.pipe
        exit_now, wait, kill, sigkill = os._exit, os.waitpid, os.kill, signal.SIGKILL.value
        random_bytes, listdir, now, polling = os.urandom, os.listdir, time.monotonic, self.poll.poll
        fork, reseed, run, prove = fork_of_one_thread(), reseeding(), exec, proof
        sigint, interrupt = signal.SIGINT.value, default_int_handler
        limit, most = resource.setrlimit, dict(self.limits).get(PROCESSES)
        restrict = self.filter.install_now if self.filter else None
        send_all, tell_error = write_all, tell
        passed = len(PASSED).to_bytes(4, "little") + PASSED
        header = b"P" + PROOF_BYTES.to_bytes(4, "little")
        polled, answer = None, ""
        while True:
            request = receive(requests)
            if "code" in request:
                send(replies, self.prepare(request["code"], request["data"]))
                continue
            source, timeout = request.get("source"), request["timeout"]
            nonce_in, nonce_out = pipe()
            verdict_in, verdict_out = pipe()
            started = now()
            child = fork()
            if child == 0:
                try:
                    close_range(requests, replies + 1)
                    close(nonce_out)
                    close(verdict_in)
                    reseed()
                    handle_signal(sigint, interrupt)
                    if most is not None:
                        limit(PROCESSES, most)
                    if restrict is not None and restrict() != 0:
                        exit_now(70)
                    # What is needed afterwards is bound before: the program may replace `os.write`.
                    try:
                        if source is not None:
                            run(compile(source, "<string>", "exec"), {})
                        else:
                            answer = self.harness["run"](request["argument"])
                    except BaseException as error:
                        tell_error(verdict_out, error)
                    else:
                        if answer:
                            answer = answer.encode()
                            send_all(verdict_out, b"P" + (PROOF_BYTES + len(answer)).to_bytes(4, "little"))
                            send_all(verdict_out, prove(read(nonce_in, NONCE_BYTES)) + answer)
                        else:
                            write(verdict_out, header + prove(read(nonce_in, NONCE_BYTES)))
                        exit_now(0)
                finally:
                    exit_now(70)
            close(verdict_out)
            close(nonce_in)
            nonce = random_bytes(NONCE_BYTES)
            try:
                write(nonce_out, nonce)
            except OSError:
                pass
            close(nonce_out)
            if polled != verdict_in:
                # A closed descriptor's number comes again; what is polled is the number.
                polled = self.poll_instead(polled, verdict_in)
            message = None
            for ready, _ in polling(timeout * 1000 + 1):
                if ready == verdict_in:
                    message = read(verdict_in, PART)
            proven = header + prove(nonce)
            if message != proven:
                longest = request.get("answer_bytes", 0) + MESSAGE_BYTES
                message = self.await_rest(message, verdict_in, started, timeout, longest)
            # Ends the program, threads included.
            kill(child, sigkill)
            _, status = wait(child, 0)
            close(verdict_in)
            try:
                is_clean = not listdir(scratch)
            except OSError:
                is_clean = False
            if message == proven and is_clean:
                write(replies, passed)
                continue
            reply = judge(message, nonce, status)
            # What a program has made too deep to be removed goes with the server's own file system.
            reply["is_spent"] = not (is_clean or self.clean_scratch())
            send(replies, reply)

    def prepare(self, code, data):
        """Loads a harness: trusted code of ours that runs programs in its own way."""
        # Builtins of its own, which a program cannot replace.
        self.harness = {"__builtins__": dict(vars(builtins))}
        exec(compile(code, "<harness>", "exec"), self.harness)
        self.harness["prepare"](data)
        gc.freeze()
        return {"prepared": True}

    def poll_instead(self, old, new):
        if old is not None:
            self.poll.unregister(old)
        self.poll.register(new, select.POLLIN)
        return new

    def await_rest(self, part, descriptor, started, timeout, longest):
        """Returns the program's message, `b""` if it has ended without one, `None` if it is late.

        `part` is what was read of it, `b""` at its end, `None` if nothing was there in time. When the time
        is over by the clock, whoever asked says whether the program had it: on a busy machine it may have
        waited for a processor.
        """
        deadline = started + timeout
        message, needed = bytearray(), HEADER_BYTES
        while True:
            if part is not None:
                message += part
                if not part or len(message) > longest:
                    return bytes(message)
                if len(message) >= HEADER_BYTES:
                    needed = HEADER_BYTES + int.from_bytes(message[1:HEADER_BYTES], "little")
                if len(message) >= needed:
                    return bytes(message)
                part = None
            left = deadline - time.monotonic()
            if left <= 0:
                now = time.monotonic()
                send(self.replies, {"late": now - started})
                more = receive(self.requests)["more"]
                if not more:
                    return None
                # Each look costs a little, so that there are no looks at the last microseconds.
                deadline = now + max(more, LOOK)
                continue
            for ready, event in self.poll.poll(left * 1000 + 1):
                if ready == self.requests and event & (select.POLLHUP | select.POLLERR):
                    # Whoever asked is gone; with process 1 the whole namespace dies.
                    os._exit(0)
                if ready == descriptor:
                    part = os.read(descriptor, PART)

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

    for name in ("settrace", "setprofile", "_settraceallthreads", "_setprofileallthreads"):
        real = getattr(sys, name, None)
        # `sys` keeps a copy of itself, from which it can be made anew.
        for holder in gc.get_referrers(real) if real else ():
            if isinstance(holder, dict) and holder.get(name) is real:
                holder[name] = nothing


def tell(verdict_out, error, kind_of=type, describe=describe, send_all=write_all):
    """Sends the one message of a program that has not passed."""
    kind = kind_of(error)
    letter = b"A" if issubclass(kind, AssertionError) else b"E"
    data = describe(kind, error).encode("utf-8", "replace")[:MESSAGE_BYTES // 2]
    send_all(verdict_out, letter + len(data).to_bytes(4, "little") + data)


def judge(message, nonce, status):
    """Reads a program's message; nothing in it is trusted but the proof."""
    if message is None:
        return {"verdict": "timeout"}
    letter, size = message[:1], int.from_bytes(message[1:HEADER_BYTES], "little")
    body = message[HEADER_BYTES:]
    is_whole = len(message) >= HEADER_BYTES and len(body) == size
    if is_whole and letter == b"P" and body[:PROOF_BYTES] == proof(nonce):
        reply = {"verdict": "pass"}
        if size > PROOF_BYTES:
            reply["answer"] = body[PROOF_BYTES:].decode("utf-8", "replace")
        return reply
    if is_whole and letter in (b"A", b"E"):
        name, _, text = body.decode("utf-8", "replace").partition("\n")
        verdict = "assertion" if letter == b"A" else "error"
        return {"verdict": verdict, "exception": name[:TEXT], "message": text[:TEXT]}
    if message:
        return {"verdict": "forged"}
    code = os.waitstatus_to_exitcode(status)
    return {"verdict": "died", "signal": -code} if code < 0 else {"verdict": "died", "code": code}


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
