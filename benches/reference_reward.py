"""The published ES* reward in plain Python, rewritten to compare speed.

Reads a JSON object with `pairs` of completion and target and `normalised` pairs of code; then, for
each line `reward` or `distance`, runs that once and prints the seconds and the result. `reward`
does what the paper's code does: regular expressions, `ast.parse`, and the full table of the edit
distance. `distance` is the one of the package rapidfuzz, if it is installed.
"""

import ast
import json
import re
import sys
import time

FORMAT = re.compile(r"^<think>([^<]*(?:<(?!/?think>)[^<]*)*)</think>\s*<answer>([\s\S]*?)</answer>\s*$")
FENCE = re.compile(r"```python\n(.*?)\n```", re.DOTALL)
STRING = re.compile(r"""'''.*?'''|\"\"\".*?\"\"\"|'.*?'|".*?\"""", re.DOTALL)
COMMENT = re.compile(r"#.*?$", re.MULTILINE | re.DOTALL)


def clean(code):
    literals = []

    def mask(match):
        literals.append(match.group(0))
        return f"STRING_PLACEHOLDER_{len(literals) - 1}"

    code = COMMENT.sub("", STRING.sub(mask, code))
    for number, literal in enumerate(literals):
        code = code.replace(f"STRING_PLACEHOLDER_{number}", literal)
    return re.sub(r"\n\s*\n", "\n", code).strip()


def distance(a, b):
    rows, columns = len(a), len(b)
    table = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows + 1):
        table[i][0] = i
    for j in range(columns + 1):
        table[0][j] = j
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            if a[i - 1] == b[j - 1]:
                table[i][j] = table[i - 1][j - 1]
            else:
                table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + 1)
    return table[rows][columns]


def total(completion, target):
    score = 1.0 if FORMAT.search("<think>" + completion) else -1.0
    fences = FENCE.findall(completion)
    if not fences:
        return score - 2.0
    code = clean(fences[0].strip())
    try:
        ast.parse(code)
    except SyntaxError:
        return score - 2.0
    target = clean(target)
    return score + ((1 - distance(code, target) / max(len(code), len(target))) * 3.5 - 1.5)


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main():
    batch = json.loads(sys.stdin.readline())
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError:
        Levenshtein = None
    for line in sys.stdin:
        answer = {"seconds": None}
        if line.strip() == "reward":
            seconds, scores = timed(lambda: [total(*pair) for pair in batch["pairs"]])
            answer = {"seconds": seconds, "scores": scores}
        elif Levenshtein is not None:
            seconds, edits = timed(lambda: sum(Levenshtein.distance(*pair) for pair in batch["normalised"]))
            answer = {"seconds": seconds, "distance": edits}
        print(json.dumps(answer), flush=True)


main()
