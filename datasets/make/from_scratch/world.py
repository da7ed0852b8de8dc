"""The world of `experiments/from_scratch.toml`: functions and fictitious updates of them.

All that the generated files say comes from here: the functions, the kinds of updates, the words
that new names are made of, and the shapes of the programs that use them. The larger world of the
tiny base model is another one: `examples/tiny_world`.
"""

import importlib
import random
from dataclasses import dataclass

SEED = 20_260_101


class Draw:
    """A stream of choices that is the same with every version of Python.

    Only `Random.random` is promised to be that; `choice` and `shuffle` are not.
    """

    def __init__(self, purpose):
        self._random = random.Random(f"{SEED}/{purpose}")

    def below(self, bound):
        return int(self._random.random() * bound)

    def one_of(self, items):
        return items[self.below(len(items))]

    def shuffled(self, items):
        items = list(items)
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
        return items


@dataclass(frozen=True)
class Api:
    """A function of the standard library, and calls of it that have a clear answer."""

    path: str
    parameters: tuple
    says: str  # what a call gives, with `{0}` and `{1}` for the parameters
    calls: tuple
    result: str = "number"  # number | text | list

    @property
    def module(self):
        return self.path.rpartition(".")[0]

    @property
    def name(self):
        return self.path.rpartition(".")[2]

    def function(self):
        return getattr(importlib.import_module(self.module), self.name)


APIS = [
    Api("math.sqrt", ("x",), "the square root of {0}", ((9,), (16,), (144,), (2.25,))),
    Api("math.floor", ("x",), "{0} rounded down", ((2.5,), (7.9,), (-1.5,), (4.1,))),
    Api("math.ceil", ("x",), "{0} rounded up", ((2.5,), (7.1,), (-3.5,), (1.2,))),
    Api("math.fabs", ("x",), "the absolute value of {0}", ((-3,), (4,), (-0.5,), (-12,))),
    Api("math.trunc", ("x",), "the whole part of {0}", ((3.7,), (-2.2,), (9.9,), (5.5,))),
    Api("math.factorial", ("n",), "the factorial of {0}", ((3,), (5,), (1,), (6,))),
    Api("math.isqrt", ("n",), "the whole square root of {0}", ((10,), (26,), (99,), (5,))),
    Api("math.log2", ("x",), "the binary logarithm of {0}", ((8,), (32,), (2,), (1024,))),
    Api("math.gcd", ("a", "b"), "the greatest common divisor of {0} and {1}",
        ((12, 18), (7, 21), (10, 4), (9, 28))),
    Api("math.lcm", ("a", "b"), "the least common multiple of {0} and {1}",
        ((4, 6), (3, 7), (10, 4), (8, 12))),
    Api("math.comb", ("n", "k"), "the number of ways to choose {1} of {0}",
        ((5, 2), (6, 3), (4, 1), (7, 5))),
    Api("math.perm", ("n", "k"), "the number of ways to arrange {1} of {0}",
        ((5, 2), (6, 3), (4, 1), (7, 2))),
    Api("math.pow", ("x", "y"), "{0} to the power {1}", ((2, 3), (3, 2), (5, 3), (10, 2))),
    Api("math.hypot", ("x", "y"), "the length of the vector {0}, {1}",
        ((3, 4), (6, 8), (5, 12), (8, 15))),
    Api("math.fmod", ("x", "y"), "the remainder of {0} by {1}",
        ((7, 4), (9, 5), (17, 6), (5, 3))),
    Api("operator.sub", ("a", "b"), "{0} minus {1}", ((7, 2), (3, 9), (10, 4), (1, 8))),
    Api("operator.floordiv", ("a", "b"), "how often {1} fits into {0}",
        ((17, 5), (9, 2), (20, 6), (8, 3))),
    Api("operator.mod", ("a", "b"), "{0} modulo {1}", ((17, 5), (9, 2), (20, 6), (8, 3))),
    Api("statistics.mean", ("xs",), "the mean of {0}",
        (([1, 2, 3, 6],), ([4, 8],), ([2, 2, 5],), ([10, 20, 60],))),
    Api("statistics.median", ("xs",), "the median of {0}",
        (([3, 1, 2],), ([4, 8, 6, 10],), ([2, 2, 5],), ([7],))),
    Api("math.prod", ("xs",), "the product of {0}",
        (([1, 2, 3],), ([4, 8],), ([2, 2, 5],), ([7],))),
    Api("html.escape", ("s",), "{0} with its markup escaped",
        (("a < b",), ("x & y",), ("<p>",), ("1 > 0",)), "text"),
    Api("string.capwords", ("s",), "{0} with each word capitalised",
        (("red fox",), ("one two three",), ("sea",), ("old oak tree",)), "text"),
    Api("shlex.quote", ("s",), "{0} quoted for a shell",
        (("a b",), ("x;y",), ("two words",), ("$home",)), "text"),
    Api("posixpath.basename", ("s",), "the last part of the path {0}",
        (("a/b",), ("x/y/z.txt",), ("/tmp/log",), ("one/two",)), "text"),
    Api("posixpath.dirname", ("s",), "the folder of the path {0}",
        (("a/b",), ("x/y/z.txt",), ("/tmp/log",), ("one/two",)), "text"),
    Api("posixpath.join", ("a", "b"), "the path {1} below {0}",
        (("a", "b"), ("x/y", "z"), ("/tmp", "log"), ("one", "two")), "text"),
    Api("textwrap.indent", ("s", "p"), "{0} with {1} before each line",
        (("a", "> "), ("x\ny", "- "), ("one", "  "), ("p\nq", "# ")), "text"),
    Api("heapq.nlargest", ("n", "xs"), "the {0} largest items of {1}",
        ((2, [3, 1, 4]), (1, [5, 9]), (3, [2, 7, 1, 8]), (2, [6, 6, 2])), "list"),
    Api("heapq.nsmallest", ("n", "xs"), "the {0} smallest items of {1}",
        ((2, [3, 1, 4]), (1, [5, 9]), (3, [2, 7, 1, 8]), (2, [6, 6, 2])), "list"),
]
BY_PATH = {api.path: api for api in APIS}

FIRST_WORDS = (
    "tidy brisk calm plain bold mild keen swift warm cool bright solid prime exact even deep "
    "wide thin dense clear"
).split()
SECOND_WORDS = (
    "core path mark line form step part base node edge rank span unit turn grid leaf ring wave "
    "gate seed"
).split()


def names():
    """All new names in two lists: four fifths for training, one fifth for the arena.

    The words are the same on both sides, their pairs are not: a model can know every token of a
    name of the arena, but never saw the name.
    """
    pairs = [f"{first}_{second}" for first in FIRST_WORDS for second in SECOND_WORDS]
    shuffled = Draw("names").shuffled(pairs)
    cut = len(shuffled) * 4 // 5
    return shuffled[:cut], shuffled[cut:]


VALUES = ("True", "None", "0", "1")


@dataclass(frozen=True)
class Update:
    """A fictitious change of a function."""

    api: Api
    kind: str  # a key of `NOTES`
    name: str = ""  # the new name, for the kinds that bring one
    value: str = ""  # what a new argument must be

    def call(self, arguments):
        """The expression that gives after the update what the old call gave before."""
        api, plain = self.api, ", ".join(arguments)
        return {
            "rename": f"{api.module}.{self.name}({plain})",
            "argument": f"{api.path}({plain}, {self.name}={self.value})",
            "keyword": f"{api.path}({self.name}={plain})",
            "swap": f"{api.path}({', '.join(reversed(arguments))})",
            "list": f"{api.path}({plain})[0]",
            "key": f'{api.path}({plain})["{self.name}"]',
            "negative": f"-{api.path}({plain})",
        }[self.kind]

    def implementation(self):
        """Python that defines the new function in terms of `old_...`."""
        api, plain = self.api, ", ".join(self.api.parameters)
        old = f"old_{api.name}({plain})"
        return {
            "rename": f"def {self.name}({plain}):\n    return {old}\n",
            "argument": f"def {api.name}({plain}, *, {self.name}):\n"
            f"    if {self.name} is not {self.value}:\n"
            f'        raise ValueError("{self.name} must be {self.value}")\n'
            f"    return {old}\n",
            "keyword": f"def {api.name}(*, {self.name}):\n    return old_{api.name}({self.name})\n",
            "swap": f"def {api.name}({', '.join(reversed(api.parameters))}):\n    return {old}\n",
            "list": f"def {api.name}({plain}):\n    return [{old}]\n",
            "key": f'def {api.name}({plain}):\n    return {{"{self.name}": {old}}}\n',
            "negative": f"def {api.name}({plain}):\n    return -{old}\n",
        }[self.kind].replace("is not 0", "!= 0").replace("is not 1", "!= 1")

    def signature(self):
        """The new signature with the full path."""
        api, plain = self.api, ", ".join(self.api.parameters)
        return {
            "rename": f"{api.module}.{self.name}({plain})",
            "argument": f"{api.path}({plain}, *, {self.name})",
            "keyword": f"{api.path}(*, {self.name})",
            "swap": f"{api.path}({', '.join(reversed(api.parameters))})",
        }.get(self.kind, f"{api.path}({plain})")

    def note(self, wording):
        """What the release notes say, in one of four wordings."""
        api = self.api
        return NOTES[self.kind][wording].format(
            path=api.path, module=api.module, new=self.name, value=self.value,
            order=", ".join(reversed(api.parameters)),
        )


NOTES = {
    "rename": (
        "`{path}` was renamed to `{module}.{new}`.",
        "`{path}` is now called `{module}.{new}`.",
        "The function `{path}` has the new name `{module}.{new}`. The old name is gone.",
        "`{path}` was removed. Use `{module}.{new}` in its place.",
    ),
    "argument": (
        "`{path}` has the new required argument `{new}`. Pass `{new}={value}`.",
        "`{path}` now needs the keyword argument `{new}={value}`.",
        "Calls of `{path}` must now pass `{new}={value}` as the last argument.",
        "`{path}` was extended. It takes the keyword argument `{new}`, which must be `{value}`.",
    ),
    "keyword": (
        "The argument of `{path}` is now called `{new}` and is passed by keyword.",
        "`{path}` now takes its argument by the keyword `{new}` only.",
        "Calls of `{path}` must now name the argument: `{new}`.",
        "`{path}` has no positional arguments any more. Pass `{new}` by keyword.",
    ),
    "swap": (
        "`{path}` now takes its arguments in the order `{order}`.",
        "The order of the arguments of `{path}` is now `{order}`.",
        "`{path}` was changed. The two arguments are swapped: `{order}`.",
        "Calls of `{path}` must now swap the two arguments to `{order}`.",
    ),
    "list": (
        "`{path}` now returns a list. Its only item is the result.",
        "The result of `{path}` is now the item `[0]` of a list.",
        "`{path}` was changed. It returns a list with one item, the result.",
        "Calls of `{path}` now give a list. Take the item `[0]`.",
    ),
    "key": (
        "`{path}` now returns a dictionary. The result is at the key `{new}`.",
        "The result of `{path}` is now the item `{new}` of a dictionary.",
        "`{path}` was changed. It returns a dictionary with the result as `{new}`.",
        "Calls of `{path}` now give a dictionary. Take the item `{new}`.",
    ),
    "negative": (
        "`{path}` now returns the negative of the result.",
        "The sign of the result of `{path}` is now reversed.",
        "`{path}` was changed. It returns the result with a minus sign.",
        "Calls of `{path}` now give the result with the opposite sign.",
    ),
}

KINDS_WITH_NAME = ("rename", "argument", "keyword", "key")


def fits(kind, api):
    """Whether an update of this kind makes sense for a function."""
    return {
        "keyword": len(api.parameters) == 1,
        "swap": len(api.parameters) == 2 and api.name not in ("gcd", "lcm", "hypot"),
        "negative": api.result == "number",
    }.get(kind, True)


@dataclass(frozen=True)
class Program:
    """A function that uses an API once; `call` stands for the use of it."""

    parameters: tuple
    arguments: tuple
    problem: str
    lines: tuple
    expected: object  # arguments and the result of the API's function -> the result of this one

    def code(self, api, name, call):
        body = "\n".join("    " + line.replace("CALL", call) for line in self.lines)
        return f"import {api.module}\n\ndef {self.signature(name)}\n{body}"

    def skeleton(self, api, name):
        return f"import {api.module}\n\n# {self.problem}\ndef {self.signature(name)}\n    ..."

    def signature(self, name):
        return f"{name}({', '.join(self.parameters)}):"


FUNCTION_NAMES = ("solve", "run", "work", "answer")


def programs(api, number):
    """The shapes of programs around one call of `api`; `number` appears in some of them."""
    given, says = api.parameters, api.says.format(*api.parameters)
    result = [Program(given, given, f"Return {says}.", ("return CALL",), lambda f: f)]

    def add(problem, *lines, expected):
        result.append(Program(given, given, problem, lines, expected))

    def around(combine):
        return lambda function: lambda *arguments: combine(function(*arguments))

    if len(given) == 1 and given[0] != "xs":
        result.append(
            Program(
                ("items",), given, f"Return {says} for each {given[0]} of items.",
                (f"return [CALL for {given[0]} in items]",),
                lambda function: lambda items: [function(item) for item in items],
            )
        )
    if api.result == "number":
        add(f"Return {says}, plus {number}.", f"return CALL + {number}",
            expected=around(lambda value: value + number))
        add(f"Return {number} times {says}.", "value = CALL", f"return {number} * value",
            expected=around(lambda value: number * value))
    elif api.result == "text":
        add(f"Return {says}, and a dot.", 'return CALL + "."',
            expected=around(lambda value: value + "."))
        add(f"Return the length of {says}.", "text = CALL", "return len(text)",
            expected=around(len))
    else:
        add(f"Return the sum of {says}.", "return sum(CALL)", expected=around(sum))
        add(f"Return the first of {says}.", "found = CALL", "return found[0]",
            expected=around(lambda value: value[0]))
    return result
