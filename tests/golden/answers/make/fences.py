"""Writes generated answers and the code blocks that CommonMark has in them, as JSON lines.

Needs markdown-it-py (4.0.0 made `fences.jsonl`). Arguments: a seed and the number of answers. HTML is text, as in
`src/answer`. `fences.jsonl` is the output for `1 400`.
"""

import json
import random
import sys

from markdown_it import MarkdownIt

LINES = (
    "def run(x):|    return x + 1|\treturn x + 1|x = 1|  y = 2|   z = 3|run(1)|Here is the code:|Done.||||"
    "- item|* item|+ item|-|1. first|2) second|10. tenth|123456789. ninth|1.|  - inner|    - inner|   1. inner|-\titem|"
    "> quote|>quote|> > deep|>|# Title|Title|===|---|***|- - -|_ _ _|"
    "<div>|<answer>|</answer>|<!-- a|-->|<pre>|[a]: b|[a]:|'title'|`code`|``` inline ``` text|a ``` b|\\```|&#96;``|"
    "    indented|\tindented|  \tindented| \t  x|    |\t|      six"
).split("|")
FENCES = ("```", "```", "```", "````", "`````", "~~~", "~~~~", "``", "~~")
INFOS = ("", "", "python", "py", "Python title=\"a\"", " python", "{.python}", "a`b", "a~b", "text ", "\tmd", "&amp;", "\\*")
INDENTS = ("", "", "", "", " ", "  ", "   ", "    ", "     ", "\t", " \t", "   \t", "        ")
MARKERS = ("", "", "", "- ", "* ", "1. ", "> ", ">", "> - ", "- > ", "-   ", "-     ", "10. ", "  > ", "- - ")


def line(rng):
    start = rng.choice(MARKERS) if rng.random() < 0.4 else ""
    start += rng.choice(INDENTS) if rng.random() < 0.4 else ""
    kind = rng.random()
    if kind < 0.35:
        return start + rng.choice(FENCES) + (rng.choice(INFOS) if rng.random() < 0.6 else "") + rng.choice(("", "", " ", "\t"))
    return start + rng.choice(LINES)


def answer(rng):
    text = "\n".join(line(rng) for _ in range(rng.randrange(1, 14)))
    return text + rng.choice(("", "\n", "\n\n"))


def main():
    rng = random.Random(int(sys.argv[1]))
    reference = MarkdownIt("commonmark", {"html": False})
    for _ in range(int(sys.argv[2])):
        text = answer(rng)
        blocks = [
            [token.type == "fence", token.info.strip(), token.content]
            for token in reference.parse(text)
            if token.type in ("fence", "code_block")
        ]
        sys.stdout.write(json.dumps({"text": text, "blocks": blocks}, ensure_ascii=False) + "\n")


main()
