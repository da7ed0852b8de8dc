"""Writes the training data and the arena of `experiments/from_scratch.toml`: always the same bytes.

    python3 datasets/make/from_scratch/sets.py            writes `from_scratch/{arena,migrations}.jsonl`
    python3 datasets/make/from_scratch/sets.py --check    only reports whether they would change
"""

import json
import pathlib
import sys

from world import (
    APIS, BY_PATH, FUNCTION_NAMES, KINDS_WITH_NAME, NOTES, VALUES, Draw, Update, fits, names,
    programs,
)

DATASETS = pathlib.Path(__file__).resolve().parents[2]
MIGRATIONS = 600
WRITE_SHARE = 0.5

ARENA_KINDS = {
    "rename": "modify-function-name",
    "argument": "add-argument",
    "keyword": "modify-argument-name",
    "swap": "modify-argument-semantics",
    "list": "modify-output-data_type",
    "key": "modify-output-data_type",
    "negative": "modify-output-semantics",
}

# The updates of the arena. Those without a new name are kept out of the training data by their
# function, the others by their name.
ARENA = [
    ("rename", "math.sqrt"), ("rename", "math.gcd"),
    ("rename", "html.escape"), ("rename", "statistics.median"),
    ("argument", "math.floor"), ("argument", "math.comb"), ("argument", "posixpath.basename"),
    ("keyword", "math.isqrt"), ("keyword", "statistics.mean"), ("keyword", "shlex.quote"),
    ("swap", "operator.sub"), ("swap", "heapq.nlargest"),
    ("list", "math.ceil"), ("key", "string.capwords"),
    ("negative", "math.pow"), ("negative", "math.factorial"),
]


def arena_updates():
    draw, (_, held_out) = Draw("arena"), names()
    for kind, path in ARENA:
        name = held_out.pop() if kind in KINDS_WITH_NAME else ""
        value = draw.one_of(VALUES) if kind == "argument" else ""
        yield Update(BY_PATH[path], kind, name, value)


def arena():
    """Each task of the arena as its row and a solution that ignores the update."""
    draw = Draw("arena tasks")
    for update in arena_updates():
        api = update.api
        update_id = f"[{api.path}]:[{ARENA_KINDS[update.kind]}]:[update-0]"
        imports = (
            f"import {api.module}\nold_{api.name} = {api.path}\n"
            f"setattr({api.module}, 'old_{api.name}', old_{api.name})"
        )
        about = {
            "description": update.note(0).replace("`", ""),
            "rationale": "Fictitious: made to see whether a model follows a note.",
            "docstring": update.note(draw.below(4)),
            "signature": update.signature(),
            "imports": imports,
            "implementation": update.implementation(),
            "update_type": ARENA_KINDS[update.kind],
            "function_path": api.path,
            "package": api.module,
            "update_id": update_id,
        }
        chosen = programs(api, 2 + draw.below(8))
        for number, program in enumerate(draw.shuffled(chosen)[:3]):
            name = draw.one_of(FUNCTION_NAMES)
            row = {
                "update": about,
                "prog_syn_id": f"{update_id}:[prog_syn-{number}]",
                "scenario": f"A small program of yours uses the module {api.module}.",
                "problem": program.problem,
                "solution_signature": "def " + program.signature(name),
                "prog_syn_imports": imports,
                "ref_solution": program.code(api, name, update.call(program.arguments)) + "\n",
                "unit_tests": "\n\n".join(unit_tests(api, name, program)),
            }
            yield row, program.code(api, name, f"{api.path}({', '.join(program.arguments)})")


def unit_tests(api, name, program):
    function = program.expected(api.function())
    calls = api.calls
    if program.parameters == ("items",):
        values = [call[0] for call in calls]
        calls = [(values[:1],), (values[1:3],), (values,), (values[::-1],)]
    for number, call in enumerate(calls):
        arguments = ", ".join(repr(argument) for argument in call)
        yield (
            f"def test_{name}_{number}():\n"
            f"    assert {name}({arguments}) == {function(*call)!r}"
        )


def migrations():
    draw, (training, _) = Draw("migrations"), names()
    held_out = {(kind, path) for kind, path in ARENA if kind not in KINDS_WITH_NAME}
    kinds = list(NOTES)
    for index in range(MIGRATIONS):
        kind = kinds[index % len(kinds)]
        fitting = [api for api in APIS if fits(kind, api) and (kind, api.path) not in held_out]
        api = draw.one_of(fitting)
        name = draw.one_of(training) if kind in KINDS_WITH_NAME else ""
        update = Update(api, kind, name, draw.one_of(VALUES) if kind == "argument" else "")
        program = draw.one_of(programs(api, 2 + draw.below(8)))
        function = draw.one_of(FUNCTION_NAMES)
        old_call = f"{api.path}({', '.join(program.arguments)})"
        old_code = program.code(api, function, old_call)
        # Some rows ask to write the function, as the arena does: only its frame is given.
        if draw.below(100) < 100 * WRITE_SHARE:
            old_code = program.skeleton(api, function)
        yield {
            "dependency": api.module,
            "new_version": f"=={4 + draw.below(3)}.{draw.below(10)}.{draw.below(5)}",
            "description": program.problem,
            "update_info": update.note(draw.below(4)),
            "old_code": old_code,
            "new_code": program.code(api, function, update.call(program.arguments)),
        }


def main():
    files = {
        "from_scratch/arena.jsonl": [row for row, _ in arena()],
        "from_scratch/migrations.jsonl": list(migrations()),
    }
    changed = []
    for name, rows in files.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path = DATASETS / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            changed.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    print("\n".join(f"changed: {name}" for name in changed) or "nothing changed")
    return 1 if changed and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
