#!/usr/bin/env python3
"""Runs experiments through a real Slurm and compares what comes out with the same experiments run here.

    run.py PROGRAM [NAME …]    all scenarios but one that depends on the machine's speed, or those named

Each scenario is a function `test_…` with a folder of results of its own. Exit code 77 and a line `SKIPPED` if there can
be no Slurm on this machine (`cluster.sh` says why).
"""

import filecmp
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Two trainings of seconds, and an evaluation of each and of the base.
SMALL = """
include = ["{root}/tests/fixtures/untrained_and_grpo.toml"]
name = "small"
[train]
max_steps = {steps}
save_every = 2
group_size = 4
[train.grpo]
batch_size = 2
[eval]
benchmarks = ["mini_arena"]
samples = {{ mini_arena = 1 }}
limit = 16
[run]
seeds = [1, 2]
{run}
[run.needs]
memory = "3GiB"
time = "{time}"
[run.slurm]
stop_before = "1m"
{slurm}
[table]
cols = ["mini_arena.pass@1"]
"""


class Place:
    """A folder of results, and a spec."""

    def __init__(self, folder, program, steps=6, time_limit="10m", run="", slurm=""):
        self.folder, self.program = folder, program
        self.results = folder / "results"
        self.spec = folder / "small.toml"
        self.spec.write_text(SMALL.format(root=ROOT, steps=steps, time=time_limit, run=run, slurm=slurm))
        self.table = self.results / "tables" / "small"

    def recode(self, *arguments, results=None, check=True):
        environment = {**os.environ, "RECODE_RESULTS": str(results or self.results)}
        done = subprocess.run([self.program, *arguments], cwd=ROOT, env=environment, text=True, capture_output=True)
        if check and done.returncode != 0:
            raise AssertionError(f"recode {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def submit(self, *more):
        return self.recode("run", str(self.spec), "--on", "slurm", *more)

    def states(self):
        rows = json.loads(self.recode("status", str(self.spec), "--json"))
        return {row["job"]: row for row in rows}

    def of_kind(self, kind):
        return {job: row for job, row in self.states().items() if job.startswith(kind)}

    def wait(self, what, is_it, seconds=240):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if is_it():
                return
            time.sleep(1)
        queue = slurm("squeue", "--states=all", "--array", "--name=recode")
        logs = "\n".join(f"{path}:\n{path.read_text()[-500:]}" for path in self.results.glob("slurm/*/*.log"))
        raise AssertionError(f"waited {seconds} s for: {what}\n{queue}\n{logs}\n{self.recode('status', str(self.spec))}")

    def wait_until_done(self):
        self.wait("all jobs are done", lambda: all(row["state"] == "done" for row in self.states().values()))

    def wait_for_the_table(self):
        """The report job has written the table."""
        self.wait("the table", lambda: (self.table / "table.json").is_file() and not running())

    def compare_with_a_run_here(self, *more):
        """The table has the bytes of a run on this machine."""
        self.wait_for_the_table()
        here = self.folder / "here"
        self.recode("run", str(self.spec), "--on", "local", "--jobs", "2", *more, results=here)
        for name in ["table.md", "table.csv"]:
            same = filecmp.cmp(self.table / name, here / "tables" / self.table.name / name, shallow=False)
            assert same, f"{name} differs from that of a run here"


def slurm(*command):
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout


def running():
    return slurm("squeue", "--noheader", "--name=recode").strip()


def test_a_grid_gives_the_table_of_a_local_run(place):
    first = place.submit()
    assert "submitted 6 jobs in 2 arrays" in first, first
    again = place.submit()
    assert "nothing is missing" in again, again
    place.wait_until_done()
    place.compare_with_a_run_here()


def test_the_quickstart_gives_the_table_that_is_kept_in_git(place):
    place.spec = ROOT / "experiments" / "quickstart.toml"
    place.table = place.results / "tables" / "quickstart"
    place.submit()
    place.wait("all jobs are done", lambda: all(row["state"] == "done" for row in place.states().values()), seconds=1800)
    place.wait_for_the_table()
    kept = subprocess.run(["git", "ls-files", "results/tables/quickstart"], cwd=ROOT, text=True, capture_output=True, check=True)
    kept = kept.stdout.split()
    assert "results/tables/quickstart/table.md" in kept, kept
    for name in kept:
        same = filecmp.cmp(ROOT / name, place.results.parent / name, shallow=False)
        assert same, f"{name} differs from the one in git"


def test_a_training_over_two_nodes_gives_the_table_of_one_process(place):
    place.submit()
    place.wait_until_done()
    for folder in place.results.glob("jobs/train-*"):
        attempts = json.loads((folder / "provenance.json").read_text())["attempts"]
        assert [one["ranks"] for one in attempts] == [4], attempts
        assert not list(folder.glob("ranks-*")), "the key lies in the folder"
    nodes = slurm("sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,NodeList").splitlines()
    assert any(line.endswith("|pair[1-2]") for line in nodes), nodes
    place.compare_with_a_run_here("--set", "run.nodes=1", "--set", "run.ranks=1")


def test_an_evaluation_waits_for_its_own_training_alone(place):
    place.submit()
    place.wait_until_done()
    # The accounting learns of an end some seconds later.
    for _ in range(60):
        lines = slurm("sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State,Start,End").splitlines()
        lines = [line.split("|") for line in lines if "_" in line]
        if lines and all(state == "COMPLETED" for _, state, *_ in lines):
            break
        time.sleep(0.5)
    assert lines and all(state == "COMPLETED" for _, state, *_ in lines), lines


def test_a_preempted_training_goes_on_where_it_was(place):
    place.submit()
    place.wait("a training runs", lambda: any(row["state"] == "running" and (row["progress"] or {}).get("step", 0) >= 2
                                              for row in place.of_kind("train").values()))
    # The urgent job needs all processors.
    slurm("sbatch", "--partition=urgent", "--cpus-per-task=8", "--output=/dev/null", "--wrap=sleep 2")
    place.wait_until_done()
    attempts = [row["attempts"] for row in place.of_kind("train").values()]
    assert max(attempts) > 1, attempts
    place.compare_with_a_run_here()


def test_a_training_that_reaches_its_time_limit_goes_on(place):
    place.submit()
    place.wait_until_done()
    attempts = [row["attempts"] for row in place.of_kind("train").values()]
    assert max(attempts) > 1, attempts


def test_a_failed_training_is_not_scored(place):
    slurm("scontrol", "update", "PartitionName=main", "State=DOWN")
    place.submit("--retries", "0")
    # No training can write its log, so that all fail.
    for folder in place.results.glob("jobs/train-*"):
        (folder / "metrics.jsonl").mkdir()
    slurm("scontrol", "update", "PartitionName=main", "State=UP")
    place.wait("the trainings failed", lambda: all(row["state"] == "failed" for row in place.of_kind("train").values()))
    place.wait("the queue is empty", lambda: not running())
    evaluations = [row["state"] for row in place.of_kind("eval").values()]
    assert "done" in evaluations and evaluations.count("new") == 2, evaluations
    assert "failed" in (place.table / "table.md").read_text()


def test_cancelled_jobs_are_submitted_once_more(place):
    place.submit()
    place.wait("a training runs", lambda: any(row["state"] == "running" for row in place.of_kind("train").values()))
    slurm("scancel", "--name=recode")
    place.wait("the queue is empty", lambda: not running())
    again = place.submit()
    assert "submitted" in again, again
    place.wait_until_done()
    place.compare_with_a_run_here()


def test_a_held_job_is_said_to_be_held(place):
    slurm("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        place.submit()
        words = place.recode("status", str(place.spec))
        assert "pending (PartitionDown" in words, words
    finally:
        slurm("scontrol", "update", "PartitionName=main", "State=UP")
    place.wait_until_done()


def test_a_job_that_needs_more_memory_than_it_asked_for(place):
    text = place.spec.read_text().replace('memory = "3GiB"', 'memory = "8MiB"')
    place.spec.write_text(text)
    place.submit()
    place.wait("the queue is empty", lambda: not running())
    place.recode("report", str(place.spec))
    words = place.recode("status", str(place.spec))
    # Without cgroups, which this cluster has not, Slurm kills a task for its memory and calls it failed.
    assert words.count("failed, and its log") + words.count("more memory") >= 4, words
    logs = "".join(path.read_text() for path in place.results.glob("slurm/*/*.log"))
    assert "exceeded memory limit" in logs, logs


def test_a_dead_node_gives_its_job_back(place):
    place.submit()
    place.wait("a training runs", lambda: any(row["state"] == "running" for row in place.of_kind("train").values()))
    cluster = pathlib.Path(os.environ["SLURM_CONF"]).parent
    node = os.uname().nodename.split(".")[0]
    pid = int((cluster / f"slurmd.{node}.pid").read_text())
    for victim in slurm("scontrol", "listpids", "*", node).splitlines()[1:]:
        number = int(victim.split()[0])
        if number > 1:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass
    os.kill(pid, signal.SIGKILL)
    time.sleep(3)
    subprocess.run([HERE / "cluster.sh", "slurmd", cluster], check=True)
    # It refuses where the node has come back by itself.
    subprocess.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"], capture_output=True)
    place.wait("the queue is empty", lambda: not running())
    place.submit()
    place.wait_until_done()
    place.compare_with_a_run_here()


# The scenarios whose spec differs: steps, the time limit, further lines.
SPECS = {
    # Two processes on each of two nodes, which are this machine.
    "test_a_training_over_two_nodes_gives_the_table_of_one_process": {
        "run": 'ranks = 4\nnodes = 2\nnetwork = "127.0.0.1"',
        "slurm": 'partition = "pair"',
    },
    "test_a_preempted_training_goes_on_where_it_was": {"steps": 60},
    "test_cancelled_jobs_are_submitted_once_more": {"steps": 40},
    "test_a_dead_node_gives_its_job_back": {"steps": 40},
    "test_a_training_that_reaches_its_time_limit_goes_on": {"steps": 400, "time_limit": "2m"},
}


# Only when it is named: a fast machine may end the training before Slurm looks at its time.
BY_NAME_ALONE = ["test_a_training_that_reaches_its_time_limit_goes_on"]


def main():
    program, *names = sys.argv[1:]
    program = str(pathlib.Path(program).resolve())
    tests = {name: value for name, value in globals().items() if name.startswith("test_")}
    with tempfile.TemporaryDirectory() as folder:
        # munged refuses a socket that others cannot reach.
        os.chmod(folder, 0o755)
        cluster = pathlib.Path(folder) / "cluster"
        up = subprocess.run([HERE / "cluster.sh", "up", cluster], text=True, stdout=subprocess.PIPE)
        if up.returncode != 0:
            return up.returncode
        os.environ["SLURM_CONF"] = str(cluster / "slurm.conf")
        try:
            for name, test in tests.items():
                if names and not any(part in name for part in names):
                    continue
                if not names and name in BY_NAME_ALONE:
                    print(f"left out: {name}; name it to run it")
                    continue
                start = time.monotonic()
                own = pathlib.Path(folder) / name
                own.mkdir()
                test(Place(own, program, **SPECS.get(name, {})))
                print(f"ok    {name} ({time.monotonic() - start:.0f} s)", flush=True)
        finally:
            subprocess.run([HERE / "cluster.sh", "down", cluster])
    return 0


if __name__ == "__main__":
    sys.exit(main())
