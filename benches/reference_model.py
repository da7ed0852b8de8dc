"""PyTorch eager with transformers, driven line by line by `benches/model.rs`.

Usage: reference_model.py FOLDER. Writes a folder for each requested model of random weights, then
answers each line of JSON on standard input with a line of JSON.
"""

import json
import pathlib
import sys
import time

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

SHAPES = {
    "tiny": dict(hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=4,
                 num_key_value_heads=2, vocab_size=512, max_position_embeddings=1024),
    "qwen2.5-0.5b": dict(hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
                         num_attention_heads=14, num_key_value_heads=2, vocab_size=151936,
                         max_position_embeddings=2048, rope_theta=1e6),
}


def write(name, folder):
    """Makes a model and writes it to the folder that the other side reads."""
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(tie_word_embeddings=True, **SHAPES[name])).eval()
    model.save_pretrained(folder)
    # Transformers 5 nests the base of the wave lengths; the other side reads both forms.
    words = {f"w{index}": index for index in range(SHAPES[name]["vocab_size"])}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
                 "normalizer": None, "pre_tokenizer": {"type": "Whitespace"},
                 "post_processor": None, "decoder": None,
                 "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"}}
    (pathlib.Path(folder) / "tokenizer.json").write_text(json.dumps(tokenizer))
    return model


def tokens(model, batch, time):
    """The tokens that both sides use."""
    count = torch.arange(batch * time)
    return ((count * 7919 + 13) % model.config.vocab_size).reshape(batch, time)


@torch.no_grad()
def decode(model, batch, context, steps):
    past = model(tokens(model, batch, context), use_cache=True, logits_to_keep=1).past_key_values
    seconds = []
    for step in range(steps):
        token = torch.full((batch, 1), step + 1)
        start = time.perf_counter()
        output = model(token, past_key_values=past, use_cache=True)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "logits": output.logits[0, -1, :64].tolist()}


@torch.no_grad()
def prompt(model, length, steps):
    ids = tokens(model, 1, length)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        output = model(ids, use_cache=True, logits_to_keep=1)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "logits": output.logits[0, -1, :64].tolist()}


def train(model, batch, length, steps):
    model.train()
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    ids = tokens(model, batch, length)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        loss = model(ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    model.eval()
    return {"seconds": seconds, "logits": []}


def main():
    torch.set_num_threads(2)
    root = pathlib.Path(sys.argv[1])
    models = {}
    for line in sys.stdin:
        request = json.loads(line)
        name = request["model"]
        if name not in models:
            models[name] = write(name, root / name)
        model, work = models[name], request["work"]
        if work == "write":
            answer = {"torch": torch.__version__}
        elif work == "decode":
            answer = decode(model, request["batch"], request["context"], request["steps"])
        elif work == "prompt":
            answer = prompt(model, request["context"], request["steps"])
        else:
            answer = train(model, request["batch"], request["context"], request["steps"])
        print(json.dumps(answer), flush=True)


main()
