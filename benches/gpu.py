#!/usr/bin/env python3
"""Speed, memory and digits on a GPU, compared with PyTorch, transformers and PEFT: `just gpu-bench`.

Usage: gpu.py --program BENCH --recode RECODE [--tests TESTS] [--work FOLDER] [--backend cuda] [PART...]

Parts: correct, ceilings, products, choices, logits, parts, decode, train, grpo (default: all). Each has a limit of
its own, and a part that fails does not end the others. `correct` runs the tests of the products on the
GPU and needs TESTS, the compiled tests of the library. `ceilings` measures a copy and a large product with
PyTorch; later figures are given as shares of these. Needs Python with `torch`, `transformers` and, for
`train`, `peft`; no network. The script makes random weights, and both sides read the same
folder. Each measurement is a process, and both sides take turns. With `--backend cpu` and
`--shape tiny` the script can be tried without a GPU.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

SHAPES = {
    "tiny": dict(hidden_size=64, intermediate_size=176, num_hidden_layers=2,
                 num_attention_heads=4, num_key_value_heads=2, vocab_size=512,
                 max_position_embeddings=2048, tie_word_embeddings=True),
    "0.5b": dict(hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
                 num_attention_heads=14, num_key_value_heads=2, vocab_size=151936,
                 max_position_embeddings=2048, rope_theta=1e6, tie_word_embeddings=True),
    "7b": dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28,
               num_attention_heads=28, num_key_value_heads=4, vocab_size=152064,
               max_position_embeddings=2048, rope_theta=1e6, tie_word_embeddings=False),
}
CONTEXT, STEPS = 700, 48
ROWS, LENGTH = 8, 800


def write(shape, folder, device):
    """Makes a model of random weights in bf16, in the Hugging Face layout."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        model = Qwen2ForCausalLM(Qwen2Config(bos_token_id=None, eos_token_id=None, **SHAPES[shape]))
    model.save_pretrained(folder)
    words = {f"w{index}": index for index in range(SHAPES[shape]["vocab_size"])}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
                 "normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"},
                 "post_processor": None, "decoder": None,
                 "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def quartile(seconds):
    return sorted(seconds)[len(seconds) // 4]


# --- PyTorch's side: one process for each measurement --------------------------------------------

def theirs_decode(arguments):
    import torch
    from transformers import AutoModelForCausalLM, StaticCache

    device = arguments.device
    model = AutoModelForCausalLM.from_pretrained(
        arguments.folder, dtype=torch.bfloat16, attn_implementation="sdpa").to(device).eval()
    batch, context, steps = arguments.batch, CONTEXT, STEPS
    count = torch.arange(batch * context, device=device)
    ids = ((count * 7919 + 13) % model.config.vocab_size).reshape(batch, context)

    def sync():
        if device == "cuda":
            torch.cuda.synchronize()

    def run(step):
        cache = StaticCache(config=model.config, max_cache_len=context + steps + 8)
        with torch.no_grad():
            output = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            token = output.logits[:, -1:].argmax(-1)
            seconds = []
            for index in range(steps):
                position = torch.tensor([context + index], device=device)
                sync()
                start = time.perf_counter()
                token = step(token, cache, position)
                token.tolist()
                seconds.append(time.perf_counter() - start)
        return seconds

    def eager(token, cache, position):
        output = model(token, past_key_values=cache, use_cache=True,
                       position_ids=position.expand(batch, 1), logits_to_keep=1)
        return output.logits[:, -1:].argmax(-1)

    run(eager)
    answer = {"static": run(eager)}
    if arguments.compile:
        try:
            forward = torch.compile(model.forward, mode="reduce-overhead", fullgraph=False)

            def compiled(token, cache, position):
                output = forward(input_ids=token.clone(), past_key_values=cache, use_cache=True,
                                 position_ids=position.expand(batch, 1).clone(), logits_to_keep=1)
                return output.logits[:, -1:].argmax(-1).clone()

            start = time.perf_counter()
            run(compiled)
            answer["compile"] = time.perf_counter() - start
            answer["compiled"] = run(compiled)
        except Exception as error:  # noqa: BLE001: the table reports it, and the rest continues
            answer["compile_error"] = repr(error)[:300]
    return answer


def theirs_train(arguments):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    device = arguments.device
    model = AutoModelForCausalLM.from_pretrained(
        arguments.folder, dtype=torch.bfloat16, attn_implementation="sdpa").to(device)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.enable_input_require_grads()
    model = get_peft_model(model, LoraConfig(
        r=64, lora_alpha=64, lora_dropout=0.0, use_dora=True, target_modules=["q_proj", "v_proj"]))
    model.train()
    parameters = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, fused=device == "cuda")
    ids = torch.randint(5, 500, (ROWS, LENGTH), device=device)
    labels = ids.clone()
    labels[:, : LENGTH // 2] = -100
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        loss = model(ids, labels=labels, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss.item()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds}


def theirs_ceilings(arguments):
    """Bytes a second of a copy, read and written, and operations a second of a product in bf16."""
    import torch

    device = arguments.device
    size, side = (2 << 30, 8192) if device == "cuda" else (1 << 26, 512)

    def best(work, rounds=8):
        seconds = []
        for _ in range(rounds):
            start = time.perf_counter()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied = 2 * size / best(lambda: target.copy_(source))
    a = torch.randn(side, side, device=device).bfloat16()
    b = torch.randn(side, side, device=device).bfloat16()
    multiplied = 2 * side ** 3 / best(lambda: a @ b)
    name = torch.cuda.get_device_name() if device == "cuda" else "processor"
    return {"name": name, "copy_gb_per_s": copied / 1e9, "product_tflop_per_s": multiplied / 1e12,
            "torch": torch.__version__, "cuda": torch.version.cuda}


# --- our side ------------------------------------------------------------------------------------

class Peak:
    """The most memory of the card that was in use while a block ran, in MiB."""

    def __enter__(self):
        self.most, self.is_over = 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def watch(self):
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        while not self.is_over.wait(0.1):
            try:
                used = subprocess.run(query, capture_output=True, text=True, check=True).stdout
                self.most = max(self.most, int(used.split()[0]))
            except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
                return

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def child(command, limit, environment=None):
    """Runs a command and gives the last line of its output as JSON, and the peak of memory."""
    with Peak() as peak:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit,
                                  env=environment or os.environ)
        except subprocess.TimeoutExpired:
            return {"error": f"not done after {limit} s"}, peak.most
    if done.returncode != 0:
        text = (done.stderr.strip() or done.stdout.strip())[-1500:]
        return {"error": f"ended with {done.returncode}: {text}"}, peak.most
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return (json.loads(lines[-1]) if lines else {"output": done.stdout[-2000:]}), peak.most


SPEC = """
name = "gpu_{name}"
[model]
base = "{model}"
dtype = "{dtype}"
chat = "none"
adapter = {{ kind = "dora", r = 64, alpha = 64, dropout = {dropout} }}
[data]
train = "{rows}"
[train]
algorithm = "{algorithm}"
max_steps = 4
batch_size = {batch}
group_size = 8
micro_batch_tokens = {most}
gradient_checkpointing = true
lr = {{ peak = 1e-5, warmup_steps = 1 }}
sampling = {{ max_completion_tokens = {completion} }}
[train.grpo]
batch_size = 1
[eval]
benchmarks = ["mini_general"]
limit = 1
sampling = {{ max_completion_tokens = 8 }}
[run]
backend = "{backend}"
seeds = [1]
"""


def spec(name, arguments, folder, rows, algorithm, dropout=0.0):
    path = folder / f"{name}.toml"
    path.write_text(SPEC.format(
        name=name, dropout=dropout, model=arguments.model, rows=rows, algorithm=algorithm, batch=ROWS,
        most=ROWS * LENGTH + 800, completion=512, backend=arguments.backend,
        dtype="bf16" if arguments.backend == "cuda" else "f32"))
    return path


def ours_run(path, arguments, folder, limit):
    results = folder / f"results-{path.stem}"
    environment = dict(os.environ, RECODE_RESULTS=str(results))
    answer, peak = child([arguments.recode, "run", str(path)], limit, environment)
    steps = []
    for log in results.glob("jobs/train-*/metrics.jsonl"):
        steps = [json.loads(line) for line in log.read_text().splitlines()]
    if not steps:
        answer.setdefault("error", "no step was logged")
    return steps, answer, peak


def texts(path):
    """Rows of exactly LENGTH tokens, half of them learnt."""
    chosen = random.Random(1)
    with path.open("w") as file:
        for _ in range(4 * ROWS):
            words = [f"w{chosen.randrange(5, 500)}" for _ in range(LENGTH)]
            half = LENGTH // 2
            row = {"prompt": " ".join(words[:half]), "completion": " ".join(words[half:])}
            file.write(json.dumps(row) + "\n")


def say(*words):
    print(*words, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--recode")
    parser.add_argument("--tests", help="the compiled tests of the library, for `correct`")
    parser.add_argument("--limit", type=float, default=3600, help="seconds after which no part starts")
    parser.add_argument("--work", default="/tmp/recode-gpu")
    parser.add_argument("--backend", default="cuda")
    parser.add_argument("--shape", default="7b")
    parser.add_argument("--batches", default="8,64")
    parser.add_argument("--only", default="", help="of `decode`: decode, generate or theirs")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--theirs")
    parser.add_argument("--folder")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("parts", nargs="*")
    arguments = parser.parse_args()
    arguments.device = "cuda" if arguments.backend == "cuda" else "cpu"
    if arguments.theirs:
        work = {"decode": theirs_decode, "train": theirs_train,
                "ceilings": theirs_ceilings}[arguments.theirs]
        say(json.dumps(work(arguments)))
        return
    folder = pathlib.Path(arguments.work)
    folder.mkdir(parents=True, exist_ok=True)
    all_parts = ["correct", "ceilings", "products", "choices", "logits", "parts", "decode", "train", "grpo"]
    wanted, begun = arguments.parts or all_parts, time.perf_counter()
    ceilings = {}

    class Chosen:
        """The parts that were asked for, up to the limit."""

        def __contains__(self, part):
            if part not in wanted:
                return False
            passed = time.perf_counter() - begun
            if passed > arguments.limit:
                say(f"# {part}: not begun, {passed:.0f} s have passed")
                return False
            say(f"# {part}, after {passed:.0f} s")
            return True

    chosen = Chosen()

    def model(shape):
        path = folder / shape
        if not (path / "tokenizer.json").exists():
            start = time.perf_counter()
            # In its own process, so that the GPU's memory is free afterwards.
            code = f"import sys, pathlib; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r}); " \
                   f"import gpu; gpu.write({shape!r}, pathlib.Path({str(path)!r}), {arguments.device!r})"
            subprocess.run([sys.executable, "-c", code], check=True)
            say(f"# model {shape} written in {time.perf_counter() - start:.0f} s")
        arguments.model = path
        return path

    def ours(work, path, limit, **options):
        words = [f"{key}={value}" for key, value in options.items()]
        return child([arguments.program, work, str(path), f"backend={arguments.backend}", *words],
                     limit)

    def theirs(work, path, limit, **options):
        words = [f"--{key}={value}" for key, value in options.items()]
        if arguments.compile:
            words.append("--compile")
        return child([sys.executable, __file__, "--program", arguments.program,
                      "--backend", arguments.backend, "--theirs", work, "--folder", str(path), *words],
                     limit)

    shape = arguments.shape
    if "correct" in chosen:
        if not arguments.tests:
            say("correct: SKIPPED, there is no --tests")
        else:
            tests = [arguments.tests, "--ignored", "--test-threads=1", "on_a_gpu"]
            try:
                done = subprocess.run(tests, capture_output=True, text=True, timeout=240)
                say(done.stdout[-3000:], done.stderr[-1500:])
            except subprocess.TimeoutExpired:
                say("correct: not done after 240 s")
    if "ceilings" in chosen:
        ceilings, _ = theirs("ceilings", folder, 60)
        say("ceilings:", json.dumps(ceilings))
    if "products" in chosen:
        for rows in [1, 8, 16, 64, 300, 6400]:
            answer, peak = ours("products", folder, 120, rows=rows, shape=shape)
            say(f"# products of {rows} rows, {peak} MiB")
            if "error" in answer:
                say(answer["error"])
                continue
            say("fallbacks:", answer.pop("fallbacks"))
            for name, one in answer.items():
                is_large = rows > 64
                unit = "tflop_per_s" if is_large else "gb_per_s"
                ceiling = ceilings.get("product_tflop_per_s" if is_large else "copy_gb_per_s")
                share = f"{100 * one[unit] / ceiling:>5.0f} % of the ceiling" if ceiling else ""
                say(f"{name:<16}{one['us']:>10.1f} us{one['queued_us']:>10.1f} us to queue"
                    f"{one['gb_per_s']:>8.0f} GB/s{one['tflop_per_s']:>8.1f} TFLOP/s{share}"
                    f"{one['first_s']:>8.2f} s at first")
    if "choices" in chosen:
        for rows in [8, 64]:
            answer, _ = ours("choices", folder, 90, rows=rows, shape=shape)
            say(f"# ways to compute products of {rows} rows")
            if "error" in answer:
                say(answer["error"])
                continue
            for name, one in answer.items():
                say(f"{name:<44}{one['us']:>10.1f} us{one['gb_per_s']:>8.0f} GB/s")
    if "logits" in chosen:
        answer, peak = ours("logits", model("0.5b" if shape == "7b" else shape), 240)
        say("# logits of the smaller shape against the processor in 32 bits:", json.dumps(answer),
            f"{peak} MiB")
    if "parts" in chosen:
        for batch in arguments.batches.split(","):
            answer, _ = ours("parts", folder, 240, batch=batch, context=CONTEXT)
            say(f"# single operations, batch {batch}")
            if "error" in answer:
                say(answer["error"])
            else:
                for name, one in answer.items():
                    say(f"{name:<32}{one['us']:>10.1f} us{one['queued_us']:>10.1f} us to queue"
                        f"{one['gb_per_s']:>8.0f} GB/s{one['first_s']:>8.2f} s at first")
    if "decode" in chosen:
        path = model(shape)
        for batch in arguments.batches.split(","):
            sizes = dict(batch=batch, context=CONTEXT, steps=STEPS)
            ways = {"decode": lambda: ours("decode", path, 400, **sizes),
                    "generate": lambda: ours("generate", path, 400, **sizes),
                    "theirs": lambda: theirs("decode", path, 400, batch=batch)}
            for way, measure in ways.items():
                if arguments.only and way not in arguments.only.split(","):
                    continue
                name = {"decode": "ours", "generate": "ours, whole", "theirs": "transformers"}[way]
                answer, peak = measure()
                line = f"decode {shape}, batch {batch}, {name}:"
                if "error" in answer:
                    say(line, answer["error"])
                    continue
                if "runs" in answer:
                    last = answer["runs"][-1]
                    times = last["times"]
                    gaps = [b - a for a, b in zip(times[1:], times[2:])]
                    say(line, f"{quartile(gaps) * 1e3:.2f} ms a step,",
                        f"{last['tokens'] / last['seconds']:.0f} tokens/s whole, first run",
                        f"{answer['runs'][0]['seconds']:.1f} s, {peak} MiB")
                    continue
                for key, seconds in answer.items():
                    if isinstance(seconds, list):
                        each = quartile(seconds)
                        say(line, key, f"{each * 1e3:.2f} ms a step, {int(batch) / each:.0f}",
                            f"tokens/s, slowest {max(seconds) * 1e3:.1f} ms, {peak} MiB")
                    else:
                        say(line, key, seconds if isinstance(seconds, str) else f"{seconds:.2f}")
    if "train" in chosen:
        path = model(shape)
        texts(folder / "texts.jsonl")
        # The paper's dropout as well: its masks cost more than nothing.
        for dropout in [0.0, 0.01]:
            name = "train" if dropout == 0 else "train_dropout"
            steps, answer, peak = ours_run(
                spec(name, arguments, folder, folder / "texts.jsonl", "sft", dropout), arguments,
                folder, 200)
            say(f"train {shape}, {ROWS} x {LENGTH}, dropout {dropout}, ours:",
                answer.get("error", ""), f"{peak} MiB")
            for step in steps:
                say("  ", json.dumps(step))
        answer, peak = theirs("train", path, 300)
        say(f"train {shape}, {ROWS} x {LENGTH}, transformers + peft:", json.dumps(answer),
            f"{peak} MiB")
    if "grpo" in chosen:
        model(shape)
        steps, answer, peak = ours_run(
            spec("grpo", arguments, folder, "migrations", "grpo"), arguments, folder, 300)
        say(f"grpo {shape}, 8 completions of 512, ours:", answer.get("error", ""), f"{peak} MiB")
        for step in steps:
            say("  ", json.dumps(step))


if __name__ == "__main__":
    main()
