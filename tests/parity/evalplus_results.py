"""Compares with EvalPlus: it reads the result file of `recode judge`, and `recode judge` reads its file.

    evalplus_results.py PROGRAM

Needs HumanEvalPlus.jsonl.gz below RECODE_SHARED, or ../shared; without it nothing is compared, and the
exit code is 77. Both judge a few samples of a few tasks; nothing is downloaded.
The reference is evalplus 0.3.1, unchanged, in the environment of evalplus-requirements.txt.
"""

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# The kinds of samples of each task: ten each, so that pass@10 is printed too. A `base` sample is right on
# the inputs of HumanEval and wrong on one that EvalPlus has added.
TASKS = {
    "HumanEval/0": ["right"] * 10,
    "HumanEval/2": ["right"] * 3 + ["base"] * 2 + ["wrong"] * 4 + ["raises"],
    "HumanEval/4": ["wrong"] * 8 + ["right", "endless"],
    "HumanEval/12": ["wrong"] * 5 + ["syntax"] * 5,
}
BROKEN = {
    "wrong": "def {name}(*values):\n    return 'nothing of the kind'\n",
    "raises": "def {name}(*values):\n    raise ValueError(values)\n",
    "endless": "def {name}(*values):\n    while True:\n        pass\n",
    "syntax": "def {name}(*values:\n",
}
# EvalPlus imports `datasets` (300 MB) for a benchmark that it downloads, which is not needed here.
EVALPLUS = """
import sys, types
try:
    from datasets import load_dataset
except ImportError:
    sys.modules["datasets"] = types.SimpleNamespace(load_dataset=None)
from evalplus.evaluate import main
main()
"""

program = os.path.abspath(sys.argv[1])
shared = Path(os.environ.get("RECODE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
failures = []
count = 0


def report_equal(name, found, expected):
    global count
    count += 1
    print(f"{'ok  ' if found == expected else 'FAIL'}  {name}", flush=True)
    if found != expected:
        print(f"      found    {found!r}\n      expected {expected!r}")
        failures.append(name)


def read_tasks():
    with gzip.open(shared / "data/humaneval/HumanEvalPlus.jsonl.gz", "rt") as lines:
        tasks = {task["task_id"]: task for task in map(json.loads, lines)}
    return [tasks[name] for name in TASKS]


def solution(task, kind):
    name, right = task["entry_point"], task["prompt"] + task["canonical_solution"]
    if kind == "right":
        return right
    if kind == "base":
        known = [value for value in task["plus_input"] if value not in task["base_input"]][0]
        return (f"{right}\nright = {name}\n"
                f"def {name}(*values):\n    return None if list(values) == {known!r} else right(*values)\n")
    return BROKEN[kind].format(name=name)


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command[:4]))}\n{done.stdout}{done.stderr}")
    return done.stdout


def judge(data, *options):
    command = [program, "judge", "--benchmark", "humaneval_plus", "--data", data, "--evalplus", "0.3.1", "--json"]
    printed = json.loads(run([*command, *options]))
    return printed["summary"]


def evalplus(folder):
    """Whether EvalPlus judged the samples of a folder, and its rates as printed."""
    command = [sys.executable, "-c", EVALPLUS, "--dataset", "humaneval", "--samples", folder / "samples.jsonl"]
    text = run(command, HUMANEVAL_OVERRIDE_PATH=str(folder.parent / "tasks.jsonl"), XDG_CACHE_HOME=str(folder.parent))
    text = re.sub(r"\x1b\[\d+m", "", text)
    base, plus = text.split("humaneval (base tests)")[1].split("humaneval+ (base + extra tests)")
    rates = [dict(re.findall(r"(pass@\d+):\t(\S+)", part)) for part in (base, plus)]
    return "Load from previous results" not in text, rates


def as_printed(summary, names):
    """Our rates of base and plus, as EvalPlus prints its rates."""
    return [{name: f"{rates[name]:.3f}" for name in names} for rates in (summary["base"], summary["plus"])]


def of_judge(summary):
    return {"base": summary["measures"]["base"], "plus": summary["pass_at_k"]}


def statuses(results):
    keys = ["solution", "base_status", "plus_status", "base_fail_tests", "plus_fail_tests"]
    return {task: [[one[key] for key in keys] for one in samples] for task, samples in results["eval"].items()}


def compare(folder):
    tasks = read_tasks()
    write_lines(folder / "tasks.jsonl", tasks)
    samples = [{"task_id": task["task_id"], "solution": solution(task, kind)}
               for task in tasks for kind in TASKS[task["task_id"]]]
    ours, theirs, spoilt = (folder / name for name in ("ours", "theirs", "spoilt"))
    for place in (ours, theirs, spoilt):
        place.mkdir()
        write_lines(place / "samples.jsonl", samples)
    file = "samples_eval_results.json"
    summary = judge(folder / "tasks.jsonl", "--samples", ours / "samples.jsonl", "--out", ours / file,
                    "--no-cache", "--allow-unsandboxed")

    names = ["pass@1", "pass@10"]
    # Worked by hand: of ten samples, 10, 5, 1 and 0 pass the base inputs, and 10, 3, 1 and 0 pass all.
    by_hand = [{"pass@1": "0.400", "pass@10": "0.750"}, {"pass@1": "0.350", "pass@10": "0.750"}]
    report_equal("our rates are those counted by hand", as_printed(of_judge(summary), names), by_hand)
    written = json.loads((ours / file).read_text())
    is_judged, rates = evalplus(ours)
    report_equal("EvalPlus takes our result file for its own, and judges nothing", is_judged, False)
    report_equal("EvalPlus prints the rates that we do", rates, as_printed(written["pass_at_k"], names))

    is_judged, rates = evalplus(theirs)
    report_equal("without a result file EvalPlus judges", is_judged, True)
    report_equal("EvalPlus judges to the same rates", rates, by_hand)
    made = json.loads((theirs / file).read_text())
    report_equal("a sample has the same entries in both files", statuses(written), statuses(made))
    report_equal("our file has all that EvalPlus's has", made.keys() - written.keys(), set())
    read = judge(folder / "tasks.jsonl", "--from-results", theirs / file)
    report_equal("we read EvalPlus's file to the rates that it prints", as_printed(of_judge(read), names), rates)

    # The comparison must notice a wrong file: here a sample that passes is recorded as failed.
    written["eval"]["HumanEval/0"][0]["plus_status"] = "fail"
    (spoilt / file).write_text(json.dumps(written))
    report_equal("EvalPlus's rates are those of the entries", evalplus(spoilt)[1][1]["pass@1"], "0.325")


if __name__ == "__main__":
    if not (shared / "data/humaneval/HumanEvalPlus.jsonl.gz").exists():
        print("parity: evalplus SKIPPED, there is no reference data here (RECODE_SHARED, or ../shared)", file=sys.stderr)
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder))
    print(f"{count} checks of EvalPlus's result file, {len(failures)} failed")
    sys.exit(1 if failures or not count else 0)
