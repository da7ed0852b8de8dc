"""Plain values as text that is safe to read in another process.

Text and not `pickle` or `marshal`, because the reading process also holds data that a program must
not change. This file is a part of harnesses: `json` and `builtins` are bound before a program runs.
"""

import builtins
import json

SCALARS = (bool, int, float, str)
# Longer integers are written in hexadecimal: Python refuses to write more than 4,300 decimal digits.
LONG = 8192
CONTAINERS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


def encode(value):
    """A plain value as JSON with tags; an instance of a subclass counts as its plain type."""
    kind = type(value)
    if kind is int and value.bit_length() > LONG:
        return ["int", hex(value)]
    if value is None or kind in SCALARS:
        return value
    if kind in (list, tuple, set, frozenset):
        return [kind.__name__, [encode(item) for item in value]]
    if kind is dict:
        return ["dict", [[encode(key), encode(item)] for key, item in value.items()]]
    if kind is complex:
        return ["complex", [value.real, value.imag]]
    if kind in (bytes, bytearray):
        return [kind.__name__, value.hex()]
    return encode(as_plain(value, kind))


def as_plain(value, kind):
    """A plain value that compares as `value` does, such as the `dict` of a `Counter`."""
    for plain in (*SCALARS, list, tuple, dict, set, frozenset, complex, bytes, bytearray):
        if isinstance(value, plain):
            return plain(value)
    if kind is type({}.keys()):
        return set(value)
    if kind.__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        item = value.item()
        if type(item) is not kind:
            return item
    raise TypeError(f"a {kind.__name__} is no plain value")


def decode(value):
    if not isinstance(value, list):
        return value
    tag, content = value
    if tag in CONTAINERS:
        return CONTAINERS[tag](decode(item) for item in content)
    if tag == "dict":
        return {decode(key): decode(item) for key, item in content}
    if tag == "complex":
        return complex(*content)
    if tag == "int":
        return int(content, 16)
    return {"bytes": bytes, "bytearray": bytearray}[tag].fromhex(content)


def failure(error):
    """The name of an exception's class, and its text."""
    try:
        text = str(error)[:200]
    except BaseException:
        text = ""
    return [type(error).__name__, text]


def as_exception(reported):
    """An exception that another process has reported; its class is kept if it is built in."""
    name, text = reported
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(text)
        except TypeError:
            pass
    return RuntimeError(f"{name}: {text}")
