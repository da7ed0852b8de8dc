"""The peak of memory when a model is loaded, beside the size of its weights.

    python3 benches/memory.py target/release/recode

Writes random checkpoints of 107 million weights in two shards, f32 and bf16, loads each in f32 and
in bf16, and reads eight tokens with it. Needs nothing but Python. Prints a line each; the exit code is
1 if a peak in f32 is above 1.15 times the weights.

The peak of a child that `wait4` tells begins with the memory of the process that started it, so
that a parent which holds a model itself measures itself: here a small process starts the program.
"""

import array
import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

VOCABULARY, WIDTH, INNER, LAYERS, HEADS, KEY_HEADS = 32_000, 768, 2_304, 12, 12, 4
LIMIT = 1.15
ROOT = Path(__file__).resolve().parent.parent

# In a process of its own, which holds nothing yet.
STARTER = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(usage.ru_maxrss * 1024)
sys.exit(1 if status else 0)
"""


def shapes():
    """The tensors of a Qwen2 with tied embeddings, by name."""
    keys = WIDTH // HEADS * KEY_HEADS
    yield "model.embed_tokens.weight", [VOCABULARY, WIDTH]
    for index in range(LAYERS):
        layer = f"model.layers.{index}."
        for name, size in [("q", WIDTH), ("k", keys), ("v", keys)]:
            yield f"{layer}self_attn.{name}_proj.weight", [size, WIDTH]
            yield f"{layer}self_attn.{name}_proj.bias", [size]
        yield f"{layer}self_attn.o_proj.weight", [WIDTH, WIDTH]
        yield f"{layer}mlp.gate_proj.weight", [INNER, WIDTH]
        yield f"{layer}mlp.up_proj.weight", [INNER, WIDTH]
        yield f"{layer}mlp.down_proj.weight", [WIDTH, INNER]
        yield f"{layer}input_layernorm.weight", [WIDTH]
        yield f"{layer}post_attention_layernorm.weight", [WIDTH]
    yield "model.norm.weight", [WIDTH]


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


def write_model(folder, bytes_each, dtype, block):
    folder.mkdir()
    tensors = list(shapes())
    half = len(tensors) // 2
    places = {}
    for name, shard in [("first.safetensors", tensors[:half]), ("second.safetensors", tensors[half:])]:
        write_shard(folder / name, shard, bytes_each, dtype, block)
        places.update({tensor: name for tensor, _ in shard})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    config = {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "vocab_size": VOCABULARY,
        "hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KEY_HEADS, "hidden_act": "silu",
        "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "tie_word_embeddings": True, "eos_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = ROOT / "datasets/quickstart/tokenizer.json"
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())


def peak_bytes(*arguments):
    command = [sys.executable, "-c", STARTER, *map(str, arguments)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    program = sys.argv[1]
    random.seed(0)
    wide = array.array("f", [random.gauss(0.0, 0.02) for _ in range(1 << 18)]).tobytes()
    # The upper halves of the same numbers.
    narrow = b"".join(wide[at + 2 : at + 4] for at in range(0, len(wide), 4))
    weights = sum(size(shape) for _, shape in shapes())
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        prompts = folder / "prompts.jsonl"
        prompts.write_text('{"tokens": [5, 6, 7, 8], "completion_tokens": [9, 10, 11, 12]}\n')
        for disk, bytes_each, block in [("f32", 4, wide), ("bf16", 2, narrow)]:
            model = folder / disk
            write_model(model, bytes_each, disk.upper(), block)
            for memory, held_each in [("f32", 4), ("bf16", 2)]:
                peak = peak_bytes(program, "log-probs", model, "--prompt-file", prompts,
                                  "--dtype", memory)
                held = weights * held_each
                print(f"{disk:4} on disk, {memory:4} in memory: weights {held / 1e6:.0f} MB, "
                      f"peak {peak / 1e6:.0f} MB, {peak / held:.2f} times", flush=True)
                if memory == "f32":
                    worst = max(worst, peak / held)
    sys.exit(1 if worst > LIMIT else 0)


if __name__ == "__main__":
    main()
