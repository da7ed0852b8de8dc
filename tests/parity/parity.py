"""Compares this program with transformers and PEFT on small random checkpoints, which it makes first, and
reads the program's event files with TensorBoard.

    parity.py PROGRAM [PART...]      parts: models odd rope half adapters chat tensorboard

Each check prints a line with the largest difference that it found; the exit code is 1 if one is too
large. Nothing is downloaded. The references have the versions of requirements.txt.
"""

import gzip
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen3Config

torch.set_num_threads(2)
torch.manual_seed(0)

LOGITS = 1e-4  # absolute, in 32 bits: a few hundred products are summed in another order
LOG_PROBS = 1e-5
VOCABULARY = 300
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

program = sys.argv[1]
failures = []
count = 0


def report(name, worst, limit):
    global count
    count += 1
    fine = worst <= limit
    print(f"{'ok  ' if fine else 'FAIL'}  {name:58} {worst:.2e}  (limit {limit:.0e})", flush=True)
    if not fine:
        failures.append(name)


def report_equal(name, found, expected):
    global count
    count += 1
    fine = found == expected
    print(f"{'ok  ' if fine else 'FAIL'}  {name}", flush=True)
    if not fine:
        print(f"      found    {found!r}\n      expected {expected!r}")
        failures.append(name)


def recode(*arguments, ok=True):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if ok and done.returncode != 0:
        raise SystemExit(f"recode {' '.join(map(str, arguments))}\n{done.stderr}")
    return done


def lines(*arguments):
    return [json.loads(line) for line in recode(*arguments).stdout.splitlines()]


def write_tokenizer(folder):
    """Writes a tokenizer of the words w3, w4 and so on, in the files of a real one."""
    words = SPECIAL + [f"w{index}" for index in range(len(SPECIAL), VOCABULARY)]
    added = [
        {"id": index, "content": word, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for index, word in enumerate(SPECIAL)
    ]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(words)},
                  "unk_token": "w3"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>",
              "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def shape(**changes):
    values = {
        "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 176,
        "num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 2,
        "max_position_embeddings": 256, "rms_norm_eps": 1e-6, "bos_token_id": None,
        "eos_token_id": 2, "pad_token_id": 0,
    }
    return values | changes


def make(folder, config, dtype=torch.float32, shard="5GB", stop=()):
    """Writes a checkpoint in which every parameter is random, norms and biases too."""
    model = AutoModelForCausalLM.from_config(config).to(torch.float32)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # So that logits are of order one, as those of real models.
            deviation = 0.15
            noise = torch.randn(parameter.shape, generator=generator) * deviation
            parameter.copy_(1.0 + 0.2 * noise if "norm" in name else noise)
    model = model.to(dtype).eval()
    model.generation_config.eos_token_id = list(stop) or None
    model.save_pretrained(folder, max_shard_size=shard)
    write_tokenizer(folder)
    return model


def prompts(lengths, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def write_lines(folder, rows):
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def reference_logits(model, tokens):
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0].float()


def compare_logits(name, folder, model, sequences, limit=LOGITS, options=()):
    """Compares the logits of every position: transformers reads each sequence alone, we read all in one batch."""
    file = write_lines(folder.parent, [{"tokens": s[:-4], "completion_tokens": s[-4:]} for s in sequences])
    found = lines("log-probs", folder, "--prompt-file", file, "--logits", *options)
    worst_logit, worst_log_prob = 0.0, 0.0
    for sequence, line in zip(sequences, found, strict=True):
        expected = reference_logits(model, sequence)
        worst_logit = max(worst_logit, (torch.tensor(line["logits"]) - expected).abs().max().item())
        chosen = expected.double().log_softmax(-1)[-5:-1].gather(1, torch.tensor(sequence[-4:])[:, None])
        ours = torch.tensor(line["log_probs"], dtype=torch.float64)
        worst_log_prob = max(worst_log_prob, (ours - chosen[:, 0]).abs().max().item())
    report(f"{name}: logits", worst_logit, limit)
    report(f"{name}: log-probs", worst_log_prob, limit * LOG_PROBS / LOGITS)


def left_padded(rows):
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def compare_greedy(name, folder, model, rows, tokens=64):
    """Compares greedy continuations, of both in one batch with padding on the left."""
    file = write_lines(folder.parent, [{"tokens": row} for row in rows])
    found = lines("generate", folder, "--prompt-file", file, "--max-tokens", tokens, "--json")
    ids, mask = left_padded(rows)
    with torch.no_grad():
        output = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=tokens,
                                eos_token_id=model.generation_config.eos_token_id, pad_token_id=0)
    stops = set(model.generation_config.eos_token_id or [])
    for index, line in enumerate(found):
        expected = output[index, ids.shape[1]:].tolist()
        ends = [place for place, token in enumerate(expected) if token in stops]
        expected = expected[: ends[0] + 1] if ends else expected
        report_equal(f"{name}: greedy row {index}, {len(expected)} tokens", line["tokens"], expected)


def each_rope():
    """Compares every kind of scaling, on texts longer than those of the original training."""
    yield "linear", {"rope_type": "linear", "factor": 4.0}
    yield "dynamic", {"rope_type": "dynamic", "factor": 4.0}
    yield "llama3", {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                     "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
    yield "yarn", {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
    yield "yarn sharpened", {"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.5,
                             "beta_fast": 16.0, "beta_slow": 2.0,
                             "original_max_position_embeddings": 32}
    yield "yarn mscale", {"rope_type": "yarn", "factor": 4.0, "mscale": 1.2, "mscale_all_dim": 0.7,
                          "original_max_position_embeddings": 32, "truncate": False}


def rope(folder):
    for name, parameters in each_rope():
        place = folder / name.replace(" ", "_")
        limit = 32 if name == "dynamic" else 128
        parameters = parameters | {"rope_theta": 10000.0}
        config = LlamaConfig(**shape(max_position_embeddings=limit, rope_parameters=parameters,
                                     tie_word_embeddings=False))
        model = make(place, config)
        # The short text in between resets the frequencies of transformers, see below.
        compare_logits(f"rope {name}", place, model, prompts([90, 20, 64]))
        fresh = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
        compare_greedy(f"rope {name}", place, fresh, prompts([25], seed=2), 64)
        # As transformers 4 spells it.
        path = place / "config.json"
        written = json.loads(path.read_text())
        new = written.pop("rope_parameters")
        written["rope_theta"] = new.pop("rope_theta")
        written["rope_scaling"] = {"type": new.pop("rope_type")} | new
        path.write_text(json.dumps(written))
        model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
        # The longer text comes last: transformers keeps the frequencies of the longest text that it has
        # read, until a text no longer than those of the original training resets them.
        compare_logits(f"rope {name}, old spelling", place, model, prompts([33, 80], seed=3))


def models(folder):
    cases = [
        ("qwen2 tied", Qwen2Config(**shape(tie_word_embeddings=True)), "5GB"),
        ("qwen2 untied sharded", Qwen2Config(**shape(tie_word_embeddings=False)), "200KB"),
        ("llama grouped", LlamaConfig(**shape(tie_word_embeddings=False)), "5GB"),
        ("llama biased tied wide head", LlamaConfig(**shape(
            attention_bias=True, tie_word_embeddings=True, head_dim=16, num_key_value_heads=8)), "300KB"),
        ("qwen3 wide head", Qwen3Config(**shape(tie_word_embeddings=True, head_dim=16)), "5GB"),
    ]
    for name, config, shard in cases:
        place = folder / name.replace(" ", "_")
        model = make(place, config, shard=shard, stop=[2, 17])
        sharded = (place / "model.safetensors.index.json").exists()
        report_equal(f"{name}: {'has' if sharded else 'has no'} shards", sharded, shard != "5GB")
        compare_logits(name, place, model, prompts([5, 40, 23, 12]))
        compare_greedy(f"{name}, batch 1", place, model, prompts([17], seed=4))
        compare_greedy(f"{name}, batch 4", place, model, prompts([3, 31, 12, 20], seed=5))


def odd(folder):
    """Checkpoints that are not what they seem: read as transformers reads them, or refused."""
    base = folder / "base"
    make(base, Qwen2Config(**shape(tie_word_embeddings=True)))
    weights = load_file(base / "model.safetensors")
    embedding = weights["model.embed_tokens.weight"]
    config = json.loads((base / "config.json").read_text())

    def variant(name, tensors=weights, without=(), **changes):
        place = folder / name.replace(" ", "_")
        shutil.copytree(base, place)
        save_file({key: value.clone() for key, value in tensors.items()},
                  place / "model.safetensors", metadata={"format": "pt"})
        kept = {key: value for key, value in config.items() if key not in without}
        (place / "config.json").write_text(json.dumps(kept | changes))
        return place

    bare = {key.removeprefix("model."): value for key, value in weights.items()}
    alone = {key: value for key, value in weights.items() if value is not embedding}
    theta = {"rope_theta": 5e5}
    for place in [
        variant("tied with another head", weights | {"lm_head.weight": embedding.flip(0)}),
        variant("tied with the same head", weights | {"lm_head.weight": embedding}),
        variant("tied with a head alone", alone | {"lm_head.weight": embedding}),
        variant("names without a prefix", bare),
        variant("theta in the new key alone", without=["rope_parameters"], rope_parameters=theta),
        variant("theta outside", without=["rope_parameters"], **theta, rope_parameters={"rope_type": "default"}),
        variant("an empty old key", rope_scaling={}, rope_parameters=theta | {"rope_type": "default"}),
    ]:
        model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
        compare_logits(place.name, place, model, prompts([20, 9]))

    file = write_lines(folder, [{"tokens": [5, 6], "completion_tokens": [7]}])
    bias = {"model.layers.0.self_attn.o_proj.bias": torch.zeros(64)}
    one = {"rope_type": "default", "rope_theta": 1e4}
    for place, expected in [
        (variant("a bias that nothing reads", weights | bias), "o_proj.bias`"),
        (variant("positions by layer", rope_parameters={"full_attention": one}), "`full_attention`"),
        (variant("quantised", quantization_config={"quant_method": "gptq"}), "`quantization_config`"),
        (variant("another scale", residual_multiplier=0.2), "`residual_multiplier`"),
        (variant("too wide", hidden_size=2**40), "`hidden_size`"),
    ]:
        done = recode("log-probs", place, "--prompt-file", file, ok=False)
        report_equal(f"{place.name} is refused by name", (done.returncode != 0, expected in done.stderr), (True, True))

    # Raw prompts begin as the tokenizer's post-processor says, and messages as their template.
    place = variant("with a first token")
    tokenizer = json.loads((place / "tokenizer.json").read_text())
    first = "<|endoftext|>"
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": first, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {first: {"id": first, "ids": [0], "tokens": [first]}},
    }
    (place / "tokenizer.json").write_text(json.dumps(tokenizer))
    # Not AutoTokenizer: its class for Qwen2 replaces the words of this tokenizer by bytes.
    reference = PreTrainedTokenizerFast(tokenizer_file=str(place / "tokenizer.json"))
    text, said = "w5 w6 w7", [{"role": "user", "content": "w5 w6"}]
    layout = TEMPLATES["chatml"]
    (place / "chat_template.jinja").write_text(layout)
    expected = [reference(text)["input_ids"],
                reference.apply_chat_template(said, chat_template=layout, add_generation_prompt=True,
                                              return_dict=False)]
    ends = {"completion_tokens": [8]}
    file = write_lines(folder, [{"prompt": text} | ends, {"messages": said} | ends]
                       + [{"tokens": row} | ends for row in expected])
    raw, chat, raw_tokens, chat_tokens = [row["log_probs"] for row in lines("log-probs", place, "--prompt-file", file)]
    report_equal("a raw prompt begins with the tokenizer's token", (expected[0][0], raw), (0, raw_tokens))
    report_equal("messages have the tokens of their template", chat, chat_tokens)


def half(folder):
    """Compares 16 bits on disk, read exactly into 32 bits, and computing in 16 bits."""
    for dtype, name in [(torch.bfloat16, "bf16"), (torch.float16, "f16")]:
        place = folder / name
        model = make(place, Qwen2Config(**shape(tie_word_embeddings=True)), dtype=dtype)
        sequences = prompts([30, 12], seed=6)
        wide = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()
        compare_logits(f"{name} on disk, f32 in memory", place, wide, sequences)
        # In 16 bits both round every intermediate value, but in different places. So both are
        # compared with 32 bits, and our difference may be at most twice that of transformers.
        theirs = max((reference_logits(model, s) - reference_logits(wide, s)).abs().max().item()
                     for s in sequences)
        file = write_lines(folder, [{"tokens": s[:-1], "completion_tokens": s[-1:]} for s in sequences])
        found = lines("log-probs", place, "--prompt-file", file, "--logits", "--dtype", name)
        ours = max((torch.tensor(line["logits"]) - reference_logits(wide, s)).abs().max().item()
                   for s, line in zip(sequences, found, strict=True))
        print(f"      {name} in memory: transformers is {theirs:.3f} from f32, this program {ours:.3f}")
        report(f"{name} in memory, against twice transformers' distance", ours, 2 * theirs)


def peft_adapter(model, kind, targets, r=4):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=r, lora_alpha=10, target_modules=targets, use_dora=kind == "dora",
                        lora_dropout=0.0, task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(parameter * (1 + 0.1 * noise) if "magnitude" in name else 0.1 * noise)
    return adapted.eval()


def adapters(folder):
    from peft import PeftModel

    config = Qwen2Config(**shape(tie_word_embeddings=True))
    for kind in ["lora", "dora"]:
        for targets in [["q_proj", "v_proj"], "all-linear"]:
            label = f"{kind} {targets if isinstance(targets, str) else ' '.join(targets)}"
            base = folder / label.replace(" ", "_")
            model = make(base, config)
            plain = reference_logits(model, prompts([20])[0])
            adapted = peft_adapter(model, kind, targets)
            adapter = folder / f"{base.name}_adapter"
            adapted.save_pretrained(adapter)
            changed = (reference_logits(adapted, prompts([20])[0]) - plain).abs().max().item()
            report_equal(f"{label}: the adapter changes logits", changed > 0.1, True)
            compare_logits(f"{label}: PEFT's files here", base, adapted, prompts([20, 9]),
                           options=["--adapter", adapter])
            # Wrapped twice, as in the paper's scripts.
            twice = folder / f"{base.name}_twice"
            shutil.copytree(adapter, twice)
            tensors = load_file(adapter / "adapter_model.safetensors")
            save_file({f"base_model.model.{key}": value for key, value in tensors.items()},
                      twice / "adapter_model.safetensors", metadata={"format": "pt"})
            compare_logits(f"{label}: keys wrapped twice", base, adapted, prompts([20, 9]),
                           options=["--adapter", twice])
            # We read and write it, then PEFT reads it.
            again = folder / f"{base.name}_again"
            recode("merge", adapter, "--base", base, "--out", again, "--adapter-only")
            fresh = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
            reread = PeftModel.from_pretrained(fresh, again).eval()
            compare_logits(f"{label}: our files in PEFT", base, reread, prompts([20, 9]),
                           options=["--adapter", adapter])
            # We merge it, then transformers reads it.
            merged = folder / f"{base.name}_merged"
            recode("merge", adapter, "--base", base, "--out", merged)
            plain = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
            worst = max((reference_logits(plain, s) - reference_logits(adapted, s)).abs().max().item()
                        for s in prompts([20, 9]))
            report(f"{label}: merged here, read by transformers", worst, LOGITS)
            compare_logits(f"{label}: merged here, read here", merged, adapted, prompts([20, 9]))
    # Refused by name.
    path = folder / "lora_q_proj_v_proj_adapter" / "adapter_config.json"
    written = json.loads(path.read_text())
    for key, value in [("rank_pattern", {"q_proj": 8}), ("alpha_pattern", {"q_proj": 8}),
                       ("use_rslora", True), ("bias", "all"), ("modules_to_save", ["lm_head"]),
                       ("init_lora_weights", "pissa"), ("init_lora_weights", "olora"),
                       ("alora_invocation_tokens", [5]), ("layers_to_transform", [0]),
                       ("layer_replication", [[0, 2]]), ("lora_bias", True)]:
        path.write_text(json.dumps(written | {key: value}))
        done = recode("merge", path.parent, "--base", base, "--out", folder / "no", ok=False)
        report_equal(f"{key} is refused by name", f"`{key}` is not supported" in done.stderr, True)


CONVERSATIONS = [
    [{"role": "user", "content": "Hi, what is 2 < 3 & 'x'?"}],
    [{"role": "system", "content": " Think first. "}, {"role": "user", "content": "Hi\n\nthere "}],
    [{"role": "system", "content": "S"}, {"role": "user", "content": "A"},
     {"role": "assistant", "content": "B"}, {"role": "user", "content": "C"}],
    [{"role": "user", "content": "A"}, {"role": "assistant", "content": "I will look.\n<think>\n"}],
    [{"role": "user", "content": "A"}, {"role": "assistant", "content": "<think>"}],
    [{"role": "user", "content": "naïve 漢字"}, {"role": "assistant", "content": "x"},
     {"role": "user", "content": "B"}, {"role": "assistant", "content": "```python\nx = 1\n"}],
]

# Templates like those of models on the hub; each tests another feature of the language.
TEMPLATES = {
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "instruct": "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ bos_token }}{%- set ns = namespace(found=false) -%}{%- for message in messages -%}{%- if message['role'] == 'system' -%}{%- set ns.found = true -%}{%- endif -%}{%- endfor -%}{%- if not ns.found -%}{{'You are a programmer.\n'}}{%- endif %}{%- for message in messages %}{%- if message['role'] == 'system' %}{{ message['content'] }}{%- elif message['role'] == 'user' %}{{'### Instruction:\n' + message['content'] + '\n'}}{%- else %}{{'### Response:\n' + message['content'] + '\n<|EOT|>\n'}}{%- endif %}{%- endfor %}{% if add_generation_prompt %}{{'### Response:'}}{% endif %}",
    "headers": "{%- if messages[0]['role'] == 'system' %}\n    {%- set system_message = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n{%- else %}\n    {%- set system_message = \"\" %}\n{%- endif %}\n{{- \"<|start_header_id|>system<|end_header_id|>\\n\\n\" }}\n{{- \"Today: \" + strftime_now(\"%d %b %Y\") + \"\\n\" }}\n{{- system_message }}\n{{- \"<|eot_id|>\" }}\n{%- for message in messages %}\n    {%- if not (message.role == 'ipython' or 'tool_calls' in message) %}\n        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}\n    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
    "thinking": "{%- for message in messages %}\n{%- set content = message.content %}\n{%- if message.role == 'assistant' and not loop.last %}\n{%- set content = content.split('</think>')[-1].lstrip('\\n') %}\n{%- endif %}\n<|{{ message.role|upper }}|>{{ content }}{{ eos_token if not loop.last or message.role != 'assistant' else '' }}\n{% endfor %}\n{%- if add_generation_prompt %}<|ASSISTANT|><think>\n{% endif %}",
    "generation marks and JSON": "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}{% else %}{{ {'role': m.role, 'text': m.content, 'n': [loop.index, loop.index0, none, true]} | tojson }}\n{% endif %}{% endfor %}{{ add_generation_prompt }} {{ none }}",
    "alternating or refused": "{% for m in messages %}{% if loop.index0 == 0 and m.role == 'system' %}{{ raise_exception('no system here') }}{% endif %}{% if m.role.startswith('u') %}[INST] {{ m.content.strip() }} [/INST]{% else %}{{ ' ' ~ m.content ~ eos_token }}{% endif %}{% endfor %}",
}


def chat(folder):
    from datetime import datetime

    place = folder / "model"
    model = make(place, Qwen2Config(**shape(tie_word_embeddings=True)))
    del model
    shared = Path(os.environ.get("RECODE_SHARED", "../shared")) / "data/tokenizers"
    templates = dict(TEMPLATES)
    if (shared / "qwen2.5.chat_template.jinja").exists():
        templates["qwen2.5 (real)"] = (shared / "qwen2.5.chat_template.jinja").read_text()
    else:
        print("      the real templates of RECODE_SHARED are not here: left out")
    for name, template in templates.items():
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|endoftext|>",
                  "eos_token": {"content": "<|im_end|>", "__type": "AddedToken", "special": True},
                  "chat_template": template}
        (place / "tokenizer_config.json").write_text(json.dumps(config))
        (place / "chat_template.jinja").unlink(missing_ok=True)
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(place / "tokenizer.json"),
                                            bos_token="<|endoftext|>", eos_token="<|im_end|>")
        for index, conversation in enumerate(CONVERSATIONS):
            continued = conversation[-1]["role"] == "assistant"
            try:
                expected = tokenizer.apply_chat_template(
                    conversation, chat_template=template, tokenize=False,
                    add_generation_prompt=not continued, continue_final_message=continued)
            except Exception as error:
                expected = f"refused: {error}"
            file = write_lines(folder, [{"messages": conversation}])
            done = recode("generate", place, "--prompt-file", file, "--show-prompt", ok=False)
            found = done.stdout if done.returncode == 0 else "refused: " + done.stderr.strip().rsplit(": ", 1)[-1]
            report_equal(f"{name}, conversation {index}", found, expected)
    # Named templates, and a file next to them, which takes precedence.
    config["chat_template"] = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]
    (place / "tokenizer_config.json").write_text(json.dumps(config))
    file = write_lines(folder, [{"messages": CONVERSATIONS[0]}])
    report_equal("a list of templates", recode("generate", place, "--prompt-file", file, "--show-prompt").stdout, "yes")
    (place / "chat_template.jinja").write_text("file")
    report_equal("a file of its own", recode("generate", place, "--prompt-file", file, "--show-prompt").stdout, "file")


SMALL = ["model.scratch.hidden_size=32", "model.scratch.intermediate_size=64",
         "model.scratch.num_hidden_layers=1", "train.sft.max_steps=12", "train.sft.lr.warmup_steps=2",
         "train.sft.batch_size=4", "train.grpo.max_steps=6", "train.grpo.batch_size=2",
         "train.grpo.group_size=4", "train.sampling.max_completion_tokens=24",
         "eval.sampling.max_completion_tokens=24", "eval.limit=4", "eval.samples.mini_arena=1",
         "table.cols=[\"mini_arena.pass@1\"]"]


def at(line, tag):
    """The value of an event's tag in a line of metrics.jsonl; None if the line does not have it."""
    group, name = tag.split("/")
    rollout = line.get("rollout", {})
    reward = rollout.get("reward", {})
    if name in line["timing"]:
        return line["timing"][name]
    groups = {"train": line, "reward": reward, "tests": reward.get("tests") or {}, "rollout": rollout,
              "reward_part": reward.get("parts", {}), "gaming": rollout.get("gaming", {})}
    return groups[group].get(name)


def tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = [part for setting in SMALL for part in ("--set", setting)]
    subprocess.run([os.path.abspath(program), "run", "experiments/from_scratch.toml", *settings],
                   cwd=Path(__file__).resolve().parents[2], check=True, capture_output=True,
                   env={**os.environ, "RECODE_RESULTS": str(folder)})
    for job in sorted((folder / "jobs").glob("train-*")):
        lines = [json.loads(line) for line in open(job / "metrics.jsonl")]
        events = EventAccumulator(str(job / "tb")).Reload()
        tags = sorted(events.Tags()["scalars"])
        for tag in tags:
            found = [(event.step, event.value) for event in events.Scalars(tag)]
            values = [(line["step"], at(line, tag)) for line in lines]
            expected = [(step, torch.tensor(value).item()) for step, value in values if value is not None]
            report_equal(f"event files: {tag}", found, expected)
        expected = {"train/loss", "train/learning_rate"} | ({"reward/total"} if "rollout" in lines[0] else set())
        report_equal(f"event files: {len(lines)} steps, {len(tags)} scalars", expected - {*tags}, set())


PARTS = {"models": models, "odd": odd, "rope": rope, "half": half, "adapters": adapters, "chat": chat,
         "tensorboard": tensorboard}

if __name__ == "__main__":
    chosen = sys.argv[2:] or list(PARTS)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    for part in chosen:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](Path(folder))
    print(f"{count} checks, {len(failures)} failed")
    sys.exit(1 if failures or not count else 0)
