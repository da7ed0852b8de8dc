"""A warm server that runs one program after the other, each in a fork.

A socket connects it with the client. A request is a letter, eight bytes of a seed, four bytes of length and a text; a
reply is four bytes of length and JSON. With the request to run a program come the ends of two pipes that only this
program has: one to read its nonce from, one to write its message to. All permissions of a program are decided before
its first line runs.

A program that answers calls writes a message for each answer, and proves nothing: the client compares the answers,
and to send the right ones is all that is asked of it. A checker is a fork of the server that runs only code of the
harness and tests of the benchmark, one request after the other, until the client is gone.

A pass is the hash of a nonce. The client puts the nonce into its pipe, so that it is neither in the program's
memory nor in a Python frame; the child reads it only after the program has ended without an exception. No other
message is a pass, nor is silence: not the nonce itself, which a program can find by reading all its descriptors,
and not a guess. The client decides what a message is worth and when a program is late, and kills late programs.
Nothing that a program does to a descriptor affects the next program or the host: its pipes end with it, and its
descriptors 0, 1 and 2 are `/dev/null`, opened for it alone through a mount that is read-only.
"""

import _socket
import builtins
import gc
import importlib
import json
import select
import stat
from _signal import default_int_handler, signal as handle_signal
try:
    # `hashlib` loads a library of megabytes, which would make every fork slower.
    from _sha2 import sha256
except ImportError:
    from _sha256 import sha256

# Two descriptors, which come with a request.
PASSED = struct.Struct("ii")
NONCE_BYTES = 32
PROOF_BYTES = 32
# An honest message is not longer.
MESSAGE_BYTES = 4096
TEXT = 500
# The letters of requests.
PROGRAM, CALL, ANSWERS, CHECK, HARNESS = b"p", b"c", b"a", b"d", b"h"
SEED_BYTES = 8
# The limit that is set only in programs.
PROCESSES = getattr(resource, "RLIMIT_NPROC", None)


def main():
    settings = json.loads(sys.argv[1])
    sys.argv[:] = [""]
    watched, alive, channel = descriptors()
    states = {}
    if LINUX:
        states.update(enter_namespaces())
    else:
        states.update(user_namespace=f"{sys.platform} has none", namespaces=f"{sys.platform} has none")
    child = os.fork()
    if child != 0:
        os.close(alive)
        watch(child, watched, channel)
    if LINUX:
        die_with_parent()
    try:
        server = Server(settings, (watched, channel), states)
        server.serve()
    except EOFError:
        pass
    except BaseException:
        import traceback
        send(channel, {"fatal": traceback.format_exc()[-2000:]})
        os._exit(1)
    os._exit(0)


def watch(child, watched, channel):
    """Ends when the server ends; kills the server and its program when the client has closed the socket."""
    poll = select.poll()
    poll.register(watched, 0)
    poll.register(channel, 0)
    for descriptor, _ in poll.poll():
        if descriptor == channel:
            # The watcher, the server and its program; when process 1 dies, so does its whole namespace.
            os.killpg(0, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os._exit(0 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def descriptors():
    """Moves the socket away from the standard streams.

    Closes everything else that was open when the judge was started. The result begins with the ends of a pipe by
    which the watcher sees whether the server lives; they and the socket have adjacent numbers.
    """
    os.closerange(3, 1 << 20)
    watched, alive = os.pipe()
    channel = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    return watched, alive, channel


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
    """The text of a request whose letter and seed have been read."""
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
    """The state that programs share."""

    def __init__(self, settings, private, states):
        # Programs do not have the descriptors from the first to the last of these.
        self.private, self.channel = private, private[-1]
        os.set_blocking(self.channel, True)
        # Made before the filter, because it asks for the kind of the socket.
        self.socket = _socket.socket(fileno=self.channel)
        # Process 1 of a namespace receives no signal that it does not handle.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        imported = self.import_modules(settings["modules"])
        without_tracing()
        # It exists only where there is no file system in memory: nothing is left if everything is killed.
        self.scratch = settings["scratch"]
        self.limits = limits(settings)
        details = self.protect(settings, states)
        os.chdir(self.scratch)
        os.environ.update(HOME=self.scratch, TMPDIR=self.scratch)
        os.umask(0o077)
        self.untouched = None
        if self.clean_scratch() and states["scratch"] is None:
            # The size of a folder in memory is that of its entries.
            state = os.stat(self.scratch)
            self.untouched = (state.st_mode, state.st_size, state.st_atime_ns, state.st_mtime_ns)
        self.limit()
        warm_up()
        # All objects of now are kept: a collection in a child would write to, and so copy, every page.
        gc.collect()
        gc.freeze()
        send(self.channel, {
            "ready": sys.version.split()[0],
            "modules": imported,
            "safeguards": states,
            "details": details,
        })

    def import_modules(self, names):
        """Loads the modules that most programs import; a missing one fails in the program instead."""
        imported = {}
        for name in names:
            try:
                module = importlib.import_module(name)
            except Exception:
                continue
            imported[name] = str(getattr(module, "__version__", ""))
        return imported

    def protect(self, settings, states):
        """Applies the safeguards of all programs, notes which ones the system refuses, and returns details."""
        self.filter = None
        if not LINUX:
            for name in ("scratch", "files", "system_calls", "limits"):
                states[name] = f"{sys.platform} has none"
            os.makedirs(self.scratch, 0o700)
            return {}
        try:
            write("/proc/self/oom_score_adj", "1000")
        except OSError:
            pass
        no_new_privileges()
        details = {}
        states["scratch"], has_folder = states["namespaces"], False
        if states["namespaces"] is None:
            scratch = Scratch(settings["scratch_bytes"])
            states["scratch"] = scratch.missing
            if scratch.place is not None:
                self.scratch, has_folder = scratch.place, True
                details["scratch"] = scratch.detail(settings["scratch_bytes"])
            limit_processes(settings["processes"])
            drop_capabilities()
        if not has_folder:
            os.makedirs(self.scratch, 0o700)
        states["files"] = states["system_calls"] = states["limits"] = None
        try:
            details["files"] = f"Landlock version {restrict_files(self.scratch)}"
            _, others = interpreter_places()
            if others:
                sys.path[:] = [path for path in sys.path if path not in others]
                details["files"] += f"; programs cannot import from {', '.join(others)}"
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
            details["limits"] = f"{settings['memory_bytes'] >> 20} MiB: private memory, stack and files together"
        except Refused as refusal:
            states["limits"] = str(refusal)
        return details

    def limit(self):
        """Sets the limits of programs in the server already, except the number of processes.

        Old kernels count all processes of a user in the whole system, so this server could not fork any more.
        """
        for which, value in self.limits:
            if which != PROCESSES:
                resource.setrlimit(which, value)

    def serve(self):
        """Runs one program after the other, each in a fork, and replies how each ended.

        In a fork, and in the server while a fork lives, the first write to a page of memory copies the page,
        and counting a reference is a write. So everything is in the local variables of this one call (every
        extra function, attribute or global touches more pages), a child reads its program itself, and the
        server does nothing until the child has ended.
        """
        (first, channel), scratch = self.private, self.scratch
        take_kind, room, descriptors = self.socket.recvmsg, _socket.CMSG_SPACE(PASSED.size), PASSED.unpack
        write, close, close_range, wait, look = os.write, os.close, os.closerange, os.waitpid, os.stat
        exit_now, reseed, run, untouched = os._exit, reseeding(), exec, self.untouched
        read, number = os.read, int.from_bytes
        fork, take, left, clean = fork_of_one_thread(), receive, self.leftovers(), self.clean_scratch
        open_file, null, both_ways, duplicate = os.open, os.devnull, os.O_RDWR, os.dup2
        sigint, interrupt = signal.SIGINT.value, default_int_handler
        limit, most = resource.setrlimit, dict(self.limits).get(PROCESSES)
        restrict = self.filter.install_now if self.filter else None
        send_error, prove = send_failure, send_pass
        ended = framed({"status": 0, "is_spent": False})
        while True:
            kind, passed, _, _ = take_kind(1, room)
            if not kind:
                raise EOFError
            if kind in (HARNESS, CHECK):
                read(channel, SEED_BYTES)
            if kind == HARNESS:
                send(channel, self.prepare(**json.loads(take(channel))))
                continue
            if kind == CHECK:
                self.become_checker()
            nonces, messages = descriptors(passed[0][2])
            # An open file has state, such as its flags. So it is opened again for each program.
            close(0)
            open_file(null, both_ways)
            duplicate(0, 1)
            duplicate(0, 2)
            child = fork()
            if child == 0:
                try:
                    seed = number(read(channel, SEED_BYTES), "little")
                    text = take(channel)
                    close_range(first, channel + 1)
                    reseed(seed)
                    handle_signal(sigint, interrupt)
                    if most is not None:
                        limit(PROCESSES, most)
                    if restrict is not None and restrict() != 0:
                        exit_now(70)
                    # What is needed later is bound before: the program may replace `os.write`. One line runs it
                    # and proves it, because by tracing it can make this frame jump to any line.
                    try:
                        if kind == PROGRAM:
                            prove(messages, nonces, run(compile(text, "<string>", "exec"), {}))
                        elif kind == ANSWERS:
                            self.harness["answer"](text, messages)
                        else:
                            prove(messages, nonces, self.harness["run"](text))
                    except BaseException as error:
                        send_error(messages, error)
                    else:
                        # Ends the program, threads included.
                        exit_now(0)
                finally:
                    exit_now(70)
            _, status = wait(child, 0)
            close(nonces)
            close(messages)
            state = look(scratch)
            is_clean = (state.st_mode, state.st_size, state.st_atime_ns, state.st_mtime_ns) == untouched or clean()
            if is_clean and status == 0:
                write(channel, ended)
                continue
            if left():
                raise RuntimeError("the system ended a program before it had read its text")
            # Folders that are too deep to be removed vanish with the server's own file system.
            send(channel, {"status": os.waitstatus_to_exitcode(status), "is_spent": not is_clean})

    def become_checker(self):
        """Answers all further requests in one fork, with the permissions of a program, and ends when that ends."""
        first, channel = self.private
        child = os.fork()
        if child == 0:
            try:
                os.closerange(first, channel)
                self.permit_as_program()
                while True:
                    write_all(channel, framed({"checked": self.harness["check"](receive(channel))}))
                    # The letter and the seed of the next request.
                    if not os.read(channel, 1 + SEED_BYTES):
                        os._exit(0)
            finally:
                os._exit(70)
        os.waitpid(child, 0)
        raise EOFError

    def permit_as_program(self):
        most = dict(self.limits).get(PROCESSES)
        if most is not None:
            resource.setrlimit(PROCESSES, most)
        if self.filter and self.filter.install_now() != 0:
            os._exit(70)

    def leftovers(self):
        """A function that returns whether there is something to read before the reply to a request."""
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        return lambda: bool(poll.poll(0))

    def prepare(self, code, data):
        """Loads a harness: trusted code of ours that runs programs in another way."""
        # It has its own builtins, which a program cannot replace.
        self.harness = {"__builtins__": dict(vars(builtins))}
        exec(compile(code, "<harness>", "exec"), self.harness)
        self.harness["prepare"](data)
        gc.freeze()
        return {"prepared": True}

    def clean_scratch(self):
        """Makes the folder as new for the next program, and returns whether it could."""
        try:
            os.chmod(self.scratch, 0o700)
            if os.listdir(self.scratch):
                empty(self.scratch)
            is_clean = not os.listdir(self.scratch)
            os.utime(self.scratch, (0, 0))
            return is_clean
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
    """What the message of a pass must contain."""
    return sha256(b"the last assertion holds" + nonce).digest()


def send_pass(messages, nonces, answer, read=os.read, write=os.write, send_all=write_all, prove=proof,
              header=b"P" + PROOF_BYTES.to_bytes(4, "little")):
    """Sends the one message of a program that has passed, with the answer of the harness around it."""
    if answer:
        answer = answer.encode()
        send_all(messages, b"P" + (PROOF_BYTES + len(answer)).to_bytes(4, "little"))
        send_all(messages, prove(read(nonces, NONCE_BYTES)) + answer)
    else:
        write(messages, header + prove(read(nonces, NONCE_BYTES)))


def send_failure(messages, error, kind_of=type, describe=describe, send_all=write_all):
    """Sends the one message of a program that has not passed."""
    kind = kind_of(error)
    letter = b"A" if issubclass(kind, AssertionError) else b"E"
    data = describe(kind, error).encode("utf-8", "replace")[:MESSAGE_BYTES]
    send_all(messages, letter + len(data).to_bytes(4, "little") + data)


def empty(folder):
    """Removes everything in a folder, whatever its modes are."""
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
