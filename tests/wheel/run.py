#!/usr/bin/env python3
"""Installs a wheel into a fresh environment, and runs the quickstart as someone does who has only Python.

    run.py WHEEL [--without-run]

The folder is empty, the environment has nothing but a PATH, and pip has no index. The table and the figures must be
those of `results/tables/quickstart` in this checkout, byte for byte.
"""

import base64
import csv
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXPECTED = ROOT / "results" / "tables" / "quickstart"
sys.path.insert(0, str(ROOT / "packaging"))
import elf  # noqa: E402
import release  # noqa: E402


def expect(condition, text):
    if not condition:
        sys.exit(f"tests/wheel: {text}")


def run(*command, folder, environment, code=0):
    """Runs a command with nothing but this environment, and returns what it prints."""
    command = [str(part) for part in command]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    expect(done.returncode == code, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def check_archive(wheel):
    """Digests, rights, and the tag: what pip does not compare."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (record,) = [name for name in names if name.endswith(".dist-info/RECORD")]
        rows = list(csv.reader(archive.read(record).decode().splitlines()))
        expect(sorted(name for name, _, _ in rows) == sorted(names), "RECORD lists other files than there are")
        for name, digest, size in rows:
            if name == record:
                continue
            content = archive.read(name)
            wanted = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            expect((digest, int(size)) == (f"sha256={wanted}", len(content)), f"RECORD is wrong about {name}")
        (script,) = [name for name in names if name.endswith(".data/scripts/recode")]
        program = archive.read(script)
    check_tag(wheel, program)


def check_tag(wheel, program):
    """The tag names the newest glibc of the symbols, as `readelf` lists them, where this machine has it."""
    number = re.search(r"-manylinux_(\d+)_(\d+)_(\w+)\.whl$", wheel.name)
    expect(number, f"{wheel.name} has no tag of manylinux")
    with tempfile.NamedTemporaryFile() as file:
        file.write(program)
        file.flush()
        try:
            listed = subprocess.run(["readelf", "-V", file.name], stdout=subprocess.PIPE, check=True, text=True).stdout
        except FileNotFoundError:
            print("tests/wheel: SKIPPED the comparison of the tag with readelf, which is not here")
            return
    needed = listed.split("Version needs section", 1)[1]
    needed = re.findall(r"Name: GLIBC_(\d+)\.(\d+).*Flags: none", needed)
    newest = max((int(major), int(minor)) for major, minor in needed)
    expect(newest == (int(number[1]), int(number[2])), f"{wheel.name} needs glibc {newest}")


def check_elf():
    """The reader of programs refuses what is none."""
    try:
        elf.Program(b"#!/bin/sh\n")
        sys.exit("tests/wheel: a script is no program for Linux")
    except ValueError:
        pass


def check_release():
    """A release has one version, and changes; worked by hand."""
    manifest, lock = '[package]\nname = "recode"\nversion = "0.2.0"\n', 'name = "recode"\nversion = "{}"\n'
    log = "# Changelog\n\nHead.\n\n## {}\n\n### Added\n- A.\n\n## 0.1.0\n- B.\n"
    expect(release.version_of(manifest, lock.format("0.2.0")) == "0.2.0", "the version is not read")
    for name, draft in [("0.2.0", False), ("0.2.0 (2026-12-01)", False), ("Unreleased", True)]:
        changes = release.changes_of(log.format(name), "0.2.0", draft)
        expect(changes == "### Added\n- A.\n", f"the changes of {name} are {changes!r}")
    refused = [
        lambda: release.version_of(manifest, lock.format("0.1.0")),
        lambda: release.changes_of(log.format("Unreleased"), "0.2.0", False),
        lambda: release.changes_of(log.format("0.1.9"), "0.2.0", True),
        lambda: release.changes_of("# Changelog\n", "0.2.0", True),
        lambda: release.changes_of("# Changelog\n\n## 0.2.0\n", "0.2.0", False),
    ]
    for number, wrong in enumerate(refused):
        try:
            wrong()
        except release.Wrong:
            continue
        sys.exit(f"tests/wheel: a release was not refused, case {number}")


def install(wheel, folder, environment):
    """A fresh environment of Python with the wheel in it; returns its folder."""
    venv = folder / "venv"
    run(sys.executable, "-m", "venv", venv, folder=folder, environment=environment)
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--no-index", "--no-deps", "--disable-pip-version-check"]
    run(*pip, "--quiet", wheel, folder=folder, environment=environment)
    return venv


def check_installed(venv, folder, environment):
    recode = venv / "bin" / "recode"
    version, _ = run(recode, "--version", folder=folder, environment=environment)
    shown, _ = run(venv / "bin" / "python", "-m", "pip", "show", "recode", folder=folder, environment=environment)
    expect(f"Version: {version.split()[1]}\n" in shown, f"pip says:\n{shown}")
    help_text, _ = run(recode, "--help", folder=folder, environment=environment)
    commands = re.findall(r"^  ([a-z-]+)  ", help_text.split("Commands:", 1)[1].split("Options:", 1)[0], re.MULTILINE)
    pages = {path.name for path in (venv / "share" / "man" / "man1").iterdir()}
    for command in commands:
        expect(command == "help" or f"recode-{command}.1" in pages, f"there is no page of `recode {command}`")
    expect("recode.1" in pages and len(commands) > 20, f"pages: {sorted(pages)}, commands: {commands}")
    completions = venv / "share" / "bash-completion" / "completions" / "recode"
    expect("_recode" in completions.read_text(), "there are no completions of bash")


def check_quickstart(venv, folder, environment):
    empty = folder / "empty"
    empty.mkdir()
    first, _ = run(venv / "bin" / "recode", folder=empty, environment=environment)
    command = first.splitlines()[0].split("  ")[0].split()
    expect(command == ["recode", "run", "quickstart"], f"`recode` alone says: {first}")

    begun = time.monotonic()
    table, progress = run(venv / "bin" / "recode", *command[1:], folder=empty, environment=environment)
    seconds = round(time.monotonic() - begun)

    expect(table == (EXPECTED / "table.md").read_text(), f"the table is another:\n{table}\n{progress}")
    made = empty / "results" / "tables" / "quickstart"
    compared = 0
    for expected in sorted(EXPECTED.rglob("*")):
        # The page and the list of all tasks are not part of the repository, but may be here from a run.
        name = expected.relative_to(EXPECTED)
        if expected.is_file() and name.parts[0] not in ("report", "report.html", "tasks.csv"):
            same = (made / name).is_file() and (made / name).read_bytes() == expected.read_bytes()
            expect(same, f"{name} is not that of the checkout\n{progress}")
            compared += 1
    expect(compared >= 5, f"only {compared} files were compared")
    print(next(part for part in table.split("\n\n") if part.startswith("|")))
    print(f"tests/wheel: {compared} files are those of the checkout; `recode run quickstart` took {seconds} s")


def main():
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    wheel = pathlib.Path(arguments[0]).resolve()
    check_elf()
    check_release()
    check_archive(wheel)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # Not even HOME is that of the user: caches and configuration are new.
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder / "home")}
        (folder / "home").mkdir()
        venv = install(wheel, folder, environment)
        check_installed(venv, folder, environment)
        if "--without-run" not in sys.argv:
            check_quickstart(venv, folder, environment)


if __name__ == "__main__":
    main()
