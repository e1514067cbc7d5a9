"""Prompts for the benchmarks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

_LONG = 1750  # characters that make about 512 tokens
_TOPICS = (
    "a water mill",
    "a heat pump",
    "the tide",
    "a sewing machine",
    "a lighthouse lens",
    "the post in a small town",
    "a bicycle gear",
    "sourdough",
    "a pendulum clock",
    "a canal lock",
    "the printing press",
    "a weather balloon",
    "a beehive",
    "a church organ",
    "a sundial",
    "the night train",
)
_ENDS = (
    ("takes longer to build", "than anyone in the valley had expected that winter"),
    ("can be repaired", "with a file, some patience and a piece of copper wire"),
    ("was described", "by three travellers, and no two of them agreed about the details"),
    ("needs somebody", "who looks after it every morning before the others get up"),
    ("makes less noise", "when the wind comes from the sea and the windows are closed"),
    ("costs more", "in the years in which the harvest is poor and the roads are bad"),
)


class Prompts(NamedTuple):
    """Questions of a few dozen tokens and texts of about 512, all different."""

    short: tuple[str, ...]
    long: tuple[str, ...]


def built_in() -> Prompts:
    """Text of our own, always the same."""
    words = random.Random(1)
    short = tuple(
        f"Explain to {reader} how {topic} works, and give one example."
        for topic in _TOPICS
        for reader in ("a child of ten", "an engineer", "a new colleague", "my neighbour")
    )
    sentences = [f"{_upper(topic)} {verb} {end}." for topic in _TOPICS for verb, end in _ENDS]
    shuffled = (words.sample(sentences, len(sentences)) for _ in range(8))
    return Prompts(short, _cut([w for text in shuffled for w in " ".join(text).split()]))


def _cut(words: Sequence[str]) -> tuple[str, ...]:
    """Consecutive pieces of about _LONG characters, at most 64."""
    pieces: list[str] = []
    held: list[str] = []
    size = 0
    for word in words:
        held.append(word)
        size += len(word) + 1
        if size >= _LONG:
            pieces.append(" ".join(held))
            held, size = [], 0
        if len(pieces) == 64:
            break
    return tuple(pieces)


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
