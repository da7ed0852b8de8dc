"""How long judging takes, beside the way of the original HumanEval harness.

That way: a thread pool, and for each sample a manager process and a child process that runs
`exec(program, {})` in a temporary folder with its output swallowed. Ours: `recode judge`, sandbox on.
Both judge the canonical solutions, on as many workers; figures are wall time a sample.

    python3 benches/judging.py --data HumanEval.jsonl.gz --recode target/release/recode
"""

import argparse
import concurrent.futures
import contextlib
import gzip
import io
import json
import multiprocessing
import os
import signal
import subprocess
import tempfile
import time


def tasks_of(path):
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def child(program, seconds, results):
    def late(number, frame):
        raise TimeoutError

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                exec(program, {})
            results.append("passed")
        except BaseException as error:
            results.append(f"failed: {error}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.chdir("/")


def judge_one(program):
    with multiprocessing.Manager() as manager:
        results = manager.list()
        process = multiprocessing.Process(target=child, args=(program, 3.0, results))
        process.start()
        process.join(timeout=4)
        if process.is_alive():
            process.kill()
        return bool(results) and results[0] == "passed"


def the_original_way(tasks, samples, workers):
    programs = [
        f"{task['prompt']}{task['canonical_solution']}\n{task['test']}\ncheck({task['entry_point']})"
        for task in tasks
        for _ in range(samples)
    ]
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        passed = sum(pool.map(judge_one, programs))
    return time.perf_counter() - start, passed, len(programs)


def our_way(recode, data, tasks, samples, workers):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "samples.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            for task in tasks:
                for number in range(samples):
                    # Equal samples are judged once, so that these differ by a comment.
                    completion = f"{task['canonical_solution']}\n# {number}\n"
                    file.write(json.dumps({"task_id": task["task_id"], "completion": completion}) + "\n")
        command = [recode, "judge", "--benchmark", "humaneval", "--data", data, "--samples", path,
                   "--out", os.path.join(folder, "out.json"), "--workers", str(workers), "--json"]
        start = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - start
    summary = json.loads(done.stdout)["summary"]
    return seconds, summary["verdicts"].get("pass", 0), summary["samples"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--recode", default="target/release/recode")
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    told = parser.parse_args()
    tasks = tasks_of(told.data)
    ours = our_way(told.recode, told.data, tasks, told.samples, told.workers)
    original = the_original_way(tasks, told.samples, told.workers)
    for name, (seconds, passed, count) in (("recode judge", ours), ("original way", original)):
        print(f"{name:14} {1000 * seconds / count:7.2f} ms a sample   {passed} of {count} passed")
    print(f"{'ratio':14} {original[0] / ours[0]:7.1f}")


if __name__ == "__main__":
    main()
