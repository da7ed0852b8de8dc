"""Runs every task of the from-scratch arena and every migration, and lists those that misbehave.

A task must pass with its update and fail without it, and the old call must fail with the update.
A migration's new code must do after the update what the old call did before.
"""

import ast
import json
import subprocess
import sys

import sets
import world


def enforce(update):
    """The statement that puts the new function in place of the old one."""
    parent, _, old = update["function_path"].rpartition(".")
    new = ast.parse(update["implementation"]).body[0].name
    if update["update_type"] == "modify-function-name":
        return f"del {parent}.{old}\nsetattr({parent}, '{new}', {new})"
    return f"{parent}.{old} = {new}"


RUNNER = """
import json, sys
programs = json.loads(sys.stdin.read())
import os
for setup, tests in programs:
    reader, writer = os.pipe()
    if os.fork() == 0:
        verdict = b"+"
        try:
            scope = {}
            exec(setup, scope)
            for test in tests:
                exec(test, scope)
        except Exception as error:
            verdict = type(error).__name__.encode()
        os.write(writer, verdict)
        os._exit(0)
    os.close(writer)
    print(os.read(reader, 100).decode())
    os.close(reader)
    os.wait()
"""


def verdicts(programs):
    """Runs each program in a process of its own, because updates change modules."""
    command = [sys.executable, "-c", RUNNER]
    done = subprocess.run(command, input=json.dumps(programs), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.split()


def check_arena():
    faults, programs, expected = [], [], []
    for row, old_solution in sets.arena():
        update = row["update"]
        tests = row["unit_tests"].split("\n\n")
        if len(tests) < 3:
            faults.append((row["prog_syn_id"], "has fewer than three tests"))
        calls = [f"{test}\n{ast.parse(test).body[0].name}()" for test in tests]
        before = [row["prog_syn_imports"], update["implementation"]]
        with_update = [*before, enforce(update)]
        for setup, passes, what in [
            ([*with_update, row["ref_solution"]], True, "the reference fails with the update"),
            ([*before, row["ref_solution"]], False, "the reference passes without the update"),
            ([*with_update, old_solution], False, "the old call passes with the update"),
            ([*before, old_solution], True, "the old call fails without the update"),
        ]:
            programs.append(("\n".join(setup), calls))
            expected.append((row["prog_syn_id"], passes, what))
    for (task, passes, what), verdict in zip(expected, verdicts(programs), strict=True):
        if passes != (verdict == "+"):
            faults.append((task, f"{what} ({verdict})"))
    return faults


def check_migrations():
    """Each kind of update on each function that it fits, in each shape of program."""
    programs, expected = [], []
    for kind in world.NOTES:
        for api in filter(lambda api: world.fits(kind, api), world.APIS):
            for value in world.VALUES if kind == "argument" else [""]:
                update = world.Update(api, kind, "new_name", value)
                about = {
                    "function_path": api.path,
                    "update_type": sets.ARENA_KINDS[kind],
                    "implementation": update.implementation(),
                }
                setup = (
                    f"import {api.module}\nold_{api.name} = {api.path}\n"
                    f"{update.implementation()}\n{enforce(about)}\n"
                )
                for program in world.programs(api, 3):
                    new = program.code(api, "solve", update.call(program.arguments))
                    tests = list(sets.unit_tests(api, "solve", program))
                    calls = [f"{test}\ntest_solve_{n}()" for n, test in enumerate(tests)]
                    programs.append((setup + new, calls))
                    expected.append(f"{kind} of {api.path}: {program.problem}")
    return [
        (what, verdict)
        for what, verdict in zip(expected, verdicts(programs), strict=True)
        if verdict != "+"
    ]


def check_apart():
    """No update of the arena is in the training data, nor any name that one brings."""
    held_out = list(sets.arena_updates())
    notes = {update.note(wording) for update in held_out for wording in range(4)}
    for row in sets.migrations():
        texts = (row["update_info"], row["old_code"], row["new_code"])
        if row["update_info"] in notes:
            yield (row["update_info"], "is an update of the arena")
        for update in held_out:
            if update.name and any(update.name in text for text in texts):
                yield (update.name, "is a name of the arena")


def main():
    faults = [*check_arena(), *check_migrations(), *check_apart()]
    for what, reason in faults:
        print(f"{what}: {reason}")
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
