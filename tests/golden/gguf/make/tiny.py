# A small Llama model as the reference package writes it, with a tensor of each type that the package can quantise.
# Writes tiny.gguf, and tiny.json with the SHA-256 of the float32 numbers of each tensor in the layout of transformers.
# pip install gguf==0.19.0
import hashlib, json, os
import numpy as np
import gguf
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

here = os.path.join(os.path.dirname(__file__), "..")
rng = np.random.default_rng(21)
HIDDEN, WIDE, HEADS, KV, DIM = 32, 64, 2, 1, 16

def bytes_to_unicode():
    bs = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    cs, n = bs[:], 0
    for b in range(256):
        if b not in bs:
            bs.append(b); cs.append(256 + n); n += 1
    return dict(zip(bs, map(chr, cs)))

special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
pieces = list(bytes_to_unicode().values())
merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "1 2"]
merged = [m.replace(" ", "") for m in merges]
tokens = special + pieces + merged + ["<note>", "[PAD267]"]
kinds = [3] * 3 + [1] * (len(pieces) + len(merged)) + [4, 5]

w = gguf.GGUFWriter(os.path.join(here, "tiny.gguf"), "llama")
w.add_name("tiny"); w.add_quantization_version(2)
w.add_block_count(1); w.add_context_length(64); w.add_embedding_length(HIDDEN); w.add_feed_forward_length(WIDE)
w.add_head_count(HEADS); w.add_head_count_kv(KV); w.add_rope_freq_base(100000.0)
w.add_layer_norm_rms_eps(1e-5); w.add_rope_dimension_count(DIM); w.add_vocab_size(len(tokens))
w.add_tokenizer_model("gpt2"); w.add_tokenizer_pre("smollm")
w.add_token_list(tokens); w.add_token_types(kinds); w.add_token_merges(merges)
w.add_bos_token_id(1); w.add_eos_token_id(2); w.add_add_bos_token(False)
w.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}{{ eos_token }}{% endfor %}")

def permute(x, heads):  # as in convert_hf_to_gguf.py
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)

digests = {}
def add(name, theirs, shape, kind, heads=None):
    x = rng.standard_normal(shape).astype(np.float32)
    stored = permute(x, heads) if heads else x
    data = quantize(np.ascontiguousarray(stored), kind) if kind != T.F32 else stored
    w.add_tensor(theirs, data, raw_dtype=kind)
    back = dequantize(data, kind).reshape(shape) if kind != T.F32 else stored
    if heads:  # the inverse: the halves are next to each other again
        back = back.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
    digests[name] = hashlib.sha256(np.ascontiguousarray(back).astype("<f4").tobytes()).hexdigest()

add("model.embed_tokens.weight", "token_embd.weight", (len(tokens), HIDDEN), T.Q8_0)
add("model.norm.weight", "output_norm.weight", (HIDDEN,), T.F32)
p, q = "model.layers.0.", "blk.0."
add(p + "input_layernorm.weight", q + "attn_norm.weight", (HIDDEN,), T.F32)
add(p + "self_attn.q_proj.weight", q + "attn_q.weight", (HEADS * DIM, HIDDEN), T.Q4_1, HEADS)
add(p + "self_attn.k_proj.weight", q + "attn_k.weight", (KV * DIM, HIDDEN), T.Q4_0, KV)
add(p + "self_attn.v_proj.weight", q + "attn_v.weight", (KV * DIM, HIDDEN), T.Q5_0)
add(p + "self_attn.o_proj.weight", q + "attn_output.weight", (HIDDEN, HEADS * DIM), T.Q5_1)
add(p + "post_attention_layernorm.weight", q + "ffn_norm.weight", (HIDDEN,), T.F32)
add(p + "mlp.gate_proj.weight", q + "ffn_gate.weight", (WIDE, HIDDEN), T.F16)
add(p + "mlp.up_proj.weight", q + "ffn_up.weight", (WIDE, HIDDEN), T.BF16)
add(p + "mlp.down_proj.weight", q + "ffn_down.weight", (HIDDEN, WIDE), T.F32)
w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
json.dump(dict(format=1, sha256=digests), open(os.path.join(here, "tiny.json"), "w"), indent=1)
