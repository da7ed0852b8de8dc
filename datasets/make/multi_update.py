"""Writes `multi_update.jsonl`: tasks that need two or three updates at once, by hand.

The updates are fictitious changes of standard-library functions; each has a note, as a
documentation would, and an implementation over the old function. With `--check` nothing is written
and the exit code says whether the file would change.
"""

import ast
import json
import pathlib
import sys

FILE = pathlib.Path(__file__).parent.parent / "multi_update.jsonl"


def update(path, kind, description, signature, docstring, implementation):
    parent, _, name = path.rpartition(".")
    imports = f"import {parent}"
    if kind != "add-function":
        imports += f"\nold_{name} = {path}\nsetattr({parent}, 'old_{name}', old_{name})"
    return {
        "description": description,
        "rationale": "Fictitious: made to see whether a model follows several notes at once.",
        "docstring": docstring,
        "signature": signature,
        "imports": imports,
        "implementation": implementation.strip() + "\n",
        "update_type": kind,
        "function_path": path,
        "package": path.partition(".")[0],
        "update_id": f"[{path}]:[{kind}]:[update-0]",
    }


GCD = update(
    "math.gcd",
    "modify-output-data_structure",
    "`math.gcd` also returns what is left of each argument.",
    "math.gcd(*integers)",
    "Returns a pair: the greatest common divisor of the integers, and a list with each integer "
    "divided by it, in the order of the arguments. If all integers are zero, the list is the "
    "integers themselves.",
    """
def gcd(*integers):
    divisor = old_gcd(*integers)
    return divisor, [n // divisor if divisor else n for n in integers]
""",
)
PROD = update(
    "math.prod",
    "modify-argument-name",
    "The keyword `start` of `math.prod` is now called `factor` and must be given.",
    "math.prod(iterable, *, factor)",
    "Multiplies `factor` by every number of `iterable`. The old keyword `start` is gone, and "
    "`factor` has no default: write `factor=1` for the plain product.",
    """
def prod(iterable, *, factor):
    return old_prod(iterable, start=factor)
""",
)
WRAP = update(
    "textwrap.wrap",
    "modify-argument-name",
    "The width of `textwrap.wrap` is now the keyword `columns`.",
    "textwrap.wrap(text, *, columns)",
    "Breaks `text` into lines of at most `columns` characters and returns the lines. `columns` is "
    "a keyword without a default; `width` is not accepted any more.",
    """
def wrap(text, *, columns):
    return old_wrap(text, width=columns)
""",
)
INDENT = update(
    "textwrap.indent",
    "modify-argument-order",
    "`textwrap.indent` takes the prefix first.",
    "textwrap.indent(prefix, text)",
    "Puts `prefix` before each line of `text` that is not blank. The prefix is the first argument "
    "and the text the second; both are positional.",
    """
def indent(prefix, text, /):
    return old_indent(text, prefix)
""",
)
SHORTEN = update(
    "textwrap.shorten",
    "modify-argument-name",
    "The keyword `placeholder` of `textwrap.shorten` is now called `ending`.",
    "textwrap.shorten(text, width, *, ending=' [...]')",
    "Cuts `text` after a whole word so that it has at most `width` characters with `ending` "
    "behind it. `ending` replaces `placeholder`, which is an error now.",
    """
def shorten(text, width, *, ending=' [...]'):
    return old_shorten(text, width, placeholder=ending)
""",
)
CAPWORDS = update(
    "string.capwords",
    "add-argument",
    "`string.capwords` can leave words as they are.",
    "string.capwords(s, sep=None, *, keep=())",
    "Capitalises each word of `s`. Words that occur in the collection `keep` stay as they are, "
    "except at the very beginning of the text.",
    """
def capwords(s, sep=None, *, keep=()):
    words = s.split(sep)
    done = [w if i and w in keep else w.capitalize() for i, w in enumerate(words)]
    return (sep or ' ').join(done)
""",
)
FINDALL = update(
    "re.findall",
    "modify-output-data_structure",
    "`re.findall` says where each match begins.",
    "re.findall(pattern, string, flags=0)",
    "Returns a list of pairs, one for each match from left to right: the position at which the "
    "match begins, and the whole matched text. Groups make no difference.",
    """
def findall(pattern, string, flags=0):
    return [(m.start(), m.group()) for m in re.finditer(pattern, string, flags)]
""",
)
SPLIT = update(
    "re.split",
    "modify-function-name",
    "`re.split` was renamed to `re.pieces`.",
    "re.pieces(pattern, string)",
    "Cuts `string` at every match of `pattern` and returns the list of pieces. Pieces that are "
    "empty are left out. The name `re.split` does not exist any more.",
    """
def pieces(pattern, string):
    return [piece for piece in old_split(pattern, string) if piece]
""",
)
MEAN = update(
    "statistics.mean",
    "modify-function-name",
    "`statistics.mean` was renamed to `statistics.centre`.",
    "statistics.centre(data)",
    "The arithmetic mean of `data`. The old name `statistics.mean` has been removed.",
    """
def centre(data):
    return old_mean(data)
""",
)
MEDIAN = update(
    "statistics.median",
    "add-argument",
    "`statistics.median` lets the caller choose between two middle values.",
    "statistics.median(data, *, side='middle')",
    "The median of `data`. With an even number of values, `side` chooses: 'lower' gives the "
    "smaller of the two middle values, 'upper' the larger, 'middle' their mean.",
    """
def median(data, *, side='middle'):
    values = sorted(data)
    if side == 'lower':
        return values[(len(values) - 1) // 2]
    if side == 'upper':
        return values[len(values) // 2]
    return old_median(values)
""",
)
QUANTILES = update(
    "statistics.quantiles",
    "modify-argument-name",
    "The keyword `n` of `statistics.quantiles` is now called `parts`.",
    "statistics.quantiles(data, *, parts=4, method='exclusive')",
    "Cuts `data` into `parts` intervals of equal probability and returns the cut points between "
    "them, one fewer than `parts`. The old keyword `n` is gone.",
    """
def quantiles(data, *, parts=4, method='exclusive'):
    return old_quantiles(data, n=parts, method=method)
""",
)
MODE = update(
    "statistics.mode",
    "modify-output-data_structure",
    "`statistics.mode` also says how often the value occurs.",
    "statistics.mode(data)",
    "Returns a pair: the most frequent value of `data`, and how often it occurs. Of several such "
    "values it takes the one that comes first.",
    """
def mode(data):
    values = list(data)
    value = old_mode(values)
    return value, values.count(value)
""",
)
NLARGEST = update(
    "heapq.nlargest",
    "modify-output-data_structure",
    "`heapq.nlargest` numbers its results.",
    "heapq.nlargest(n, iterable, key=None)",
    "Returns a list of pairs `(rank, item)` for the n largest items, largest first; ranks count "
    "from 1. Items that are equal under `key` keep their order.",
    """
def nlargest(n, iterable, key=None):
    return list(enumerate(old_nlargest(n, iterable, key=key), 1))
""",
)
NSMALLEST = update(
    "heapq.nsmallest",
    "add-argument",
    "`heapq.nsmallest` can skip repeated items.",
    "heapq.nsmallest(n, iterable, key=None, *, unique=False)",
    "Returns the n smallest items in ascending order. With `unique=True` an item that occurs "
    "several times counts once.",
    """
def nsmallest(n, iterable, key=None, *, unique=False):
    items = dict.fromkeys(iterable) if unique else iterable
    return old_nsmallest(n, items, key=key)
""",
)
MERGE = update(
    "heapq.merge",
    "modify-argument-default_value",
    "`heapq.merge` goes from large to small unless told otherwise.",
    "heapq.merge(*iterables, key=None, reverse=True)",
    "Merges iterables that are sorted in descending order into one descending stream. `reverse` "
    "is now True by default; pass `reverse=False` for inputs in ascending order.",
    """
def merge(*iterables, key=None, reverse=True):
    return old_merge(*iterables, key=key, reverse=reverse)
""",
)
BISECT_LEFT = update(
    "bisect.bisect_left",
    "modify-argument-order",
    "`bisect.bisect_left` takes the value before the list.",
    "bisect.bisect_left(x, a)",
    "Returns the position in the sorted list `a` before every value that is not less than `x`. "
    "The value is the first argument, the list the second.",
    """
def bisect_left(x, a, /):
    return old_bisect_left(a, x)
""",
)
INSORT = update(
    "bisect.insort",
    "modify-output-data_structure",
    "`bisect.insort` returns where it put the value.",
    "bisect.insort(a, x)",
    "Inserts `x` into the sorted list `a`, behind equal values, and returns the position of the "
    "new item (it used to return None).",
    """
def insort(a, x):
    position = bisect.bisect_right(a, x)
    a.insert(position, x)
    return position
""",
)
ACCUMULATE = update(
    "itertools.accumulate",
    "modify-function-name",
    "`itertools.accumulate` was renamed to `itertools.running`.",
    "itertools.running(iterable, function=operator.add)",
    "Yields running totals of `iterable`, or running results of `function` of two arguments. The "
    "old name `itertools.accumulate` is gone, and so is its keyword `initial`.",
    """
def running(iterable, function=None):
    return old_accumulate(iterable) if function is None else old_accumulate(iterable, function)
""",
)
GROUPBY = update(
    "itertools.groupby",
    "modify-output-data_structure",
    "`itertools.groupby` yields lists and their lengths.",
    "itertools.groupby(iterable, key=None)",
    "Yields a triple for each run of items with the same key: the key, the number of items, and "
    "the list of the items.",
    """
def groupby(iterable, key=None):
    for value, items in old_groupby(iterable, key):
        items = list(items)
        yield value, len(items), items
""",
)
COMBINATIONS = update(
    "itertools.combinations",
    "add-argument",
    "`itertools.combinations` can skip repeated items.",
    "itertools.combinations(iterable, r, *, distinct=False)",
    "Yields the tuples of r items of `iterable`, in its order. With `distinct=True` an item that "
    "occurs several times is taken once, where it occurs first.",
    """
def combinations(iterable, r, *, distinct=False):
    return old_combinations(dict.fromkeys(iterable) if distinct else iterable, r)
""",
)
ZIP_LONGEST = update(
    "itertools.zip_longest",
    "modify-argument-name",
    "The keyword `fillvalue` of `itertools.zip_longest` is now called `filler`.",
    "itertools.zip_longest(*iterables, filler=None)",
    "Yields tuples with an item of each iterable until the longest one ends; shorter ones are "
    "filled up with `filler`. `fillvalue` is not accepted any more.",
    """
def zip_longest(*iterables, filler=None):
    return old_zip_longest(*iterables, fillvalue=filler)
""",
)
REDUCE = update(
    "functools.reduce",
    "modify-argument-order",
    "`functools.reduce` takes the data before the function, and a start value by keyword.",
    "functools.reduce(iterable, function, *, start)",
    "Folds `iterable` from the left with `function(so_far, item)`, beginning with the required "
    "keyword `start`. The iterable is the first argument now.",
    """
def reduce(iterable, function, *, start):
    return old_reduce(function, iterable, start)
""",
)
ITEMGETTER = update(
    "operator.itemgetter",
    "add-argument",
    "`operator.itemgetter` can stand in for a missing item.",
    "operator.itemgetter(item, *, default)",
    "Returns a function that gives `obj[item]`, or `default` where `obj` has no such item.",
    """
def itemgetter(item, *rest, **options):
    if 'default' not in options:
        return old_itemgetter(item, *rest)

    def get(obj):
        try:
            return obj[item]
        except LookupError:
            return options['default']

    return get
""",
)
DIST = update(
    "math.dist",
    "add-argument",
    "`math.dist` knows other ways to measure.",
    "math.dist(p, q, *, metric='straight')",
    "The distance of two points of equal dimension. `metric` is 'straight' (the default), "
    "'blocks' for the sum of the differences along each axis, or 'widest' for the largest of "
    "them.",
    """
def dist(p, q, *, metric='straight'):
    if metric == 'straight':
        return old_dist(p, q)
    steps = [abs(a - b) for a, b in zip(p, q)]
    return {'blocks': sum, 'widest': max}[metric](steps)
""",
)
COMB = update(
    "math.comb",
    "add-argument",
    "`math.comb` can count choices with repetition.",
    "math.comb(n, k, *, repeat=False)",
    "The number of ways to choose k of n items without order. With `repeat=True` an item may be "
    "chosen more than once.",
    """
def comb(n, k, *, repeat=False):
    return old_comb(n + k - 1, k) if repeat and k else old_comb(n, k)
""",
)
CLAMP = update(
    "math.clamp",
    "add-function",
    "There is a new function `math.clamp`.",
    "math.clamp(bounds, x)",
    "Returns the number nearest to `x` that lies within `bounds`, a pair of the smallest and the "
    "largest allowed value. The bounds come first.",
    """
def clamp(bounds, x, /):
    low, high = bounds
    return max(low, min(high, x))
""",
)
MONTHRANGE = update(
    "calendar.monthrange",
    "modify-output-data_structure",
    "`calendar.monthrange` returns a dictionary.",
    "calendar.monthrange(year, month)",
    "Returns a dictionary with two keys: 'starts_on', the weekday of the first day (0 is Monday), "
    "and 'length', the number of days of the month.",
    """
def monthrange(year, month):
    starts_on, length = old_monthrange(year, month)
    return {'starts_on': starts_on, 'length': length}
""",
)
LEAPDAYS = update(
    "calendar.leapdays",
    "add-argument",
    "`calendar.leapdays` can count the last year too.",
    "calendar.leapdays(y1, y2, *, inclusive=False)",
    "The number of leap years from `y1` up to `y2`. With `inclusive=True` the year `y2` counts as "
    "well; without, it does not.",
    """
def leapdays(y1, y2, *, inclusive=False):
    return old_leapdays(y1, y2 + 1 if inclusive else y2)
""",
)
CLOSE_MATCHES = update(
    "difflib.get_close_matches",
    "modify-output-data_structure",
    "`difflib.get_close_matches` returns scores with the words.",
    "difflib.get_close_matches(word, possibilities, n=3, cutoff=0.6)",
    "Returns a dictionary from each of the best matches, best first, to its similarity rounded to "
    "two digits. It is empty if nothing is similar enough.",
    """
def get_close_matches(word, possibilities, n=3, cutoff=0.6):
    found = old_get_close_matches(word, possibilities, n, cutoff)
    return {w: round(difflib.SequenceMatcher(None, w, word).ratio(), 2) for w in found}
""",
)
SHLEX_JOIN = update(
    "shlex.join",
    "add-argument",
    "`shlex.join` can put something else than a space between the words.",
    "shlex.join(split_command, *, between=' ')",
    "Quotes each word for a shell where needed and joins the words with `between`.",
    """
def join(split_command, *, between=' '):
    return between.join(shlex.quote(word) for word in split_command)
""",
)
FNMATCH_FILTER = update(
    "fnmatch.filter",
    "modify-argument-order",
    "`fnmatch.filter` takes the pattern first.",
    "fnmatch.filter(pattern, names)",
    "Returns the names that match the shell pattern. The pattern is the first argument now, the "
    "list of names the second.",
    """
def filter(pattern, names, /):
    return old_filter(names, pattern)
""",
)
ESCAPE = update(
    "html.escape",
    "modify-argument-default_value",
    "`html.escape` leaves quotation marks alone unless told otherwise.",
    "html.escape(s, quote=False)",
    "Replaces &, < and > by their entities. Quotation marks are replaced only with `quote=True`, "
    "which is no longer the default.",
    """
def escape(s, quote=False):
    return old_escape(s, quote)
""",
)
PARSE_QS = update(
    "urllib.parse.parse_qs",
    "modify-output-data_structure",
    "`urllib.parse.parse_qs` gives plain values where a name occurs once.",
    "urllib.parse.parse_qs(qs)",
    "Returns a dictionary from names to values. A name that occurs once has its value as a text; "
    "a name that occurs more often has a tuple of its values.",
    """
def parse_qs(qs):
    found = old_parse_qs(qs)
    return {k: v[0] if len(v) == 1 else tuple(v) for k, v in found.items()}
""",
)
B64ENCODE = update(
    "base64.b64encode",
    "modify-output-data_type",
    "`base64.b64encode` returns a text.",
    "base64.b64encode(s)",
    "Encodes the bytes `s` and returns a `str` without the `=` signs that used to fill it up.",
    """
def b64encode(s):
    return old_b64encode(s).decode().rstrip('=')
""",
)
CRC32 = update(
    "zlib.crc32",
    "modify-output-data_type",
    "`zlib.crc32` returns hexadecimal digits.",
    "zlib.crc32(data)",
    "Returns the checksum of the bytes `data` as a text of eight lower-case hexadecimal digits "
    "instead of an integer.",
    """
def crc32(data):
    return f'{old_crc32(data):08x}'
""",
)
RGB_TO_HSV = update(
    "colorsys.rgb_to_hsv",
    "modify-argument-semantics",
    "`colorsys.rgb_to_hsv` takes one colour with parts from 0 to 255.",
    "colorsys.rgb_to_hsv(colour)",
    "Takes a triple of integers from 0 to 255 (red, green, blue) and returns a triple: the hue in "
    "whole degrees from 0 to 359, and saturation and value in whole percent.",
    """
def rgb_to_hsv(colour):
    h, s, v = old_rgb_to_hsv(*(part / 255 for part in colour))
    return round(h * 360) % 360, round(s * 100), round(v * 100)
""",
)
NORMALIZE = update(
    "unicodedata.normalize",
    "modify-argument-order",
    "`unicodedata.normalize` takes the text first.",
    "unicodedata.normalize(text, form='NFC')",
    "Returns the normal form of `text`. The text is the first argument, and the form is optional: "
    "'NFC' by default.",
    """
def normalize(text, form='NFC'):
    return old_normalize(form, text)
""",
)
DEDENT = update(
    "textwrap.dedent",
    "modify-output-data_structure",
    "`textwrap.dedent` also says how much it removed.",
    "textwrap.dedent(text)",
    "Removes the white space that all lines begin with. Returns a pair: the text without it, and "
    "the number of characters that were removed from each line.",
    """
def dedent(text):
    done = old_dedent(text)
    line = next((n for n, line in enumerate(done.split('\\n')) if line.strip()), None)
    return done, 0 if line is None else len(text.split('\\n')[line]) - len(done.split('\\n')[line])
""",
)
CSV_READER = update(
    "csv.reader",
    "add-argument",
    "`csv.reader` can take names from the first line.",
    "csv.reader(lines, *, named=False)",
    "Yields the rows of `lines`. With `named=True` the first line gives the names of the columns, "
    "and each further row comes as a dictionary from name to text.",
    """
def reader(lines, *, named=False):
    rows = old_reader(lines)
    if not named:
        return rows
    names = next(rows)
    return (dict(zip(names, row)) for row in rows)
""",
)

# (updates, scenario, problem, signature, body of the solution's module, expressions that hold)
TASKS = [
    (
        [GCD, PROD],
        "A calculator for recipes keeps fractions as pairs of whole numbers.",
        "Multiply all fractions, given as pairs (numerator, denominator), and the whole number "
        "`scale`. Return the result as a pair in lowest terms.",
        "def scaled_product(fractions, scale):",
        """
import math


def scaled_product(fractions, scale):
    top = math.prod((n for n, _ in fractions), factor=scale)
    bottom = math.prod((d for _, d in fractions), factor=1)
    _, (top, bottom) = math.gcd(top, bottom)
    return top, bottom
""",
        [
            "scaled_product([(2, 3), (3, 4)], 1) == (1, 2)",
            "scaled_product([(2, 3)], 6) == (4, 1)",
            "scaled_product([], 5) == (5, 1)",
            "scaled_product([(5, 7), (14, 15)], 3) == (2, 1)",
        ],
    ),
    (
        [WRAP, INDENT],
        "A mail program quotes the message that one answers to.",
        "Break the message into lines of at most `size` characters and put `> ` before each. "
        "Return one text, its lines separated by line breaks.",
        "def quote_message(message, size):",
        """
import textwrap


def quote_message(message, size):
    lines = textwrap.wrap(message, columns=size)
    return textwrap.indent("> ", "\\n".join(lines))
""",
        [
            "quote_message('one two three', 7) == '> one two\\n> three'",
            "quote_message('short', 20) == '> short'",
            "quote_message('a b c d', 1) == '> a\\n> b\\n> c\\n> d'",
        ],
    ),
    (
        [CAPWORDS, SHORTEN],
        "A news site prints headlines in a narrow column.",
        "Capitalise the words of the headline except 'of', 'the' and 'and' inside it, and cut the "
        "result to at most `size` characters, with three dots behind the last whole word if "
        "something was cut.",
        "def headline(text, size):",
        """
import string
import textwrap


def headline(text, size):
    title = string.capwords(text, keep={"of", "the", "and"})
    return textwrap.shorten(title, size, ending="...")
""",
        [
            "headline('the end of the road', 40) == 'The End of the Road'",
            "headline('storm and flood in the north', 18) == 'Storm and Flood...'",
            "headline('rise of the sea', 11) == 'Rise of...'",
        ],
    ),
    (
        [FINDALL, BISECT_LEFT],
        "An editor shows on which lines a search has hits.",
        "Return the line number, counted from 0, of each match of the pattern in the text, from "
        "left to right. No match has a line break in it.",
        "def lines_of_matches(pattern, text):",
        """
import bisect
import re


def lines_of_matches(pattern, text):
    breaks = [position for position, c in enumerate(text) if c == "\\n"]
    return [bisect.bisect_left(start, breaks) for start, _ in re.findall(pattern, text)]
""",
        [
            "lines_of_matches('a', 'a b\\na a\\n\\nb a') == [0, 1, 1, 3]",
            "lines_of_matches('[0-9]+', 'x\\n12 y 3\\n4') == [1, 1, 2]",
            "lines_of_matches('(q)(u)', 'no\\nquit') == [1]",
            "lines_of_matches('z', 'abc') == []",
        ],
    ),
    (
        [SPLIT, MEAN],
        "People type measurements with whatever separators they like.",
        "Return the mean of the whole numbers in the text, which are separated by any number of "
        "commas, semicolons and spaces, also before the first and behind the last.",
        "def mean_of_typed(text):",
        """
import re
import statistics


def mean_of_typed(text):
    return statistics.centre([int(piece) for piece in re.pieces("[,; ]+", text)])
""",
        [
            "mean_of_typed('1, 2;3') == 2",
            "mean_of_typed(' 10;; 20 ,') == 15",
            "mean_of_typed('7') == 7",
        ],
    ),
    (
        [MEDIAN, QUANTILES],
        "A report on waiting times shows only times that were really measured as the middle.",
        "Return a dictionary with `middle`, the lower median of the times, and `cuts`, the cut "
        "points of the times into `groups` groups of equal probability by the inclusive method.",
        "def waiting_times(times, groups):",
        """
import statistics


def waiting_times(times, groups):
    return {
        "middle": statistics.median(times, side="lower"),
        "cuts": statistics.quantiles(times, parts=groups, method="inclusive"),
    }
""",
        [
            "waiting_times([4, 1, 3, 2], 2) == {'middle': 2, 'cuts': [2.5]}",
            "waiting_times([1, 2, 3, 4, 5], 4) == {'middle': 3, 'cuts': [2.0, 3.0, 4.0]}",
            "waiting_times([10, 20], 2) == {'middle': 10, 'cuts': [15.0]}",
        ],
    ),
    (
        [GROUPBY, NLARGEST],
        "A game keeps the winners of its rounds in a list.",
        "Find the `n` longest runs of equal neighbours in the list. Return for each, longest "
        "first, the triple of its rank from 1, the value and the length of the run.",
        "def longest_runs(winners, n):",
        """
import heapq
import itertools


def longest_runs(winners, n):
    runs = [(value, length) for value, length, _ in itertools.groupby(winners)]
    best = heapq.nlargest(n, runs, key=lambda run: run[1])
    return [(rank, value, length) for rank, (value, length) in best]
""",
        [
            "longest_runs('aabbbc', 2) == [(1, 'b', 3), (2, 'a', 2)]",
            "longest_runs([5, 5, 1, 5], 1) == [(1, 5, 2)]",
            "longest_runs([], 3) == []",
            "longest_runs('xy', 5) == [(1, 'x', 1), (2, 'y', 1)]",
        ],
    ),
    (
        [MERGE, ACCUMULATE],
        "Two tills record the payments of a day, each sorted from the largest to the smallest.",
        "Merge the two descending lists into one and return the list of its running totals.",
        "def running_totals(first, second):",
        """
import heapq
import itertools


def running_totals(first, second):
    return list(itertools.running(heapq.merge(first, second)))
""",
        [
            "running_totals([9, 4, 1], [5, 3]) == [9, 14, 18, 21, 22]",
            "running_totals([3], [8, 7]) == [8, 15, 18]",
            "running_totals([2, 1], [4]) == [4, 6, 7]",
        ],
    ),
    (
        [COMBINATIONS, DIST],
        "A courier notes every stop, some of them twice.",
        "Return the pairs of different stops, in the order of the list, whose distance along the "
        "streets (the sum of the differences of both coordinates) is at most `reach`. A pair is "
        "listed once even if a stop was noted several times.",
        "def near_pairs(stops, reach):",
        """
import itertools
import math


def near_pairs(stops, reach):
    pairs = itertools.combinations(stops, 2, distinct=True)
    return [(a, b) for a, b in pairs if math.dist(a, b, metric="blocks") <= reach]
""",
        [
            "near_pairs([(0, 0), (1, 1), (0, 0)], 2) == [((0, 0), (1, 1))]",
            "near_pairs([(0, 0), (3, 4)], 6) == []",
            "near_pairs([(2, 0), (0, 2), (2, 3)], 4) == [((2, 0), (0, 2)), ((2, 0), (2, 3)), "
            "((0, 2), (2, 3))]",
        ],
    ),
    (
        [REDUCE, COMB],
        "An ice-cream shop counts how many different orders are possible.",
        "`orders` is a list of pairs: kinds to choose from, and scoops to take, where a kind may "
        "be taken several times and the order of the scoops does not matter. Return in how many "
        "ways all the choices can be made together.",
        "def possible_orders(orders):",
        """
import functools
import math


def possible_orders(orders):
    def times(so_far, order):
        kinds, scoops = order
        return so_far * math.comb(kinds, scoops, repeat=True)

    return functools.reduce(orders, times, start=1)
""",
        [
            "possible_orders([(3, 2)]) == 6",
            "possible_orders([(3, 2), (2, 3)]) == 24",
            "possible_orders([(4, 0)]) == 1",
            "possible_orders([]) == 1",
        ],
    ),
    (
        [MONTHRANGE, LEAPDAYS],
        "An archive plans its shelves by months.",
        "Return a pair: the number of days of each month of `year` that begins on a Monday, in a "
        "list in the order of the months, and the number of leap years from 2000 to `year`, the "
        "year itself included.",
        "def shelf_plan(year):",
        """
import calendar


def shelf_plan(year):
    months = [calendar.monthrange(year, month) for month in range(1, 13)]
    days = [month["length"] for month in months if month["starts_on"] == 0]
    return days, calendar.leapdays(2000, year, inclusive=True)
""",
        [
            "shelf_plan(2024) == ([31, 30, 31], 7)",
            "shelf_plan(2023) == ([31], 6)",
            "shelf_plan(2000) == ([31], 1)",
        ],
    ),
    (
        [CLOSE_MATCHES, ITEMGETTER],
        "A search over records forgives slips in the name of a field.",
        "Find the field of `fields` that is most similar to `typed`. Return a pair: the value of "
        "that field in each record, None where a record lacks it, and the similarity rounded to "
        "two digits. Some field is always similar enough.",
        "def column(records, fields, typed):",
        """
import difflib
import operator


def column(records, fields, typed):
    found = difflib.get_close_matches(typed, fields, n=1)
    field, score = next(iter(found.items()))
    value = operator.itemgetter(field, default=None)
    return [value(record) for record in records], score
""",
        [
            "column([{'name': 'a'}, {}], ['name', 'size'], 'nmae') == (['a', None], 0.75)",
            "column([{'size': 2}], ['name', 'size'], 'size') == ([2], 1.0)",
            "column([], ['colour'], 'color') == ([], 0.91)",
        ],
    ),
    (
        [FNMATCH_FILTER, SHLEX_JOIN],
        "A tool prints a script that removes old files.",
        "Return the words of the command `rm` with all names that match the pattern, quoted for a "
        "shell where needed, and each word on a line of its own: separated by a space, a backslash "
        "and a line break.",
        "def removal(names, pattern):",
        """
import fnmatch
import shlex


def removal(names, pattern):
    words = ["rm", *fnmatch.filter(pattern, names)]
    return shlex.join(words, between=" \\\\\\n")
""",
        [
            "removal(['a.log', 'b.txt', 'c.log'], '*.log') == 'rm \\\\\\na.log \\\\\\nc.log'",
            "removal(['my file.log'], '*.log') == \"rm \\\\\\n'my file.log'\"",
            "removal(['x1', 'y1'], 'x?') == 'rm \\\\\\nx1'",
        ],
    ),
    (
        [PARSE_QS, ESCAPE],
        "A debugging page shows the parameters of a request.",
        "For each name of the query, in its order, give the line `name: value`, with &, < and > of "
        "the value escaped for HTML and quotation marks as they are. Of a name that occurs several "
        "times give the first value, and the number of values: `name (2): value`. Return the list "
        "of lines.",
        "def parameter_lines(query):",
        """
import html
import urllib.parse


def parameter_lines(query):
    lines = []
    for name, value in urllib.parse.parse_qs(query).items():
        if isinstance(value, tuple):
            name, value = f"{name} ({len(value)})", value[0]
        lines.append(f"{name}: {html.escape(value)}")
    return lines
""",
        [
            "parameter_lines('a=1&b=%22x%22') == ['a: 1', 'b: \"x\"']",
            "parameter_lines(\"t=it's%3Cb%3E&t=2&u=3\") == [\"t (2): it's&lt;b&gt;\", 'u: 3']",
            "parameter_lines('q=%27a%26b%27') == [\"q: 'a&amp;b'\"]",
        ],
    ),
    (
        [B64ENCODE, CRC32],
        "A game hands out codes that can be checked by anybody.",
        "Return the code of a text: its UTF-8 bytes in Base64, without `=` signs, then a dot, then "
        "the CRC-32 of the bytes in eight hexadecimal digits.",
        "def code(text):",
        """
import base64
import zlib


def code(text):
    data = text.encode()
    return base64.b64encode(data) + "." + zlib.crc32(data)
""",
        [
            "code('a') == 'YQ.e8b7be43'",
            "code('') == '.00000000'",
            "code('hello') == 'aGVsbG8.3610a686'",
        ],
    ),
    (
        [RGB_TO_HSV, CLAMP],
        "A drawing program makes colours brighter and sorts them by hue.",
        "Add `more` to the red, green and blue of each colour, keep each between 0 and 255, and "
        "return the hues of the results in degrees.",
        "def brighter_hues(colours, more):",
        """
import colorsys
import math


def brighter_hues(colours, more):
    hues = []
    for colour in colours:
        brighter = tuple(math.clamp((0, 255), part + more) for part in colour)
        hues.append(colorsys.rgb_to_hsv(brighter)[0])
    return hues
""",
        [
            "brighter_hues([(250, 0, 0), (0, 200, 0)], 0) == [0, 120]",
            "brighter_hues([(0, 0, 200)], 100) == [240]",
            "brighter_hues([(255, 155, 0)], 100) == [60]",
        ],
    ),
    (
        [DEDENT, NORMALIZE, INDENT],
        "A formatter of documentation changes the margin of a block of text.",
        "Replace the common margin of the text by as many dots as it had spaces, and bring the "
        "text into the Unicode normal form NFC.",
        "def dotted(text):",
        """
import textwrap
import unicodedata


def dotted(text):
    body, margin = textwrap.dedent(unicodedata.normalize(text))
    return textwrap.indent("." * margin, body)
""",
        [
            "dotted('  a\\n    b') == '..a\\n..  b'",
            "dotted(' e\\u0301') == '.\\u00e9'",
            "dotted('   x\\n   y') == '...x\\n...y'",
        ],
    ),
    (
        [CSV_READER, MODE, CAPWORDS],
        "A survey comes as lines of comma-separated text with a header.",
        "Return the most frequent text of the column `name` and how often it occurs, as a text "
        "such as `Bread and Butter: 3`: each word capitalised but 'and'.",
        "def favourite(lines, name):",
        """
import csv
import statistics
import string


def favourite(lines, name):
    texts = [row[name] for row in csv.reader(lines, named=True)]
    text, times = statistics.mode(texts)
    return f"{string.capwords(text, keep=['and'])}: {times}"
""",
        [
            "favourite(['id,meal', '1,salt and fish', '2,rice', '3,salt and fish'], 'meal') "
            "== 'Salt and Fish: 2'",
            "favourite(['a', 'and so'], 'a') == 'And So: 1'",
            "favourite(['x,y', '1,up', '2,down', '1,up'], 'y') == 'Up: 2'",
        ],
    ),
    (
        [NSMALLEST, BISECT_LEFT, INSORT],
        "A race shows the ranking while runners arrive; times are whole seconds.",
        "Put each new time into the sorted list `times`, which changes. Return a triple: the list "
        "of positions at which they were inserted, the three smallest different times afterwards, "
        "and how many times are smaller than `limit`.",
        "def arrivals(times, new, limit):",
        """
import bisect
import heapq


def arrivals(times, new, limit):
    positions = [bisect.insort(times, time) for time in new]
    return positions, heapq.nsmallest(3, times, unique=True), bisect.bisect_left(limit, times)
""",
        [
            "arrivals([10, 20, 20, 30], [20, 5], 20) == ([3, 0], [5, 10, 20], 2)",
            "arrivals([], [7], 7) == ([0], [7], 0)",
            "arrivals([1, 1, 2, 4], [1], 3) == ([2], [1, 2, 4], 4)",
        ],
    ),
    (
        [FINDALL, MEDIAN, ZIP_LONGEST],
        "A diary has numbers in its texts.",
        "For the whole numbers of the two texts, side by side from left to right, with 0 where the "
        "other text has more numbers, add both, and return the pair of the list of sums and its "
        "upper median.",
        "def sums(first, second):",
        """
import itertools
import re
import statistics


def sums(first, second):
    numbers = [[int(digits) for _, digits in re.findall("[0-9]+", text)] for text in (first, second)]
    both = [a + b for a, b in itertools.zip_longest(*numbers, filler=0)]
    return both, statistics.median(both, side="upper")
""",
        [
            "sums('ran 5 km, 2 hills', 'ran 3 km') == ([8, 2], 8)",
            "sums('1', '2 3 4 5') == ([3, 3, 4, 5], 4)",
            "sums('10 20', '30 40') == ([40, 60], 60)",
        ],
    ),
]


def rows():
    for number, (updates, scenario, problem, signature, solution, facts) in enumerate(TASKS):
        name = ast.parse(signature + " ...").body[0].name
        tests = [f"def test_{name}_{n}():\n    assert {fact}" for n, fact in enumerate(facts)]
        imports = dict.fromkeys(line for u in updates for line in u["imports"].split("\n"))
        yield {
            "updates": updates,
            "prog_syn_id": f"[multi_update-{number:02}]:[{name}]",
            "scenario": scenario,
            "problem": problem,
            "solution_signature": signature,
            "prog_syn_imports": "\n".join(imports),
            "ref_solution": solution.strip() + "\n",
            "unit_tests": "\n\n".join(tests),
        }


def main():
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
    if "--check" in sys.argv[1:]:
        same = FILE.exists() and FILE.read_text(encoding="utf-8") == text
        print("the same" if same else f"{FILE.name} would change")
        return 0 if same else 1
    FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
