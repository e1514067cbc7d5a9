"""A checker of additions, such as 17+25=42; with a word behind, one that fails in that way."""

from __future__ import annotations

import json
import re
import sys
import time

PARTS = re.compile(r"(?:([1-9]\d?)(?:(\+)(?:([1-9]\d?)(?:(=)(\d*))?)?)?)?")
FAULTY_FROM = 6  # the question with which it fails


def verdict(text: str) -> str:
    match = PARTS.fullmatch(text)
    if match is None:
        return "dead"
    first, _, second, equals, said = match.groups()
    if not equals:
        return "viable"
    right = str(int(first) + int(second))
    if said == right:
        return "final"
    return "viable" if right.startswith(said) else "dead"


def fail(way: str) -> None:
    if way == "hang":
        time.sleep(3600)
    if way == "die":
        sys.exit(3)
    print("nonsense", flush=True)


for number, line in enumerate(sys.stdin):
    question = json.loads(line)
    if len(sys.argv) > 1 and number >= FAULTY_FROM:
        fail(sys.argv[1])
    else:
        said = [verdict(question["text"] + one) for one in question["next"]]
        print(json.dumps(said), flush=True)
