"""Runs a solution on the inputs of one task and compares its outputs, as EvalPlus does.

This is trusted code: `prepare` runs in the server, `run` and `answer` in a program's process, `check` in a process that
runs no program. Outputs that another process compares are messages (`plain.py`).
"""

import base64
import copy
import json
import signal
import sys
import time
import zlib
# Bound here, because a solution may replace the attributes of a module. For the same reason the
# driver gives this code its own builtins.
from math import isfinite, pow as power
from resource import RUSAGE_SELF, getrusage
from signal import ITIMER_PROF, ITIMER_REAL, SIGALRM, SIGPROF, setitimer

# The tolerance if a task gives none: floats are never compared exactly.
FLOAT_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-7
DIFFERENT = "returned something else"
# Values may be nested as deeply as `marshal` allows.
RECURSION = 10_000

task = {}


class TimeoutException(Exception):
    pass


def prepare(data):
    task.clear()
    task.update(json.loads(data or "{}"))
    if task.get("expected"):
        task["expected"] = {part: unpacked(outputs) for part, outputs in task["expected"].items()}


def unpacked(text):
    data = zlib.decompress(base64.b64decode(text))
    return [decode(*output) for output in messages_of(base64.b64encode(data))]


def run(argument):
    """The number of the first input that fails, and why; empty if none fails. It is compared in the program's process."""
    argument = json.loads(argument)
    return compare_all(outputs_of(argument["solution"], argument["part"]), argument["part"])


def answer(argument, descriptor):
    """Writes a message for the output of each input, from one of them on."""
    argument = json.loads(argument)
    inputs = task["inputs"][argument["part"]][argument["from"]:]
    if argument["work"] == "reference":
        answer_reference(argument["solution"], inputs, descriptor)
    else:
        answer_each(lambda: load(argument["solution"]), ((values, {}) for values in inputs), descriptor)


def answer_reference(solution, inputs, descriptor):
    """The outputs of the canonical solution, and one more answer: what is known of them as JSON.

    That is the time for each, the numbers of outputs that do not equal themselves, and the number of the first one
    from which on a tolerance holds.
    """
    seconds, unequal, first_float = [], [], None
    send(descriptor, message(LOADED, b""))
    function = load(solution)
    for number, arguments in enumerate(inputs):
        arguments = copy.deepcopy(arguments)
        # Processor time: on a busy machine the clock would make the limits of solutions longer.
        start = time.process_time()
        output = function(*arguments)
        seconds.append(time.process_time() - start)
        letter, body = encode(output)
        if decode(letter, body) != decode(letter, body):
            unequal.append(number)
        if first_float is None and is_floats(output):
            first_float = number
        send(descriptor, message(letter, body))
    known = {"seconds": seconds, "unequal": unequal, "first_float": first_float}
    send(descriptor, message(*encode(json.dumps(known))))


def check(argument):
    """The number of the first of some outputs that is not as expected, and why; empty if there is none."""
    sys.setrecursionlimit(RECURSION)
    argument = json.loads(argument)
    task.update(entry_point=argument["entry_point"], flavour=argument["flavour"])
    for number, output, expected, arguments, is_after_float in argument["pairs"]:
        tolerance = argument["tolerance"] or (FLOAT_TOLERANCE if is_after_float else 0)
        reason = difference(output, expected, arguments, tolerance)
        if reason:
            return f"{number} {reason}"
    return ""


def difference(output, expected, arguments, tolerance):
    """Why an output of a program is not the expected one; empty if it is."""
    try:
        (letter, body), = messages_of(output)
        output, expected = read(letter, body), decode(*next(messages_of(expected)))
        has_type = letter in b"VX" and type(output) is type(expected)
        is_same, _ = compare(output, expected, arguments, tolerance, has_type)
    except BaseException as refusal:
        return f"comparing raised {type(refusal).__name__}"
    return "" if is_same else DIFFERENT


def load(solution):
    # The builtins that `import builtins` gives; this code has others.
    namespace = {"__builtins__": vars(builtins)}
    exec(compile(solution, "<string>", "exec"), namespace)
    return namespace[task["entry_point"]]


def outputs_of(solution, part):
    """Yields the output of a solution for each input, or the exception that it raised.

    The limit of an input holds as on an idle machine: computing is limited by processor time,
    sleeping by the clock.
    """
    function = load(solution)
    pauses = getrusage(RUSAGE_SELF).ru_nvcsw

    def late(number, frame):
        # A program that never paused has spent the rest of the time waiting for a processor.
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


def compare_all(outputs, part):
    """The number of the first input that fails, and why; empty if none fails.

    Once the tolerance is raised, it stays raised for later inputs.
    """
    tolerance, count = task["tolerance"], 0
    inputs, expected = task["inputs"][part], task["expected"][part]
    for output, error in outputs:
        is_same, reason = False, DIFFERENT
        if error is None:
            try:
                has_type = type(output) is type(expected[count])
                is_same, tolerance = compare(output, expected[count], inputs[count], tolerance, has_type)
            except BaseException as refusal:
                reason = f"comparing raised {type(refusal).__name__}"
        else:
            reason = f"{type(error).__name__}: {str(error)[:200]}"
        if not is_same:
            return f"{count} {reason}"
        count += 1
    return "" if count == len(inputs) else f"{count} no answer"


def compare(output, expected, arguments, tolerance, has_type):
    is_same = output == expected
    if task["entry_point"] == "find_zero":
        # The published version 0.3.1 does not record that an input has passed.
        is_zero = abs(polynomial(*arguments, output)) <= tolerance
        return bool(is_zero) and task["flavour"] != "0.3.1", tolerance
    if tolerance == 0 and is_floats(expected):
        tolerance = FLOAT_TOLERANCE
    if not is_same and tolerance != 0:
        is_same = has_type and (
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
    """`numpy.allclose` for numbers and nested lists of numbers, with broadcasting."""
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
    """The numbers of an array, broadcast to the common shape, which has at least as many axes."""
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
    """A number as numpy accepts it: texts, sets and integers beyond 64 bits raise an error."""
    if isinstance(value, (str, bytes, set, dict)) or value is None:
        raise TypeError(f"no number: {type(value).__name__}")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise TypeError("an integer beyond 64 bits")
    return value if isinstance(value, complex) else float(value)


def is_finite(value):
    if isinstance(value, complex):
        return isfinite(value.real) and isfinite(value.imag)
    return isfinite(value)
