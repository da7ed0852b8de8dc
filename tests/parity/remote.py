"""Compares a model behind an endpoint with the same model run locally: remote.py PROGRAM

Serves the tiny base model with `mlx_lm.server` on this machine, evaluates it through the endpoint and
locally, both greedily, and compares every completion. Run it with a Python that has the server:
    pip install "mlx[cpu]==0.32.4" mlx-lm==0.32.2 transformers==5.24.0
It downloads nothing. The exit code is 1 if more than a twentieth of the completions differ: the
two programs sum in different orders, so that they may choose differently between equally likely tokens.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from transformers import AutoTokenizer

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "datasets/tiny/base"

# The prompt is the text of the message, as with `chat = "none"`.
TEMPLATE = "{{ messages[0]['content'] }}"

SPEC = """
include = ["{root}/experiments/quickstart.toml"]
name = "remote"
[model.remote]
base_url = "http://127.0.0.1:{port}/v1"
model = "default_model"
key_variable = "none"
concurrency = 4
attempts = 20
[train]
algorithm = "none"
[eval]
benchmarks = ["mini_arena"]
samples = {{ mini_arena = 1 }}
sampling = {{ temperature = 0.0, top_p = 1.0 }}
[grid]
"model.base" = ["{model}", "remote"]
[table]
cols = ["mini_arena.pass@1"]
"""


def wait_for(port):
    body = json.dumps({"model": "default_model", "max_tokens": 1,
                       "messages": [{"role": "user", "content": "def"}]}).encode()
    for _ in range(60):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/chat/completions", body, 120)
            return
        except OSError:
            time.sleep(2)
    raise SystemExit("the server does not answer")


def completions(results):
    """The completions of each job by task, the remote job first."""
    found = {}
    for file in results.glob("jobs/*/samples.jsonl"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        is_remote = any("prompt_tokens" in line for line in lines)
        found[is_remote] = {line["task_id"]: line["completion"] for line in lines}
    return found[True], found[False]


def copy_of_model(folder):
    """Copies the model with the tokenizer that transformers makes of its files: transformers splits the
    texts of a Qwen2 by a rule of its own, whatever `tokenizer.json` says."""
    copy = folder / "tiny"
    shutil.copytree(MODEL, copy)
    AutoTokenizer.from_pretrained(MODEL).save_pretrained(copy)
    return copy


def measure(program, folder):
    model = copy_of_model(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = [sys.executable, "-m", "mlx_lm", "server", "--model", model, "--port", port,
             "--chat-template", TEMPLATE]
    server = subprocess.Popen(list(map(str, serve)), stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        spec = folder / "remote.toml"
        spec.write_text(SPEC.format(root=ROOT, port=port, model=model))
        results = folder / "results"
        subprocess.run([program, "run", spec], check=True, cwd=ROOT,
                       env={**os.environ, "RECODE_RESULTS": str(results)})
        return completions(results)
    finally:
        server.terminate()
        server.wait()


def main():
    with tempfile.TemporaryDirectory() as folder:
        there, here = measure(Path(sys.argv[1]).resolve(), Path(folder))
    assert there.keys() == here.keys() and here
    equal = sum(there[task] == here[task] for task in here)
    print(f"{equal} of {len(here)} greedy completions are the same, letter by letter")
    sys.exit(0 if 20 * equal >= 19 * len(here) else 1)


if __name__ == "__main__":
    main()
