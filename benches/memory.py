"""The peak memory of loading and of training a model.

    python3 benches/memory.py target/release/recode [load] [train]

`load` writes random checkpoints of 107 million weights in two shards, f32 and bf16, loads each in f32
and in bf16, and reads eight tokens with it; it fails if a peak in f32 is above 1.15 times the weights.
`train` writes a random checkpoint of the shape of Qwen2.5-0.5B, trains it for two steps in several
ways and compares the peak with what `recode plan` says; it fails if they differ by more than 15 %.
Needs only Python, and 24 GB of memory for `train`. Prints one line for each measurement.

The peak that `wait4` reports for a child includes the memory of the process that started it. A
parent that holds a model would measure itself, so a small process starts the program.
"""

import array
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

SMALL = (32_000, 768, 2_304, 12, 12, 4)
HALF_BILLION = (151_936, 896, 4_864, 24, 14, 2)
LIMIT = 1.15
ROOT = Path(__file__).resolve().parent.parent

# The source of that small process.
STARTER = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(usage.ru_maxrss * 1024)
sys.exit(1 if status else 0)
"""


def shapes(shape):
    """The tensors of a Qwen2 with tied embeddings, by name."""
    vocabulary, width, inner, layers, heads, key_heads = shape
    keys = width // heads * key_heads
    yield "model.embed_tokens.weight", [vocabulary, width]
    for index in range(layers):
        layer = f"model.layers.{index}."
        for name, out in [("q", width), ("k", keys), ("v", keys)]:
            yield f"{layer}self_attn.{name}_proj.weight", [out, width]
            yield f"{layer}self_attn.{name}_proj.bias", [out]
        yield f"{layer}self_attn.o_proj.weight", [width, width]
        yield f"{layer}mlp.gate_proj.weight", [inner, width]
        yield f"{layer}mlp.up_proj.weight", [inner, width]
        yield f"{layer}mlp.down_proj.weight", [width, inner]
        yield f"{layer}input_layernorm.weight", [width]
        yield f"{layer}post_attention_layernorm.weight", [width]
    yield "model.norm.weight", [width]


def size(shape):
    return shape[0] * (shape[1] if len(shape) > 1 else 1)


def write_shard(path, tensors, bytes_each, dtype, block):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        begin, end = end, end + size(shape) * bytes_each
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        while end > 0:
            file.write(block[:end])
            end -= len(block)


def write_model(folder, shape, bytes_each, dtype, block):
    folder.mkdir()
    vocabulary, width, inner, layers, heads, key_heads = shape
    tensors = list(shapes(shape))
    half = len(tensors) // 2
    places = {}
    for name, shard in [("first.safetensors", tensors[:half]), ("second.safetensors", tensors[half:])]:
        write_shard(folder / name, shard, bytes_each, dtype, block)
        places.update({tensor: name for tensor, _ in shard})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    config = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": vocabulary,
        "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": key_heads, "hidden_act": "silu",
        "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "tie_word_embeddings": True, "eos_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config))
    words = {f"w{index}": index for index in range(512)}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
                 "normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"},
                 "post_processor": None, "decoder": None,
                 "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def peak_bytes(*arguments, environment=None):
    command = [sys.executable, "-c", STARTER, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(done.stderr[-2000:])
    return int(done.stdout)


def load(program, folder, wide, narrow):
    """Whether every peak is within the limit."""
    weights = sum(size(shape) for _, shape in shapes(SMALL))
    worst = 0.0
    prompts = folder / "prompts.jsonl"
    prompts.write_text('{"tokens": [5, 6, 7, 8], "completion_tokens": [9, 10, 11, 12]}\n')
    for disk, bytes_each, block in [("f32", 4, wide), ("bf16", 2, narrow)]:
        model = folder / disk
        write_model(model, SMALL, bytes_each, disk.upper(), block)
        for memory, held_each in [("f32", 4), ("bf16", 2)]:
            peak = peak_bytes(program, "log-probs", model, "--prompt-file", prompts,
                              "--dtype", memory)
            held = weights * held_each
            print(f"{disk:4} on disk, {memory:4} in memory: weights {held / 1e6:.0f} MB, "
                  f"peak {peak / 1e6:.0f} MB, {peak / held:.2f} times", flush=True)
            worst = max(worst, peak / held)
    return worst <= LIMIT


SPEC = """
name = "memory"
[model]
base = "{model}"
dtype = "f32"
chat = "none"
adapter = {{ kind = "{kind}", r = 64, alpha = 64, dropout = 0.0 }}
[data]
train = "{rows}"
[train]
algorithm = "{algorithm}"
max_steps = 2
batch_size = {batch}
group_size = 4
max_prompt_tokens = 128
micro_batch_tokens = {most}
gradient_checkpointing = {checkpointing}
sampling = {{ max_completion_tokens = 128 }}
lr = {{ warmup_steps = 0 }}
[eval]
benchmarks = ["mini_general"]
limit = 1
max_prompt_tokens = 8
sampling = {{ max_completion_tokens = 1 }}
[run]
seeds = [1]
"""

CASES = [
    # algorithm, adapter, rows a step, tokens a micro-batch, one block's graph at a time
    ("sft", "dora", 4, 1024, False),
    ("sft", "dora", 4, 1024, True),
    ("sft", "lora", 4, 512, False),
    ("sft", "none", 4, 1024, True),
    ("grpo", "dora", 1, 1024, False),
]


def train(program, folder, wide):
    """Whether every peak is within 15 % of what the plan says."""
    model = folder / "half-billion"
    write_model(model, HALF_BILLION, 4, "F32", wide)
    chosen = random.Random(1)
    words = lambda count: " ".join(f"w{chosen.randrange(5, 500)}" for _ in range(count))
    texts = folder / "texts.jsonl"
    with texts.open("w") as file:
        for _ in range(16):
            file.write(json.dumps({"prompt": words(128), "completion": words(127)}) + "\n")
    is_close = True
    for place, (algorithm, kind, batch, most, checkpointing) in enumerate(CASES):
        spec = folder / f"memory{place}.toml"
        spec.write_text(SPEC.format(
            model=model, kind=kind, rows=texts if algorithm == "sft" else "migrations",
            algorithm=algorithm, batch=batch, most=most, checkpointing=str(checkpointing).lower()))
        plan = subprocess.run([program, "plan", spec, "--json"], check=True, capture_output=True)
        (parts,) = json.loads(plan.stdout)["memory"].values()
        standing = sum(parts[key] for key in
                       ("weights", "adapter", "gradients", "optimizer", "reference"))
        planned = standing + max(parts["merged"] + parts["kv_cache"],
                                 parts["activations"] + parts["head"], parts["step"])
        environment = dict(os.environ, RECODE_RESULTS=str(folder / f"results{place}"))
        peak = peak_bytes(program, "run", spec, environment=environment)
        print(f"{algorithm:4} {kind:4} {most:5} tokens, by block {str(checkpointing):5}: planned "
              f"{planned / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB, {peak / planned:.2f} times; "
              + ", ".join(f"{key} {value / 1e6:.0f}" for key, value in parts.items() if value),
              flush=True)
        is_close &= abs(peak / planned - 1.0) <= 0.15
    return is_close


def main():
    program, *parts = sys.argv[1:]
    random.seed(0)
    wide = array.array("f", [random.gauss(0.0, 0.02) for _ in range(1 << 18)]).tobytes()
    # bf16 has the upper halves of the same numbers.
    narrow = b"".join(wide[at + 2 : at + 4] for at in range(0, len(wide), 4))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        is_fine = True
        if not parts or "load" in parts:
            is_fine &= load(program, folder, wide, narrow)
        if not parts or "train" in parts:
            is_fine &= train(program, folder, wide)
    sys.exit(0 if is_fine else 1)


if __name__ == "__main__":
    main()
