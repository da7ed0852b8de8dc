"""Runs a task's `check` in one process and the solution in another; they exchange plain values.

This is trusted code around two programs. The candidate's process gets the calls that the tests make of the canonical
solution, and answers them. The checker's process has the tests, runs no line of the solution, and replays the
answers. If the tests make other calls, because an argument depends on an answer, it returns the calls that it needs.

What a process needs is in its argument. One checker checks many solutions one after the other, so it keeps nothing
but compiled code.
"""

import functools
import json
import random
import sys

# Values may be nested as deeply as `marshal` allows.
RECURSION = 10_000


class Unanswered(BaseException):
    """A call without an answer yet. Not an `Exception`, so that no test catches it."""


class Unrepeatable(Exception):
    """The tests cannot be run on answers alone."""


def prepare(data):
    pass


def answer(argument, descriptor):
    """Answers calls, in the candidate's process."""
    argument = json.loads(argument)
    name = argument["entry_point"]
    calls = [decode(*call) for call in messages_of(argument["calls"])]
    answer_each(lambda: load(argument["solution"], name)[name], calls, descriptor, argument["goes_on"], True)


def check(argument):
    """Runs the tests, in the checker's process."""
    sys.setrecursionlimit(RECURSION)
    argument = json.loads(argument)
    try:
        result = {"record": record, "check": check_answers}[argument["work"]](argument)
    except BaseException as error:
        result = {"error": described(error)}
    return json.dumps(result)


def load(source, entry_point):
    # The builtins that `import builtins` gives; this code has others.
    namespace = {"__builtins__": vars(builtins)}
    exec(compiled(source), namespace)
    if entry_point not in namespace:
        raise NameError(f"name '{entry_point}' is not defined")
    return namespace


def record(argument):
    """The calls that the tests make of the canonical solution, and its answers.

    If an argument is not plain, or the tests see more of a call than its answer, this raises an exception.
    """
    # In a namespace of its own, so that its calls of itself are not recorded.
    solution = load(argument["reference"], argument["entry_point"])[argument["entry_point"]]
    calls, answers = bytearray(), bytearray()

    def candidate(*positional, **named):
        calls.extend(plain_message((positional, named)))
        try:
            output = solution(*positional, **named)
        except Exception as error:
            answers.extend(failure_of(error, RAISED))
            raise
        answers.extend(plain_message(output))
        return output

    run_tests(argument, candidate)
    recorded = {"calls": as_text(calls), "answers": as_text(answers)}
    if "passed" not in check_answers({**argument, **recorded}):
        raise Unrepeatable("the tests do not pass on the answers of the canonical solution")
    return recorded


def plain_message(value):
    letter, body = encode(value)
    if letter in b"Xx" and b"object" in body:
        raise Unrepeatable("a test uses a value that is not plain")
    return message(letter, body)


def check_answers(argument):
    """The result of the tests with a stand-in for the solution."""
    known = [message(*call) for call in messages_of(argument["calls"])]
    answers = list(messages_of(argument["answers"]))
    calls, is_lacking, repeated = [], False, None

    def candidate(*positional, **named):
        nonlocal is_lacking, repeated
        number = len(calls)
        Opaque.turn += 1
        calls.append(message(*encode((positional, named))))
        # Compared as bytes, in which 1, 1.0 and True differ and nan equals itself.
        if repeated is None and number < len(answers) and calls[number] == known[number]:
            letter, body = answers[number]
            if letter in b"RAE":
                raise as_exception(body)
            return read(letter, body)
        # Many tests call once more for the text of a failed assertion. Then the answer is known.
        if repeated is None and 0 < number <= len(answers) and calls[number] == calls[number - 1]:
            letter, body = answers[number - 1]
            if letter not in b"RAE":
                repeated = number
                return read(letter, body)
        is_lacking = True
        raise Unanswered

    try:
        run_tests(argument, candidate)
    except BaseException as error:
        is_assertion = isinstance(error, AssertionError)
        if not is_lacking and (is_assertion or repeated is None):
            return {"assertion" if is_assertion else "error": described(error)}
        is_lacking = True
    # Nothing passes on an answer that was not given to this very call.
    if is_lacking or repeated is not None:
        return {"lacking": as_text(b"".join(calls if repeated is None else calls[:repeated + 1]))}
    return {"passed": None}


def described(error):
    try:
        text = str(error)[:TEXT]
    except BaseException:
        text = ""
    return [type(error).__name__, text]


def run_tests(argument, candidate):
    # The helpers of the prompt are the benchmark's, even if the solution redefines them.
    namespace = {}
    exec(compiled(argument["reference"]), namespace)
    # Random arguments are the same for the canonical solution and the candidate, whatever they draw themselves.
    random.seed(argument["seed"])
    # The tests of one task also call the solution by its name.
    namespace[argument["entry_point"]] = candidate
    exec(compiled(argument["test"]), namespace)
    namespace["check"](candidate)


@functools.lru_cache(8)
def compiled(source):
    return compile(source, "<string>", "exec")
