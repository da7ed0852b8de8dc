"""What makes the forks of a server cheap, and keeps programs out of the driver's frames.

It is read between `sandbox.py` and `driver.py`, in the same namespace, and uses only the standard library.
"""

import ctypes
import functools
import gc
import os
import sys


# It uses the parts of Python that programs use, and is otherwise arbitrary.
EXAMPLE = """
from typing import List

def mean(numbers: List[float], *more, scale=1.0, **named) -> float:
    total, seen = 0, {}
    for index, number in enumerate(sorted(numbers, key=lambda x: -x)):
        if number not in seen and index >= 0:
            seen[number] = f"{index}: {number!r}"
        elif number % 2 == 0:
            continue
        else:
            total += number ** 2 // 3
    while total > 100:
        total -= 1
    try:
        return round(sum([x * scale for x in numbers if x]) / len(numbers), 2)
    except ZeroDivisionError as error:
        raise ValueError("empty") from error

def check(candidate):
    assert candidate([1.0, 2.0, 3.0]) == 2.0
    assert candidate([5, -1]) == 2, "of two"
    assert "".join(map(str, [1, 2])).split(",")[0][::-1] == "21"

check(mean)
"""


def warm_up():
    """Runs a program in the server, so that no fork spends time on what Python creates on first use.

    The first call of `compile` alone creates a hundred types.
    """
    for _ in range(3):
        exec(compile(EXAMPLE, "<string>", "exec"), {})


def fork_of_one_thread():
    """The function that forks: that of the C library, without the handlers that modules have registered for forks.

    Those handlers, mainly of `threading` and `logging`, repair locks that another thread may have held; they
    write to a hundred pages of memory, each of which is copied for that. A process of one thread needs no
    repair, and `reseeding` replaces the handler of `random`.
    """
    if len(sys._current_frames()) > 1 or not LINUX:
        return os.fork
    # Unlike `CDLL` it keeps the interpreter's lock, which the child then has too.
    fork = ctypes.PyDLL(None, use_errno=True).fork

    def checked():
        child = fork()
        if child < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return child

    return checked


def reseeding():
    """The function that sets the start of all random numbers of a program, so that it has one verdict.

    It is the method in C, because the one of `random` is Python code and touches more pages.
    """
    import random
    seed = functools.partial(random.Random.__base__.seed, random._inst)
    others = []
    if "numpy.random" in sys.modules:
        # It takes 32 bits.
        others.append(lambda number: sys.modules["numpy.random"].seed(number & 0xFFFFFFFF))
    if "torch" in sys.modules:
        others.append(sys.modules["torch"].manual_seed)
    if not others:
        return seed

    def seed_all(number):
        seed(number)
        for other in others:
            other(number >> 1)

    return seed_all


def without_tracing():
    """Makes the functions that trace a program line by line do nothing.

    With them a program could make the driver's frame above it jump over the program's failure.
    """

    def nothing(function):
        pass

    monitoring = getattr(sys, "monitoring", None)
    for name in dir(monitoring):
        if name in ("use_tool_id", "register_callback", "set_events", "set_local_events"):
            setattr(monitoring, name, lambda *arguments: None)
    for name in ("settrace", "setprofile", "_settraceallthreads", "_setprofileallthreads"):
        real = getattr(sys, name, None)
        # `sys` keeps a copy of itself, from which it can be made again.
        for holder in gc.get_referrers(real) if real else ():
            if isinstance(holder, dict) and holder.get(name) is real:
                holder[name] = nothing
