# Random nested values are written and read again. Oracle: Python's own `repr`, `==` and `pickle`.

import math
import pickle
import random
import sys
from decimal import Decimal
from fractions import Fraction

# `repr` refuses long integers otherwise.
getattr(sys, "set_int_max_str_digits", int)(0)
drawn = random.Random(1)

SPECIAL = (
    None, ..., True, False, 0, 1, -1, 1.0, 0.0, -0.0, math.inf, -math.inf, 5e-324, complex(1, -0.0), complex(math.inf, 0),
    2**31 - 1, 2**31, -2**31, -2**31 - 1, 2**63, 2**64, 2**64 + 1, 2**64 + 5, -2**64, 10**400, -10**5000, "", "\ud800",
    "a\0\U0001f600", b"", b"\0\xff", (), frozenset(), range(3), range(9, 0, -2), Fraction(1, 3), Decimal("1.10"),
    (..., "object", "E"), (..., ), (..., ...), ((..., "tuple", (1, )), ),
)


def leaf():
    kind = drawn.randrange(6)
    if kind == 0:
        return drawn.getrandbits(drawn.randrange(1, 3000)) * drawn.choice((1, -1))
    if kind == 1:
        return drawn.uniform(-1e9, 1e9)
    if kind == 2:
        return "".join(chr(drawn.choice((65, 0x3B1, 0xD800, 0x1F600, 0, 10))) for _ in range(drawn.randrange(5)))
    if kind == 3:
        return bytes(drawn.randrange(256) for _ in range(drawn.randrange(4)))
    return drawn.choice(SPECIAL)


def hashable(depth):
    kind = drawn.randrange(4)
    if depth == 0 or kind < 2:
        return leaf()
    return (tuple, frozenset)[kind - 2](hashable(depth - 1) for _ in range(drawn.randrange(4)))


def value(depth):
    kind = drawn.randrange(9)
    if depth == 0 or kind < 2:
        return leaf() if drawn.random() < 0.9 else bytearray(b"xyz")
    size = range(drawn.randrange(5))
    if kind < 4:
        return [value(depth - 1) for _ in size]
    if kind == 4:
        return tuple(value(depth - 1) for _ in size)
    if kind == 5:
        return {hashable(depth - 1): value(depth - 1) for _ in size}
    if kind == 6:
        return {hashable(depth - 1) for _ in size}
    if kind == 7:
        shared = value(depth - 1)
        return [shared, shared]
    return hashable(depth)


def is_same(one, other):
    """Whether two values are equal, part by part, and of the same types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict):
        return is_same(list(one.items()), list(other.items()))
    if isinstance(one, (set, frozenset)):
        return one == other and all(any(is_same(x, y) for y in other) for x in one)
    # `repr` writes every digit, and the sign of zero.
    return repr(one) == repr(other)


def check(one):
    letter, body = encode(one)
    for other in (read(letter, body), decode(letter, body), pickle.loads(pickle.dumps(one))):
        assert is_same(one, other), (one, other)
    assert letter in (b"V", b"X") and encode(one) == (letter, body)
    return letter


letters = [check(one) for one in SPECIAL] + [check(value(4)) for _ in range(4000)]
assert 500 < letters.count(b"X") < 3500, letters.count(b"X")
assert math.isnan(read(*encode(math.nan))) and math.isnan(read(*encode([math.nan]))[0])

# Instances of subclasses count as their plain values, and other objects equal nothing.
import collections
import enum


class Number(int):
    def __eq__(self, other):
        return True


class Everything:
    def __eq__(self, other):
        return True


Color = enum.IntEnum("Color", "RED GREEN")
Pair = collections.namedtuple("Pair", "a b")
for one, plain in (
    (Number(7), 7), (Color.GREEN, 2), (Pair(1, "b"), (1, "b")), (collections.Counter("aab"), {"a": 2, "b": 1}),
    (collections.OrderedDict(b=1), {"b": 1}), ({1: 2}.keys(), {1}), ({1: 2}.items(), {(1, 2)}), ([Number(1)], [1]),
):
    letter, body = encode(one)
    assert is_same(read(letter, body), plain), one
    assert (letter in (b"v", b"x")) == (type(one) is not list), one
for one in (Everything(), [Everything()], iter([1]), (x for x in ()), len, {1: 2}.values(), int):
    other = read(*encode(one))
    assert not any(other == plain for plain in (0, 1, True, None, [0], [1], ""))
    try:
        bool(other if type(other) is Opaque else other[0])
    except TypeError:
        continue
    raise AssertionError(one)

# Deep values, within the bounds of `marshal`; a value that contains itself has no end.
deep = []
for _ in range(1500):
    deep = [deep]
letter, body = encode(deep)
other, depth = read(letter, body), 0
while other:
    other, depth = other[0], depth + 1
assert depth == 1500
endless = []
endless.append(endless)
try:
    encode(endless)
except RecursionError:
    pass
else:
    raise AssertionError("an endless value has ended")

# What a program can send in place of a value raises an exception, and nothing else happens.
refused = 0
for _ in range(20000):
    text = bytes(drawn.choice(b"NTF.ilgysu[(<>{0c\0\1\2\xff") for _ in range(drawn.randrange(1, 30)))
    try:
        read(drawn.choice((b"V", b"X")), text)
    except (ValueError, TypeError):
        refused += 1
assert refused > 15000, refused
