"""Runs a solution on the inputs of one task and compares what it returns, as EvalPlus does.

Trusted code: `prepare` runs in the server, `run` in a program's process. What the canonical solution
has returned is kept in Python's `marshal` form; what a solution has returned goes to another process
as text (`plain.py`), which can do no harm when it is read.
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

    The first that is no plain value ends it, and is told as an exception.
    """
    told = []
    for output, error in outputs_of(solution, part):
        if error is None:
            try:
                told.append({"value": encode(output)})
                continue
            except BaseException as refusal:
                error = refusal
        told.append({"raised": failure(error)})
        break
    return base64.b64encode(zlib.compress(json.dumps(told).encode(), 1)).decode()


def outputs_told(told):
    for answer in json.loads(zlib.decompress(base64.b64decode(told))):
        if "raised" in answer:
            yield None, as_exception(answer["raised"])
        else:
            yield decode(answer["value"]), None


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
            except BaseException as refusal:
                reason = f"comparing raised {type(refusal).__name__}"
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
    """`numpy.allclose` for numbers and nested lists of numbers, which are broadcast."""
    one, other = shape(output), shape(expected)
    if one == other:
        pairs = zip(flat(output), flat(expected))
    else:
        for value in (*flat(output), *flat(expected)):
            number(value)
        common = broadcast(one, other)
        pairs = zip(spread(output, one, common), spread(expected, other, common))
    return all(is_close(number(x), number(y), tolerance) for x, y in pairs)


def is_close(one, other, tolerance):
    if one == other:
        return True
    if not (is_finite(one) and is_finite(other)):
        return False
    return abs(one - other) <= tolerance + RELATIVE_TOLERANCE * abs(other)


def shape(value):
    if not isinstance(value, (list, tuple)):
        return ()
    shapes = {shape(item) for item in value}
    if len(shapes) > 1:
        raise ValueError("a ragged list is no array")
    return (len(value), *(shapes.pop() if shapes else ()))


def broadcast(one, other):
    length = max(len(one), len(other))
    one, other = (1,) * (length - len(one)) + one, (1,) * (length - len(other)) + other
    common = []
    for x, y in zip(one, other):
        if x != y and 1 not in (x, y):
            raise ValueError("shapes that cannot be broadcast")
        common.append(y if x == 1 else x)
    return tuple(common)


def spread(value, own, common):
    """The numbers of an array as they stand in the common shape, which has no fewer axes."""
    if not common:
        yield value
        return
    size, *rest = common
    is_missing = len(own) < len(common)
    for place in range(size):
        part = value if is_missing else value[0 if own[0] == 1 else place]
        yield from spread(part, own if is_missing else own[1:], rest)


def flat(value):
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from flat(item)
    else:
        yield value


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
