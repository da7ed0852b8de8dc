# Random blocks of each type of tensors of GGUF, and their numbers by the reference package. Writes blocks.json.
# pip install gguf==0.19.0
import json, os
import numpy as np
from gguf import GGMLQuantizationType as T, GGML_QUANT_SIZES
from gguf.quants import dequantize

rng = np.random.default_rng(20)
# Where a block has numbers of 16 bits, which must be finite.
HALVES = dict(F16=[0], Q4_0=[0], Q4_1=[0, 2], Q5_0=[0], Q5_1=[0, 2], Q8_0=[0], Q2_K=[80, 82], Q3_K=[108],
              Q4_K=[0, 2], Q5_K=[0, 2], Q6_K=[208])
types = {}
for name in ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]:
    kind = T[name]
    block, size = GGML_QUANT_SIZES[kind]
    count = 2 if block > 1 else 8
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    if name == "F32":
        data = rng.standard_normal(count).astype("<f4").view(np.uint8).reshape(count, size)
    if name == "BF16":
        data = (rng.standard_normal(count).astype("<f4").view("<u4") >> 16).astype("<u2").view(np.uint8).reshape(count, size)
    for at in HALVES.get(name, []):
        data[:, at:at + 2] = rng.standard_normal(count).astype("<f2").view(np.uint8).reshape(count, 2)
    values = dequantize(data.reshape(1, -1), kind).astype("<f4")
    assert values.size == count * block and np.isfinite(values).all()
    types[name] = dict(id=int(kind), bytes=data.tobytes().hex(), values=values.tobytes().hex())
path = os.path.join(os.path.dirname(__file__), "..", "blocks.json")
json.dump(dict(format=1, notes="little-endian bytes as hexadecimal digits; values are of 32 bits", types=types), open(path, "w"), indent=1)
