"""Runs a row's tests in one process and a solution in another; they exchange plain values.

This is trusted code around two programs. Tests are recorded once with the reference: which of its
functions they call, with which arguments, and which of its variables they read. The candidate's process
gets these requests and answers them; it never sees a test. The checker's process runs no line of the
solution, and replays the answers. If the tests make other calls, because an argument depends on an
answer, it returns the calls that it needs.
"""

import ast
import json
import random


class Unanswered(BaseException):
    """A call without an answer yet. Not an `Exception`, so that no test catches it."""


class Unusable(Exception):
    """The test cannot be run in this way."""


def prepare(data):
    pass


def answer(argument, descriptor):
    """Does one of the works, and sends one message with the result: JSON, in which values are base 64."""
    argument = json.loads(argument)
    works = {"record": record_requests, "answer": give_answers, "check": check_answers}
    try:
        send(descriptor, message(LOADED, b""))
        send(descriptor, message(b"V", json.dumps(works[argument["work"]](argument)).encode()))
    except BaseException as error:
        send(descriptor, failure_of(error))


def packed(value):
    """A value as text. What is not plain becomes an object that equals nothing."""
    return as_text(message(*encode(value)))


def packed_plain(value):
    letter, body = encode(value)
    if letter in b"Xx" and b"object" in body:
        raise TypeError(f"a value of class `{type(value).__name__}` is no plain value")
    return as_text(message(letter, body))


def unpacked(text, convert):
    """A value: `decode` trusts who wrote it, `read` does not."""
    (content,) = messages_of(text)
    return convert(*content)


def described(error):
    name, _, text = failure_of(error)[HEADER_BYTES:].decode("utf-8", "replace").partition("\n")
    return [name, text]


def reported(pair):
    return as_exception("\n".join(pair).encode())


def load(*sources):
    namespace = {}
    for source in sources:
        exec(compile(source, "<string>", "exec"), namespace)
    return namespace


def defined(source):
    """The names that a program defines at its top level: functions and variables, and classes."""
    values, classes = set(), set()
    for statement in ast.parse(source).body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            values.add(statement.name)
        elif isinstance(statement, ast.ClassDef):
            classes.add(statement.name)
        elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = getattr(statement, "targets", None) or [statement.target]
            for target in targets:
                names = (node for node in ast.walk(target) if isinstance(node, ast.Name))
                values.update(name.id for name in names if isinstance(name.ctx, ast.Store))
    return values, classes


def used(argument, namespace):
    """The reference's functions and variables that a test uses."""
    values, classes = defined(argument["reference"])
    names = {node.id for node in ast.walk(ast.parse(argument["test"])) if isinstance(node, ast.Name)}
    made = sorted(names & classes)
    if made:
        raise Unusable(f"it uses the class `{made[0]}` of the program; only plain values can be compared")
    names = sorted(name for name in names & values if name in namespace)
    functions = [name for name in names if callable(namespace[name])]
    variables = [name for name in names if name not in functions]
    if not names:
        raise Unusable("it calls no function and reads no variable of the program")
    return functions, variables


def encode_call(name, positional, named):
    return [name, packed_plain((positional, named))]


def record_requests(argument):
    """What a test asks of the reference."""
    namespace = load(argument["setup"], argument["reference"])
    try:
        functions, variables = used(argument, namespace)
        calls = []

        def recorder(name, function):
            def recorded(*positional, **named):
                calls.append(encode_call(name, positional, named))
                output = function(*positional, **named)
                packed_plain(output)
                return output

            return recorded

        for name in variables:
            packed_plain(namespace[name])
        for name in functions:
            namespace[name] = recorder(name, namespace[name])
        run_test(argument, namespace)
        if not calls and not variables:
            raise Unusable("it calls no function and reads no variable of the program")
    except Unusable as reason:
        return {"unusable": str(reason)}
    except BaseException as error:
        return {"fails": described(error)}
    return {"recorded": {"functions": functions, "variables": variables, "calls": calls}}


def give_answers(argument):
    """The values of a solution's variables, and its answers; an answer may be an exception."""
    namespace = load(argument["setup"], argument["solution"])
    values = {}
    for name in argument["variables"]:
        if name in namespace:
            values[name] = packed(namespace[name])
    answers = []
    for name, arguments in argument["calls"]:
        positional, named = unpacked(arguments, decode)
        try:
            if name not in namespace:
                raise NameError(f"name '{name}' is not defined")
            answers.append({"value": packed(namespace[name](*positional, **named))})
        except BaseException as error:
            # A test may expect the exception, and go on.
            answers.append({"raised": described(error)})
    return {"values": values, "answers": answers}


def check_answers(argument):
    """The result of a test with stand-ins for what it uses of the solution."""
    known, answers, calls = argument["calls"], argument["answers"], []
    is_lacking = False

    def stand_in(name):
        def called(*positional, **named):
            nonlocal is_lacking
            number = len(calls)
            calls.append(encode_call(name, positional, named))
            is_known = number < len(answers) and calls[number] == known[number]
            if is_lacking or not is_known:
                is_lacking = True
                raise Unanswered
            if "raised" in answers[number]:
                raise reported(answers[number]["raised"])
            return unpacked(answers[number]["value"], read)

        return called

    # What else the test uses of the program, such as its imports, is the reference's.
    namespace = load(argument["setup"], argument["reference"])
    try:
        for name in argument["functions"]:
            namespace[name] = stand_in(name)
        for name in argument["variables"]:
            value = argument["values"].get(name)
            if value is None:
                raise NameError(f"name '{name}' is not defined")
            namespace[name] = unpacked(value, read)
        run_test(argument, namespace)
    except BaseException as error:
        if not is_lacking:
            kind = "assertion" if isinstance(error, AssertionError) else "error"
            return {kind: described(error)}
    return {"lacking": calls} if is_lacking else {"passed": None}


def run_test(argument, namespace):
    # Random arguments are the same for the reference and the candidate.
    random.seed(0)
    exec(compile(argument["test"], "<string>", "exec"), namespace)
