"""Prompts that were altered in one number, name or negation, so that they ask something else."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_rt.generation.cache.lexicon import FUNCTION
from evallib import EvalError
from evallib.pairs import Pair
from evallib.task import read_rows

KINDS = ("number", "name", "negation")
LONGEST = 800  # characters: what an embedding model reads whole

_SOURCES: dict[str, Callable[[Any], str]] = {
    "prompts/mt_bench_question.jsonl": lambda row: row["turns"][0],
    "prompts/arena_hard_v0.1.jsonl": lambda row: row["prompt"],
    "gsm8k/test.jsonl": lambda row: row["question"],
    "arc/arc_challenge_test.jsonl": lambda row: row["query"].removeprefix("Question: "),
    "mmlu/mmlu_test_20_per_subject.jsonl": lambda row: row["question"],
    "math/svamp.jsonl": lambda row: row["context"],
}
_SPELT = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve")
_NUMBER = re.compile(rf"\b(?:\d+|{'|'.join(_SPELT)})\b")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")  # not where a sentence begins
_AUXILIARY = re.compile(
    r"(?<=[a-z] )(?:is|are|was|were|can|could|should|will|would|does|did|has|have|must)\b(?! not)"
)
_NEGATION = re.compile(r"\b(?:is|are|was|were|can|could|should|will|would|do|does|did) not\b")


def altered(data: Path, number: int, seed: int) -> list[Pair]:
    """So many pairs, of each kind as many, from all the prompts in turn; raises EvalError."""
    draw = random.Random(seed)
    prompts = list(_mixed(data, draw))
    found = {name for prompt in prompts for name in _NAME.findall(prompt)}
    names = sorted(name for name in found if name.casefold() not in FUNCTION)
    pairs: list[Pair] = []
    for at, kind in enumerate(KINDS):
        wanted = (number + at) // len(KINDS)
        changed = ((one, _ALTER[kind](one, draw, names)) for one in prompts)
        found = [Pair(kind, one, other, False) for one, other in changed if other is not None]
        if len(found) < wanted:
            raise EvalError(f"only {len(found)} prompts can be altered in a {kind}, not {wanted}")
        pairs += draw.sample(found, wanted)
    return pairs


def _mixed(data: Path, draw: random.Random) -> Iterator[str]:
    """Return all prompts that are short enough, once each, in any order."""
    texts: list[str] = []
    for file, text in _SOURCES.items():
        try:
            texts += [text(row) for row in read_rows(data, file)]
        except (KeyError, IndexError, TypeError) as error:
            raise EvalError(f"{data / file}: not as it is known: {error!r}") from error
    texts = [text for text in dict.fromkeys(texts) if len(text) <= LONGEST]
    draw.shuffle(texts)
    yield from texts


def _number(text: str, draw: random.Random, _: Sequence[str]) -> str | None:
    """Another number in the place of one."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    one = draw.choice(found)
    if one[0].isdigit():
        return _put(text, one, str(int(one[0]) + draw.randint(1, 9)))
    return _put(text, one, draw.choice([word for word in _SPELT if word != one[0]]))


def _name(text: str, draw: random.Random, names: Sequence[str]) -> str | None:
    """Another name in the place of one, wherever that stands."""
    found, others = _NAME.findall(text), [name for name in names if name not in text]
    if not found or not others:
        return None
    one = draw.choice(found)
    return re.sub(rf"\b{one}\b", draw.choice(others), text)


def _negation(text: str, draw: random.Random, _: Sequence[str]) -> str | None:
    """A "not" more, or one less where there is one."""
    there = list(_NEGATION.finditer(text))
    if there:
        one = draw.choice(there)
        return _put(text, one, one[0].removesuffix(" not"))
    found = list(_AUXILIARY.finditer(text))
    if not found:
        return None
    one = draw.choice(found)
    return _put(text, one, f"{one[0]} not")


def _put(text: str, at: re.Match[str], instead: str) -> str:
    return text[: at.start()] + instead + text[at.end() :]


_ALTER: dict[str, Callable[[str, random.Random, Sequence[str]], str | None]] = {
    "number": _number,
    "name": _name,
    "negation": _negation,
}
