"""Plain values as bytes that another process can compare, and read without trusting who wrote them.

A value is a letter and a body. The body of an exact value is what Python's `marshal` writes in version 2: it is
fast, keeps every digit, and equal values of equal types have equal bytes (sets may be in another order). The letters:

    V  a value that consists of Python's built-in plain types only
    X  a value with other parts, such as a `bytearray` or a `range`; each is a tuple that begins with `...`
    v, x  the same, of a plain value that stands for one of another type

An instance of a subclass of a plain type counts as its plain value. An object that has no plain value, such as an instance of a
class that a program defines, becomes an `Opaque`, which equals nothing. It may have the items that iterating it gives.

This file is a part of harnesses: what it needs is bound before a program runs. `read` is for values of a program:
`marshal.loads` must not read those, because it trusts what it reads.
"""

import base64
import builtins
import os
from marshal import dumps, loads
from operator import length_hint
from struct import Struct

LEAVES = frozenset({type(None), type(...), bool, int, float, complex, str, bytes})
CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
EXACT = LEAVES | CONTAINERS
# What a subclass counts as; `bool` has none.
PLAIN = (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)
VERSION = 2
# The letters of other messages: the function is loaded, a call raised an exception and the next call follows. An
# exception that ends the program has A (a failed assertion) or E.
LOADED, RAISED = b"L", b"R"
FLOAT, COMPLEX = Struct("<d"), Struct("<dd")
HEADER_BYTES = 5
# How many items of an object are asked for, and their bytes.
MOST_ITEMS, ITEMS_BYTES = 100_000, 1 << 20
# The characters that are kept of the text of an exception.
TEXT = 500


class Opaque:
    """An object that has no plain value: it equals nothing, and everything else that is done with it fails.

    If its items are known, it can be iterated once. Its items were asked for when it was made, so only until `turn`
    changes: a program could see whether they are asked for later.
    """

    turn = 0

    def __init__(self, name, items=None):
        self.name, self.items, self.made = name, items, Opaque.turn

    # `in` passes an argument.
    def refuse(self, *_):
        raise TypeError(f"a {self.name} is no plain value")

    __bool__ = __len__ = __int__ = __float__ = __index__ = __contains__ = refuse

    def __iter__(self):
        items, self.items = self.items, None
        if items is None or self.made != Opaque.turn:
            self.refuse()
        return iter(items)

    def __repr__(self):
        return f"<{self.name}>"


def encode(value, with_items=False):
    """The letter and the body of a value; an object that has no plain value has its items, if they are asked for."""
    try:
        body = dumps(value, VERSION)
        if is_exact(value):
            return b"V", body
    except ValueError:
        # It contains something that `marshal` does not know, or is nested too deeply.
        pass
    tree = converted(value)
    if with_items and type(tree) is Escape and tree.name == "object":
        tree = with_its_items(value, tree.content)
    is_other = type(value) not in EXACT and type(tree) is not Escape
    letters = b"Vv"
    if has_escapes(tree):
        letters, tree = b"Xx", escaped(tree)
    return letters[is_other:is_other + 1], dumps(tree, VERSION)


def is_exact(value, kind_of=type, as_set=set, each=map):
    """Whether a value that `marshal` has written consists of built-in types only; it also writes buffers."""
    kind = kind_of(value)
    if kind in LEAVES:
        return True
    if kind not in CONTAINERS:
        return False
    left = [value]
    while left:
        items = left.pop()
        if kind_of(items) is dict:
            items = [*items, *items.values()]
        kinds = as_set(each(kind_of, items))
        if kinds <= LEAVES:
            continue
        if not kinds <= EXACT:
            return False
        left += [item for item in items if kind_of(item) in CONTAINERS]
    return True


class Escape:
    """A part of a value that is written as a tuple which begins with `...`."""

    def __init__(self, name, content):
        self.name, self.content = name, content


def converted(value):
    """A value of built-in types, and of an `Escape` for each part that has none."""
    kind = type(value)
    if kind in LEAVES:
        return value
    if kind is list:
        return [converted(item) for item in value]
    if kind is tuple:
        return tuple([converted(item) for item in value])
    if kind is dict:
        return {converted(key): converted(item) for key, item in value.items()}
    if kind is set or kind is frozenset:
        return kind([converted(item) for item in value])
    if kind is bytearray:
        return Escape("bytearray", bytes(value))
    if kind is range:
        return Escape("range", (value.start, value.stop, value.step))
    for plain in PLAIN:
        if isinstance(value, plain):
            return converted(plain(value))
    return converted_object(value, kind)


def converted_object(value, kind):
    if kind is type({}.keys()) or kind is type({}.items()):
        try:
            return converted(set(value))
        except TypeError:
            return Escape("object", kind.__name__)
    if kind.__module__ == "fractions" and kind.__name__ == "Fraction":
        return Escape("Fraction", (int(value.numerator), int(value.denominator)))
    if kind.__module__ == "decimal" and kind.__name__ == "Decimal":
        return Escape("Decimal", str(value))
    if kind.__module__ == "numpy" and getattr(value, "ndim", 1) == 0 and hasattr(value, "item"):
        item = value.item()
        if type(item) is not kind:
            return converted(item)
    return Escape("object", str(kind.__name__))


def with_its_items(value, name, kind_of=type, hint=length_hint, write=dumps):
    """What stands for an object: with its items, if it has few enough and asking for them does not fail."""
    nothing = Escape("object", name)
    items, size = [], 0
    try:
        # `dict` reads such an object in another way.
        if hasattr(value, "keys"):
            return nothing
        iterator = iter(value)
        # `tuple` and `list` ask, too.
        hint(value)
        for item in iterator:
            item = escaped(converted(item))
            size += len(write(item, VERSION))
            if size > ITEMS_BYTES or len(items) == MOST_ITEMS:
                return nothing
            items.append(item)
    except BaseException:
        return nothing
    return Escape("items", (name, tuple(items)))


def has_escapes(tree):
    left = [tree]
    while left:
        value = left.pop()
        kind = type(value)
        if kind is Escape:
            return True
        if kind is dict:
            left += value
            left += value.values()
        elif kind in CONTAINERS:
            left += value
    return False


def escaped(value):
    """A tree without `Escape`; a tuple that itself begins with `...` gets one more."""
    kind = type(value)
    if kind is Escape:
        return (..., value.name, value.content)
    if kind is list:
        return [escaped(item) for item in value]
    if kind is tuple:
        items = tuple([escaped(item) for item in value])
        return (..., "tuple", items) if items and items[0] is ... else items
    if kind is dict:
        return {escaped(key): escaped(item) for key, item in value.items()}
    if kind is set or kind is frozenset:
        return kind([escaped(item) for item in value])
    return value


def restored(value):
    """The value that `escaped` has written."""
    kind = type(value)
    if kind is list:
        return [restored(item) for item in value]
    if kind is tuple:
        if value and value[0] is ...:
            return of_escape(*value[1:])
        return tuple([restored(item) for item in value])
    if kind is dict:
        return {restored(key): restored(item) for key, item in value.items()}
    if kind is set or kind is frozenset:
        return kind([restored(item) for item in value])
    return value


def of_escape(name, content):
    if name == "tuple":
        return tuple([restored(item) for item in content])
    if name == "bytearray":
        return bytearray(bytes.fromhex(content.hex()))
    if name == "range":
        return range(*content)
    if name == "Fraction":
        from fractions import Fraction
        return Fraction(*content)
    if name == "Decimal":
        from decimal import Decimal
        return Decimal(content)
    if name == "object":
        return Opaque(content)
    if name == "items":
        kind, items = content
        return Opaque(kind, [restored(item) for item in items])
    raise ValueError("no value has such a part")


def decode(letter, body):
    """A value that a trusted process has written."""
    value = loads(body)
    return restored(value) if letter in b"Xx" else value


def read(letter, body):
    """A value that a program has written."""
    value = parsed(body)
    return restored(value) if letter in b"Xx" else value


NOTHING = object()
CONSTANTS = {b"N": None, b"T": True, b"F": False, b".": ...}
SEQUENCES = {b"[": list, b"(": tuple, b"<": set, b">": frozenset}


def parsed(data):
    """The value of a text of `marshal` in version 2; no other text is read."""
    place, size, open_ = 0, len(data), []

    def take(count):
        nonlocal place
        if not 0 <= count <= size - place:
            raise ValueError("the value is cut off")
        place += count
        return data[place - count:place]

    def number():
        return int.from_bytes(take(4), "little", signed=True)

    while True:
        tag, value = take(1), NOTHING
        if tag in CONSTANTS:
            value = CONSTANTS[tag]
        elif tag == b"i":
            value = number()
        elif tag == b"l":
            count = number()
            value = of_digits(take(2 * abs(count)), count < 0)
        elif tag == b"g":
            value, = FLOAT.unpack(take(8))
        elif tag == b"y":
            value = complex(*COMPLEX.unpack(take(16)))
        elif tag == b"s":
            value = bytes(take(number()))
        elif tag == b"u":
            value = str(take(number()), "utf-8", "surrogatepass")
        elif tag in SEQUENCES:
            count = number()
            # Each item takes a byte.
            if not 0 <= count <= size - place:
                raise ValueError("the value is cut off")
            open_.append((SEQUENCES[tag], count, []))
        elif tag == b"{":
            open_.append((dict, None, []))
        elif not (tag == b"0" and open_ and open_[-1][0] is dict and len(open_[-1][2]) % 2 == 0):
            raise ValueError("no plain value")
        # Closes all containers that are complete.
        while True:
            if value is not NOTHING:
                if not open_:
                    if place != size:
                        raise ValueError("something follows the value")
                    return value
                open_[-1][2].append(value)
            kind, count, items = open_[-1]
            if kind is dict:
                if tag != b"0":
                    break
                value, tag = dict(zip(items[::2], items[1::2])), b""
            elif len(items) < count:
                break
            else:
                value = items if kind is list else kind(items)
            open_.pop()


def of_digits(data, is_negative):
    """The integer with these digits to base 2 ** 15, the lowest first, in two bytes each."""
    digits, width = [int.from_bytes(data[place:place + 2], "little") for place in range(0, len(data), 2)], 15
    if any(digit >> 15 for digit in digits):
        raise ValueError("no digit")
    while len(digits) > 1:
        if len(digits) % 2:
            digits.append(0)
        digits = [low | high << width for low, high in zip(digits[::2], digits[1::2])]
        width *= 2
    value = digits[0] if digits else 0
    return -value if is_negative else value


# Messages: a letter, the length of the body in four bytes, and the body.


def message(letter, body):
    return letter + len(body).to_bytes(4, "little") + body


def messages_of(text):
    """The letters and bodies of messages that follow one another, given in base 64."""
    data, place = base64.b64decode(text), 0
    while place < len(data):
        letter, body = data[place:place + 1], place + HEADER_BYTES
        place = body + int.from_bytes(data[place + 1:body], "little")
        yield letter, data[body:place]


def as_text(data):
    return base64.b64encode(data).decode()


def failure_of(error, letter=None):
    """The message of an exception."""
    letter = letter or (b"A" if isinstance(error, AssertionError) else b"E")
    name = type.__dict__["__name__"].__get__(type(error))
    try:
        text = str(error)[:TEXT]
    except BaseException:
        text = ""
    return message(letter, f"{name}\n{text}".encode("utf-8", "replace"))


def as_exception(body):
    """An exception that another process has reported; its class is kept if it is built in."""
    name, _, text = body.decode("utf-8", "replace").partition("\n")
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, BaseException):
        try:
            return kind(text)
        except TypeError:
            pass
    return RuntimeError(f"{name}: {text}")


def send(descriptor, data, write=os.write):
    written = write(descriptor, data)
    while written < len(data):
        data = data[written:]
        written = write(descriptor, data)


def answer_each(load, calls, descriptor, goes_on=False, with_items=False):
    """Calls a function, and writes a message for each answer as soon as it is there.

    The reader measures the time between messages. The first one says that the function is loaded. An exception is the
    last one, unless the next call is to follow.
    """
    try:
        function = load()
        send(descriptor, message(LOADED, b""))
        for positional, named in calls:
            try:
                output = function(*positional, **named)
                letter, body = encode(output, with_items)
            except BaseException as error:
                if not goes_on:
                    raise
                send(descriptor, failure_of(error, RAISED))
                continue
            send(descriptor, letter + len(body).to_bytes(4, "little") + body)
    except BaseException as error:
        send(descriptor, failure_of(error))
