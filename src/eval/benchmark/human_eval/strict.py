"""Runs a task's `check` in one process and the solution in another; plain values go between them.

Trusted code around two programs. The candidate's process knows the calls that the tests make of the
canonical solution, and answers them. The checker's process holds the tests, runs no line of the
solution, and plays the answers back; if the tests call otherwise (an argument follows from an
answer), it says which calls it needs.
"""

import random


class Unanswered(BaseException):
    """A call that the candidate has not been asked yet; no test catches this by `Exception`."""


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
    """What a solution answers, up to the first exception; a value that is not plain is one."""
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
    """How the tests end with a stand-in for the solution."""
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

    # Helpers that the prompt defines are the benchmark's own, not what a solution makes of them.
    namespace = load(argument["reference"], argument["entry_point"])
    try:
        run_tests(argument, namespace, candidate)
    except BaseException as error:
        if not is_lacking:
            kind = "assertion" if isinstance(error, AssertionError) else "error"
            return {kind: failure(error)}
    return {"lacking": calls} if is_lacking else {"passed": None}


def same(one, other):
    # As text, in which 1, 1.0 and True differ and nan equals itself.
    return json.dumps(one) == json.dumps(other)


def run_tests(argument, namespace, candidate):
    # Tests that draw arguments draw the same ones for the canonical solution and the candidate.
    random.seed(0)
    # One task's tests call the solution by its name as well.
    namespace[argument["entry_point"]] = candidate
    exec(compile(argument["test"], "<string>", "exec"), namespace)
    namespace["check"](candidate)
