"""Builds `from_scratch/tokenizer.json`: a small byte-level BPE, from the migrations beside it.

    python3 datasets/make/from_scratch/tokenizer.py            writes it
    python3 datasets/make/from_scratch/tokenizer.py --check    only reports whether it would change

Every single byte is also a token, so that every text can be encoded and decoded without loss.
Words, single digits, runs of punctuation and runs of white space are never merged with one
another: a name has the same tokens everywhere, so that a small model can copy it.
"""

import collections
import json
import pathlib
import re
import sys

DATASETS = pathlib.Path(__file__).resolve().parents[2]
SIZE = 1024  # at most; merging stops earlier once every frequent word is one token
SPECIAL = ("<|endoftext|>", "<|pad|>")
PATTERN = r"\p{L}+|\p{N}|[^\s\p{L}\p{N}]+|\s+"
ASCII_PATTERN = re.compile(r"[A-Za-z]+|[0-9]|[^\sA-Za-z0-9]+|\s+")  # the same on this data


def characters_of_bytes():
    """The printable character that stands for each byte in a byte-level vocabulary."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {byte: chr(byte) for byte in plain}
    table.update({byte: chr(256 + place) for place, byte in enumerate(others)})
    return table


def texts():
    """What the tiny model reads and writes: prompts and answers, as its templates lay them out."""
    path = DATASETS / "from_scratch/migrations.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield f"<doc>\n{row['update_info']}\n</doc>\n```python\n{row['old_code']}\n```\n<think>"
        yield f"\n</think>\n<answer>\n```python\n{row['new_code']}\n```\n</answer>"


def learn(counts, merges_wanted):
    """The most frequent pair of neighbours, again and again; ties go to the smaller pair."""
    words = {word: tuple(word) for word in counts}
    merges = []
    while len(merges) < merges_wanted:
        pairs = collections.Counter()
        for word, parts in words.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        merges.append(best)
        words = {word: merged(parts, best) for word, parts in words.items()}
    return merges


def merged(parts, pair):
    result, position = [], 0
    while position < len(parts):
        if parts[position : position + 2] == pair:
            result.append(pair[0] + pair[1])
            position += 2
        else:
            result.append(parts[position])
            position += 1
    return tuple(result)


def build():
    table = characters_of_bytes()
    counts = collections.Counter()
    for text in texts():
        if not text.isascii():
            raise SystemExit("the data is no longer ASCII: `ASCII_PATTERN` does not serve")
        for word in ASCII_PATTERN.findall(text):
            counts["".join(table[byte] for byte in word.encode())] += 1
    merges = learn(counts, SIZE - len(table) - len(SPECIAL))
    tokens = [*SPECIAL, *(table[byte] for byte in range(256))]
    for pair in merges:
        if (token := "".join(pair)) not in tokens:
            tokens.append(token)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False, "special": True}
            for number, token in enumerate(SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated",
                 "invert": False},
                byte_level,
            ],
        },
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": [list(pair) for pair in merges],
        },
    }


def main():
    text = json.dumps(build(), ensure_ascii=False, indent=1) + "\n"
    path = DATASETS / "from_scratch/tokenizer.json"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        print("nothing changed")
        return 0
    print("changed: from_scratch/tokenizer.json")
    if "--check" in sys.argv:
        return 1
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
