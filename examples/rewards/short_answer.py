"""A reward of one's own: 1 for code with the target's calls, less 0.01 for each word too many."""
import json
import re
import sys

calls = re.compile(r"[\w.]+(?=\()").findall
print(json.dumps({"protocol": 1, "version": "short_answer 1"}), flush=True)
for line in sys.stdin:
    rewards = []
    for item in json.loads(line)["items"]:
        code, target = item["code"] or "", item["target"]
        excess = max(0, len(code.split()) - len(target.split()))
        has_calls = set(calls(target)) <= set(calls(code))
        rewards.append(float(has_calls) - 0.01 * excess)
    print(json.dumps({"rewards": rewards}), flush=True)
