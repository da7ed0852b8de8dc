"""Mirrors the jobs of an experiment into a tracker, in a process of its own.

Its argument is a file of JSON, which has the tracker, the experiment and its jobs. While its standard input is open, it
reads new lines of the jobs' logs every few seconds. At the end of the input, on which nothing is written, it sends what
is left, and the files of the table if there is a list of them, and ends. Keys and addresses are those of the
environment, which the tracker's own client reads; this program never sees them.
"""

import contextlib
import csv
import fcntl
import json
import os
import select
import sys
import time

PAUSE_SECONDS = 3.0
# Clients send at most so many values in one request.
MOST_VALUES = 500
MOST_PARAMETERS = 100


def flat(value, path=""):
    """The values of an object by their path."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from flat(member, f"{path}.{name}" if path else name)
    elif value is not None:
        yield path, value


def numbers(record):
    """The numbers of a record by their path."""
    return {
        path: float(value)
        for path, value in flat(record)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def replace(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


class Log:
    """A file of JSON lines that may still grow."""

    def __init__(self, path):
        self.path, self.offset = path, 0

    def new(self):
        try:
            with open(self.path, "rb") as file:
                if os.fstat(file.fileno()).st_size < self.offset:
                    # A training that goes on from a checkpoint cuts its log.
                    self.offset = 0
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return []
        end = data.rfind(b"\n") + 1
        self.offset += end
        records = []
        for line in data[:end].splitlines():
            # A line that a lost disk has damaged is for `recode report` to find.
            with contextlib.suppress(ValueError):
                records.append(json.loads(line))
        return records


class Tracker:
    def evaluation(self, key, values, step):
        """Logs an evaluation after a step, which may come after the metrics of later steps."""
        self.log(key, values, step)


class MlflowTracker(Tracker):
    def __init__(self, experiment, folder):
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        if "MLFLOW_TRACKING_URI" not in os.environ:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            os.environ["MLFLOW_TRACKING_URI"] = "file://" + os.path.join(folder, "mlruns")
        import mlflow

        self.client = mlflow.MlflowClient()
        self.entities = mlflow.entities
        found = self.client.get_experiment_by_name(experiment)
        self.experiment = found.experiment_id if found else self.client.create_experiment(experiment)
        self.runs = {}

    def open(self, key, name, settings, known):
        if known:
            with contextlib.suppress(Exception):
                run = self.client.get_run(known)
                self.runs[key] = run.info.run_id
                self.client.update_run(run.info.run_id, status="RUNNING")
                return run.info.run_id
        run = self.client.create_run(self.experiment, run_name=name, tags={"recode.job": key})
        self.runs[key] = run.info.run_id
        parameters = [self.entities.Param(path[:250], str(value)[:500]) for path, value in settings.items()]
        for start in range(0, len(parameters), MOST_PARAMETERS):
            self.client.log_batch(run.info.run_id, params=parameters[start : start + MOST_PARAMETERS])
        return run.info.run_id

    def log(self, key, values, step):
        now = int(time.time() * 1000)
        metrics = [self.entities.Metric(name.replace("@", "_at_"), value, now, step or 0) for name, value in values.items()]
        for start in range(0, len(metrics), MOST_VALUES):
            self.client.log_batch(self.runs[key], metrics=metrics[start : start + MOST_VALUES])

    def files(self, key, files):
        for path in files:
            self.client.log_artifact(self.runs[key], path)

    def close(self, key):
        self.client.set_terminated(self.runs.pop(key))


class WandbTracker(Tracker):
    def __init__(self, experiment, folder):
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        self.wandb, self.experiment, self.folder = wandb, experiment, folder
        # Neither the code nor the load of this machine is a result.
        self.settings = wandb.Settings(disable_git=True, save_code=False, x_disable_stats=True, console="off")
        self.runs = {}
        os.makedirs(folder, exist_ok=True)

    def open(self, key, name, settings, known):
        self.runs[key] = self.wandb.init(
            project=self.experiment,
            id=known or key,
            name=name,
            config=settings,
            dir=self.folder,
            resume="allow",
            reinit="create_new",
            settings=self.settings,
        )
        # The steps of a run only go up, and those of evaluations may come later than those of metrics.
        self.runs[key].define_metric("eval.*", step_metric="eval.step")
        return self.runs[key].id

    def log(self, key, values, step):
        if step is None:
            self.runs[key].summary.update(values)
        else:
            self.runs[key].log(values, step=step)

    def evaluation(self, key, values, step):
        run = self.runs[key]
        run.log(values | {"eval.step": step}, step=max(step, run.step))

    def files(self, key, files):
        artifact = self.wandb.Artifact(f"{self.experiment}-table", type="table")
        for path in files:
            artifact.add_file(path)
        for path in files:
            if path.endswith("table.csv"):
                with open(path, encoding="utf-8", newline="") as file:
                    rows = list(csv.reader(file))
                table = self.wandb.Table(columns=rows[0], data=rows[1:])
                self.runs[key].log({"table": table})
        self.runs[key].log_artifact(artifact)

    def close(self, key):
        self.runs.pop(key).finish()


class TrackioTracker(Tracker):
    def __init__(self, experiment, folder):
        if not {"TRACKIO_DIR", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"} & set(os.environ):
            os.environ["TRACKIO_DIR"] = folder
        import trackio

        self.trackio, self.experiment = trackio, experiment
        self.waiting, self.about = {}, {}

    def open(self, key, name, settings, known):
        self.about[key] = (f"{key} {name}", settings)
        return key

    def log(self, key, values, step):
        self.waiting.setdefault(key, []).append((values, step))

    def files(self, key, files):
        for path in files:
            if path.endswith("table.md"):
                with open(path, encoding="utf-8") as file:
                    self.waiting.setdefault(key, []).append(({"table": self.trackio.Markdown(file.read())}, None))

    # It has one run at a time.
    def flush(self, key):
        values = self.waiting.pop(key, [])
        if values:
            name, settings = self.about[key]
            run = self.trackio.init(project=self.experiment, name=name, config=settings, resume="allow", embed=False)
            for logged, step in values:
                run.log(logged, step=step)
            self.trackio.finish()

    def close(self, key):
        self.flush(key)


TRACKERS = {"mlflow": MlflowTracker, "wandb": WandbTracker, "trackio": TrackioTracker}


class Job:
    def __init__(self, about):
        self.key, self.name, self.settings = about["id"], about["name"], about["settings"]
        self.metrics, self.evaluations = Log(about["metrics"]), Log(about["evaluations"])
        self.outcome, self.provenance = about["outcome"], about["provenance"]
        self.is_open, self.is_done = False, False

    def first_attempt(self):
        """What distinguishes the first start of the job from that of another folder of its name."""
        try:
            with open(self.provenance, encoding="utf-8") as file:
                first = json.load(file)["attempts"][0]
            return f"{first['started']} {first['owner']['pid']}"
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def result(self):
        try:
            with open(self.outcome, encoding="utf-8") as file:
                outcome = json.load(file)
        except (FileNotFoundError, ValueError):
            return None
        return numbers(outcome.get("eval", {}).get("metrics", {})) | numbers(
            outcome.get("train", {}).get("final_metrics", {})
        )


class Mirror:
    def __init__(self, about):
        self.about = about
        self.tracker = TRACKERS[about["tracker"]](about["experiment"], about["folder"])
        self.jobs = [Job(job) for job in about["jobs"]]
        try:
            with open(about["state"], encoding="utf-8") as file:
                self.state = json.load(file)
        except (FileNotFoundError, ValueError):
            self.state = {}

    def of(self, key):
        known = self.state.setdefault(key, {})
        # An evaluation of the model that a training starts with is of step 0. Earlier versions noted one `step`.
        step = known.pop("step", -1)
        new = {"run": None, "number": 1, "first": None, "metrics_step": step, "evaluations_step": step, "done": False}
        for name, value in new.items():
            known.setdefault(name, value)
        return known

    def of_job(self, job):
        """What is known of a job; nothing, if it was begun again from nothing: that is another run."""
        known, first = self.of(job.key), job.first_attempt()
        if first and known["first"] and known["first"] != first:
            del self.state[job.key]
            number, known = known["number"] + 1, self.of(job.key)
            known["number"] = number
        known["first"] = first or known["first"]
        return known

    def run(self, key):
        """The name of a run: that of its job, and a number if the job was begun again."""
        number = self.of(key)["number"]
        return key if number == 1 else f"{key}-{number}"

    def open(self, key, name, settings):
        known = self.of(key)
        known["run"] = self.tracker.open(self.run(key), name, settings, known["run"])

    def send(self, job):
        """Sends what is new of a job."""
        if job.is_done:
            return
        known = self.of_job(job)
        if known["done"]:
            job.is_done = True
            return
        # The metrics first: an evaluation is written before the metrics of the next step.
        metrics = self.new(job.metrics, known["metrics_step"])
        evaluations = self.new(job.evaluations, known["evaluations_step"])
        result = job.result()
        if not metrics and not evaluations and result is None:
            return
        if not job.is_open:
            self.open(job.key, job.name, dict(flat(job.settings)))
            job.is_open = True
        run = self.run(job.key)
        for step in sorted(metrics.keys() | evaluations.keys()):
            if step in metrics:
                self.tracker.log(run, metrics[step], step)
                known["metrics_step"] = step
            if step in evaluations:
                values = {f"eval.{name}": value for name, value in evaluations[step].items()}
                self.tracker.evaluation(run, values, step)
                known["evaluations_step"] = step
        if result is not None:
            self.tracker.log(run, {f"result.{name}": value for name, value in result.items()}, None)
            self.tracker.close(run)
            job.is_done = known["done"] = True
        elif hasattr(self.tracker, "flush"):
            self.tracker.flush(run)
        self.save()

    def new(self, log, last):
        """The numbers of a log's new records by their step, of the steps after the last one that was sent."""
        steps = {}
        for record in log.new():
            step = record.get("step", 0)
            if step > last:
                steps.setdefault(step, {}).update(numbers(record))
        for values in steps.values():
            values.pop("step", None)
        return steps

    def save(self):
        replace(self.about["state"], json.dumps(self.state, indent=1, sort_keys=True) + "\n")

    def finish(self):
        for job in self.jobs:
            self.send(job)
        for job in self.jobs:
            if job.is_open and not job.is_done:
                self.tracker.close(self.run(job.key))
        try:
            with open(self.about["files"], encoding="utf-8") as file:
                files = json.load(file)
        except FileNotFoundError:
            return
        if files:
            self.open("table", f"table of {self.about['experiment']}", {})
            self.tracker.files("table", files)
            self.tracker.close("table")
            self.save()


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        about = json.load(file)
    with open(about["state"] + ".lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another process sends this experiment")
        mirror = Mirror(about)
        while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            for job in mirror.jobs:
                mirror.send(job)
        mirror.finish()


if __name__ == "__main__":
    main()
