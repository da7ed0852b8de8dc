"""Stands in for MLflow, W&B and Trackio in tests: each call that logs is a line `run metric step` in a file."""

import json
import os
import types


def write(run, values, step):
    with open(os.environ["FAKE_CALLS"], "a", encoding="utf-8") as file:
        for name in values:
            if name != "eval.step":
                file.write(f"{run} {name} {step}\n")


def remembered(run, step=None):
    """The step of a run, which is kept as by a server."""
    path = os.environ["FAKE_CALLS"] + ".steps"
    known = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
    if step is not None:
        known[run] = step
        with open(path, "w", encoding="utf-8") as file:
            json.dump(known, file)
    return known.get(run, 0)


class MlflowClient:
    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        return name

    def get_run(self, run):
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run))

    def update_run(self, run, status):
        pass

    def create_run(self, experiment, run_name, tags):
        return self.get_run(tags["recode.job"])

    def log_batch(self, run, metrics=(), params=()):
        for metric in metrics:
            # This client has no metrics without a step.
            step = "None" if metric.key.startswith("result.") else metric.step
            write(run, [metric.key], step)

    def set_terminated(self, run):
        pass


mlflow = types.SimpleNamespace(
    MlflowClient=MlflowClient,
    entities=types.SimpleNamespace(
        Param=lambda *values: values,
        Metric=lambda key, value, time, step: types.SimpleNamespace(key=key, step=step),
    ),
)


class WandbRun:
    def __init__(self, id):
        self.id, self.step = id, remembered(id)
        self.summary = types.SimpleNamespace(update=lambda values: write(id, values, None))

    def define_metric(self, name, step_metric):
        pass

    def log(self, values, step):
        # As the client, which ignores an earlier step.
        if step >= self.step:
            write(self.id, values, step)
            self.step = remembered(self.id, step)

    def finish(self):
        pass


wandb = types.SimpleNamespace(
    Settings=lambda **settings: None,
    init=lambda id, **settings: WandbRun(id),
)


class TrackioRun:
    def __init__(self, name):
        self.name = name.split(" ")[0]

    def log(self, values, step):
        write(self.name, values, step)


trackio = types.SimpleNamespace(
    init=lambda name, **settings: TrackioRun(name),
    finish=lambda: None,
)
