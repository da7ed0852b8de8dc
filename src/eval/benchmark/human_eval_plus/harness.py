"""Runs a solution on the inputs of one task and compares what it returns, as EvalPlus does.

Trusted code: `prepare` runs in the server, `run` in a program's process. Values travel in Python's
`marshal` form, which holds plain values alone: what a solution has returned is unpacked in a
program's process, and only what the canonical solution has returned in the server.
"""

import base64
import copy
import json
import marshal
import signal
import time
import zlib
# Bound here: a solution may replace what a module holds. The driver gives this text builtins of its
# own for the same reason.
from math import isfinite, pow as power
from resource import RUSAGE_SELF, getrusage
from signal import ITIMER_PROF, ITIMER_REAL, SIGALRM, SIGPROF, setitimer

# Not zero although the task names none: floats are never compared exactly.
FLOAT_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-7

task = {}


class TimeoutException(Exception):
    pass


def prepare(data):
    task.clear()
    task.update(json.loads(data))
    if task.get("expected"):
        task["expected"] = {part: unpack(outputs) for part, outputs in task["expected"].items()}


def run(argument):
    argument = json.loads(argument)
    work, part = argument["work"], argument["part"]
    if work == "reference":
        return reference(argument["solution"], part)
    if work == "answers":
        return answers(argument["solution"], part)
    if work == "check":
        return compare_all(outputs_told(argument["answers"]), part)
    return compare_all(outputs_of(argument["solution"], part), part)


def load(solution):
    namespace = {}
    exec(compile(solution, "<string>", "exec"), namespace)
    return namespace[task["entry_point"]]


def reference(solution, part):
    """What the canonical solution returns, and how long it takes each time."""
    function = load(solution)
    outputs, seconds = [], []
    for arguments in task["inputs"][part]:
        arguments = copy.deepcopy(arguments)
        # Not by the clock: a busy machine would widen the limits of all who are judged.
        start = time.process_time()
        output = function(*arguments)
        seconds.append(time.process_time() - start)
        outputs.append(output)
    return json.dumps({"outputs": pack(outputs), "seconds": seconds})


def outputs_of(solution, part):
    """Yields what a solution returns; an exception stands for itself.

    An input's limit is that of a quiet machine: who computes is stopped by the processor time, who
    sleeps by the clock.
    """
    function = load(solution)
    pauses = getrusage(RUSAGE_SELF).ru_nvcsw

    def late(number, frame):
        # Without a pause of its own, what it has not computed it has waited for a processor.
        if number == SIGALRM and getrusage(RUSAGE_SELF).ru_nvcsw == pauses:
            setitimer(ITIMER_REAL, limit)
            return
        raise TimeoutException("Timed out!")

    signal.signal(SIGALRM, late)
    signal.signal(SIGPROF, late)
    for arguments, limit in zip(task["inputs"][part], task["limits"][part]):
        try:
            setitimer(ITIMER_PROF, limit)
            setitimer(ITIMER_REAL, limit)
            try:
                output = function(*arguments)
            finally:
                setitimer(ITIMER_REAL, 0)
                setitimer(ITIMER_PROF, 0)
        except BaseException as error:
            yield None, error
            continue
        yield output, None


def answers(solution, part):
    """What a solution returns, as values that another process can compare.

    A list of marshalled values; the first that is none ends it, and is told by its name.
    """
    told = []
    for output, error in outputs_of(solution, part):
        if error is not None:
            told.append(type(error).__name__)
            break
        try:
            told.append(marshal.dumps(output))
        except ValueError:
            told.append(f"returned a {type(output).__name__}")
            break
    return pack(told)


def outputs_told(told):
    for answer in unpack(told):
        if isinstance(answer, bytes):
            yield marshal.loads(answer), None
        else:
            yield None, RuntimeError(answer)


def compare_all(outputs, part):
    """Stops at the first input that fails: its number and why, nothing if there is none.

    The tolerance, once it is raised, stays.
    """
    tolerance, count = task["tolerance"], 0
    inputs, expected = task["inputs"][part], task["expected"][part]
    for output, error in outputs:
        is_same, reason = False, "returned something else"
        if error is None:
            try:
                is_same, tolerance = compare(output, expected[count], inputs[count], tolerance)
            except BaseException as failure:
                reason = f"comparing raised {type(failure).__name__}"
        else:
            reason = f"{type(error).__name__}: {str(error)[:200]}"
        if not is_same:
            return f"{count} {reason}"
        count += 1
    return "" if count == len(inputs) else f"{count} no answer"


def compare(output, expected, arguments, tolerance):
    is_same = output == expected
    if task["entry_point"] == "find_zero":
        # The published 0.3.1 forgets to note that an input has passed.
        is_zero = abs(polynomial(*arguments, output)) <= tolerance
        return bool(is_zero) and task["flavour"] != "0.3.1", tolerance
    if tolerance == 0 and is_floats(expected):
        tolerance = FLOAT_TOLERANCE
    if not is_same and tolerance != 0:
        is_same = type(output) is type(expected) and (
            not isinstance(expected, (list, tuple)) or len(output) == len(expected)
        ) and all_close(output, expected, tolerance)
    return bool(is_same), tolerance


def polynomial(coefficients, x):
    return sum(coefficient * power(x, i) for i, coefficient in enumerate(coefficients))


def is_floats(value):
    if isinstance(value, (list, tuple)) and value:
        return all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def all_close(output, expected, tolerance):
    """`numpy.allclose` for numbers and nested lists of numbers of one shape."""
    if isinstance(expected, (list, tuple)):
        if not isinstance(output, (list, tuple)) or len(output) != len(expected):
            return False
        return all(all_close(one, other, tolerance) for one, other in zip(output, expected))
    one, other = number(output), number(expected)
    if one == other:
        return True
    if not (is_finite(one) and is_finite(other)):
        return False
    return abs(one - other) <= tolerance + RELATIVE_TOLERANCE * abs(other)


def number(value):
    """A number as numpy takes it: texts, sets and integers beyond 64 bits are none."""
    if isinstance(value, (str, bytes, set, dict)) or value is None:
        raise TypeError(f"no number: {type(value).__name__}")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise TypeError("an integer beyond 64 bits")
    return value if isinstance(value, complex) else float(value)


def is_finite(value):
    if isinstance(value, complex):
        return isfinite(value.real) and isfinite(value.imag)
    return isfinite(value)


def pack(value):
    """A value as text; a program of some tasks returns a hundred megabytes."""
    return base64.b64encode(zlib.compress(marshal.dumps(value), 1)).decode()


def unpack(text):
    return marshal.loads(zlib.decompress(base64.b64decode(text)))
