"""Runs the programs of `migrations/` against the libraries that are installed for this Python.

Each `new_code` must run to its end without its own deprecation warnings, in its own process and
folder and under a time limit. Each `old_code` should fail or warn; one that still runs in silence
is reported but is no fault, because some changes only recommend a new name. Rows with `not_run` and
rows of libraries that are not installed are not run, and are listed.

    python3 datasets/make/check_migrations.py [FILE ...] [--timeout SECONDS] [--verbose]
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).parent.parent / "migrations"

# Warnings count only where the program itself causes them, not inside a library.
STRICT = [
    "-W", "error::DeprecationWarning:__main__",
    "-W", "error::PendingDeprecationWarning:__main__",
    "-W", "error::FutureWarning:__main__",
    "-W", "error::UserWarning:__main__",
]  # fmt: skip


def version_of(library):
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def run(code, timeout):
    """Nothing if the program ends well, else the last line of its complaint."""
    environment = {**os.environ, "MPLBACKEND": "Agg", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder, "program.py")
        program.write_text(code, encoding="utf-8")
        command = [sys.executable, "-B", *STRICT, program.name]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, timeout=timeout, capture_output=True,
                text=True, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"not done after {timeout} s"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def check(path, timeout, verbose):
    """Prints what happens to each row that is worth a word, and returns the counts."""
    counts = dict.fromkeys(["ran", "failed", "not run", "old gone", "old silent"], 0)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    for number, row in enumerate(rows, 1):
        place = f"{path.name}:{number}"
        reason = row.get("not_run")
        if not reason and version_of(row["dependency"]) is None:
            reason = f"{row['dependency']} is not installed"
        if reason:
            counts["not run"] += 1
            print(f"{place}: not run: {reason}")
            continue
        fault = run(row["new_code"], timeout)
        counts["failed" if fault else "ran"] += 1
        if fault:
            print(f"{place}: new_code FAILS: {fault}")
        complaint = run(row["old_code"], timeout)
        if complaint:
            counts["old gone"] += 1
            if verbose:
                print(f"{place}: old_code: {complaint}")
        else:
            counts["old silent"] += 1
            print(f"{place}: old_code still runs without a warning")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--verbose", action="store_true", help="say how each old_code ends")
    arguments = parser.parse_args()
    files = arguments.files or sorted(FOLDER.glob("*.jsonl"))
    total = {}
    for path in files:
        counts = check(path, arguments.timeout, arguments.verbose)
        library = json.loads(path.read_text(encoding="utf-8").split("\n", 1)[0])["dependency"]
        summary = ", ".join(f"{count} {what}" for what, count in counts.items())
        print(f"{library} {version_of(library) or '-'}: {summary}", flush=True)
        total = {what: total.get(what, 0) + count for what, count in counts.items()}
    print("all: " + ", ".join(f"{count} {what}" for what, count in total.items()))
    return 1 if total.get("failed") or not files else 0


if __name__ == "__main__":
    sys.exit(main())
