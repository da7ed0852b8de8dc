"""Runs a task's `check` in one process and the solution in another; they exchange plain values.

This is trusted code around two programs. The candidate's process gets the calls that the tests make
of the canonical solution, and answers them. The checker's process has the tests, runs no line of the
solution, and replays the answers. If the tests make other calls, because an argument depends on an
answer, it returns the calls that it needs.
"""

import random


class Unanswered(BaseException):
    """A call without an answer yet. Not an `Exception`, so that no test catches it."""


def prepare(data):
    pass


def run(argument):
    argument = json.loads(argument)
    work = {"record": record, "answer": answer, "check": check}[argument["work"]]
    return json.dumps(work(argument))


def load(source, entry_point):
    namespace = {}
    exec(compile(source, "<string>", "exec"), namespace)
    if entry_point not in namespace:
        raise NameError(f"name '{entry_point}' is not defined")
    return namespace


def encode_call(positional, named):
    return [encode(positional), encode(named)]


def record(argument):
    """The calls that the tests make of the canonical solution."""
    calls = []
    namespace = load(argument["reference"], argument["entry_point"])
    solution = namespace[argument["entry_point"]]

    def candidate(*positional, **named):
        calls.append(encode_call(positional, named))
        return solution(*positional, **named)

    run_tests(argument, namespace, candidate)
    return {"calls": calls}


def answer(argument):
    """The answers of a solution up to the first exception; a value that is not plain raises one."""
    function = load(argument["solution"], argument["entry_point"])[argument["entry_point"]]
    answers = []
    for positional, named in argument["calls"]:
        positional, named = decode(positional), decode(named)
        try:
            output = function(*positional, **named)
            answers.append({"value": encode(output)})
        except BaseException as error:
            answers.append({"raised": failure(error)})
            break
    return {"answers": answers}


def check(argument):
    """The result of the tests with a stand-in for the solution."""
    known, answers, calls = argument["calls"], argument["answers"], []
    is_lacking = False

    def candidate(*positional, **named):
        nonlocal is_lacking
        number = len(calls)
        calls.append(encode_call(positional, named))
        is_known = number < len(answers) and same(calls[number], known[number])
        if is_lacking or not is_known:
            is_lacking = True
            raise Unanswered
        if "raised" in answers[number]:
            raise as_exception(answers[number]["raised"])
        return decode(answers[number]["value"])

    # The helpers of the prompt are the benchmark's, even if the solution redefines them.
    namespace = load(argument["reference"], argument["entry_point"])
    try:
        run_tests(argument, namespace, candidate)
    except BaseException as error:
        if not is_lacking:
            kind = "assertion" if isinstance(error, AssertionError) else "error"
            return {kind: failure(error)}
    return {"lacking": calls} if is_lacking else {"passed": None}


def same(one, other):
    # Compared as text, in which 1, 1.0 and True differ and nan equals itself.
    return json.dumps(one) == json.dumps(other)


def run_tests(argument, namespace, candidate):
    # Random arguments are the same for the canonical solution and the candidate.
    random.seed(0)
    # The tests of one task also call the solution by its name.
    namespace[argument["entry_point"]] = candidate
    exec(compile(argument["test"], "<string>", "exec"), namespace)
    namespace["check"](candidate)
