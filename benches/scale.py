"""What many jobs, and many processes for one job, cost.

    python3 benches/scale.py target/release/recode [submit] [scheduler] [ranks]

`submit` submits a plan of 1,002 jobs to a real Slurm on this machine, and prints the time, the time of the same command
again, which finds nothing missing, and how often each command of Slurm was called. `scheduler` runs a plan of 10,002 jobs
for a minute, of which one works and the others wait, and prints how much of one core the scheduler took. `ranks` trains
the quickstart as one process of two threads and as two of one thread, in turns, and prints the ratio of their times: on a
machine with at least two cores and nothing else to do. Needs only Python; `submit` needs what `tests/slurm` needs.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLUSTER = ROOT / "tests" / "slurm" / "cluster.sh"

# A training, its evaluation and that of the base for each seed.
SPEC = """
include = ["{root}/tests/fixtures/untrained_and_grpo.toml"]
name = "many"
[train]
max_steps = 100000
[eval]
benchmarks = ["mini_arena"]
samples = {{ mini_arena = 1 }}
[run]
seeds = {seeds}
[table]
cols = ["mini_arena.pass@1"]
"""


def write_spec(folder, seeds):
    spec = folder / "many.toml"
    spec.write_text(SPEC.format(root=ROOT, seeds=list(range(seeds))))
    return spec


def environment(folder, **more):
    return {**os.environ, "RECODE_RESULTS": str(folder / "results"), **more}


def submit(program, folder):
    up = subprocess.run([CLUSTER, "up", folder / "cluster"], text=True, stdout=subprocess.PIPE)
    if up.returncode != 0:
        print("submit: SKIPPED")
        return
    try:
        conf = str(folder / "cluster" / "slurm.conf")
        # Nothing starts: what is timed is the submission.
        subprocess.run(["scontrol", "update", "PartitionName=main", "State=DOWN"], env={**os.environ, "SLURM_CONF": conf}, check=True)
        commands = folder / "commands"
        commands.mkdir()
        for name in ["sbatch", "squeue", "sacct", "scontrol"]:
            real = subprocess.run(["which", name], text=True, stdout=subprocess.PIPE, check=True).stdout.strip()
            (commands / name).write_text(f'#!/bin/sh\necho {name} >>{folder}/calls\nexec {real} "$@"\n')
            (commands / name).chmod(0o755)
        spec = write_spec(folder, 334)
        around = environment(folder, SLURM_CONF=conf, PATH=f"{commands}:{os.environ['PATH']}")
        for what, command in [
            ("the first time", ["run", spec, "--on", "slurm"]),
            ("again", ["run", spec, "--on", "slurm"]),
            ("status", ["status", spec]),
        ]:
            (folder / "calls").write_text("")
            start = time.monotonic()
            done = subprocess.run([program, *command], cwd=ROOT, env=around, text=True, capture_output=True)
            seconds = time.monotonic() - start
            if done.returncode != 0:
                raise SystemExit(done.stdout + done.stderr)
            calls = (folder / "calls").read_text().split()
            counts = ", ".join(f"{calls.count(name)} {name}" for name in sorted(set(calls)))
            last = [line for line in done.stdout.splitlines() if line.startswith(("submitted", "nothing"))]
            print(f"submit: {what}: {seconds:.2f} s ({counts}) {'; '.join(last)}", flush=True)
    finally:
        subprocess.run([CLUSTER, "down", folder / "cluster"])


def scheduler(program, folder, seconds=60):
    spec = write_spec(folder, 3334)
    start = time.monotonic()
    log = folder / "log"
    child = subprocess.Popen([program, "run", spec, "--progress", "lines"], cwd=ROOT, env=environment(folder),
                             stdout=subprocess.DEVNULL, stderr=log.open("w"))
    try:
        while " start " not in log.read_text():
            if child.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.05)
        print(f"scheduler: the first job starts after {time.monotonic() - start:.1f} s")
        ticks = os.sysconf("SC_CLK_TCK")

        def used():
            parts = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(parts[11]) + int(parts[12])) / ticks

        time.sleep(5)
        before, start = used(), time.monotonic()
        time.sleep(seconds)
        share = (used() - before) / (time.monotonic() - start)
        print(f"scheduler: {share:.2%} of one core while 10,001 jobs wait")
    finally:
        # Once lets the job save, and twice ends it.
        for _ in range(2):
            child.send_signal(signal.SIGINT)
            time.sleep(1)
        child.kill()
        child.wait()


def ranks(program, folder, rounds=5):
    def train(name, threads, count):
        results = folder / name
        around = {**os.environ, "RECODE_RESULTS": str(results), "RAYON_NUM_THREADS": str(threads)}
        spec = ROOT / "tests" / "fixtures" / "untrained_and_grpo.toml"
        options = ["--set", f"run.ranks={count}", "--only", "train-"]
        done = subprocess.run([program, "run", spec, *options], cwd=ROOT, env=around, text=True, capture_output=True)
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        [job] = results.glob("jobs/train-*")
        lines = [json.loads(line) for line in (job / "metrics.jsonl").read_text().splitlines()]
        # The first steps warm the caches.
        seconds = [line["timing"]["seconds"] for line in lines[5:]]
        return sum(seconds) / len(seconds), (job / "outcome.json").read_bytes()

    ratios = []
    for number in range(rounds):
        one, outcome = train(f"one-{number}", 2, 1)
        two, shared = train(f"two-{number}", 1, 2)
        assert outcome == shared, "two ranks have another result"
        ratios.append(two / one)
        print(f"ranks: a step of one process with two threads takes {one:.3f} s, of two with one each {two:.3f} s:"
              f" {ratios[-1]:.3f} times as long", flush=True)
    print(f"ranks: {statistics.median(ratios):.3f} in the middle of {rounds} rounds, from {min(ratios):.3f} to"
          f" {max(ratios):.3f}; the goal is 1.05 at most")


def main():
    program, *names = sys.argv[1:]
    program = str(Path(program).resolve())
    parts = {"submit": submit, "scheduler": scheduler, "ranks": ranks}
    for name in names or parts:
        with tempfile.TemporaryDirectory() as folder:
            # munged refuses a socket that others cannot reach.
            os.chmod(folder, 0o755)
            parts[name](program, Path(folder))


if __name__ == "__main__":
    main()
