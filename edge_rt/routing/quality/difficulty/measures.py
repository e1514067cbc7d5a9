"""What can be counted in a prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_SENTENCE = re.compile(r"[.!?]+(?:\s|$)")
_STEP = re.compile(r"(?im)^\s*(?:\d+[.)]|[-*•])\s|\b(?:then|after that|finally|next)\b")
_SYMBOL = re.compile(r"\\[a-zA-Z]+|[\^=≤≥<>∑∫√π]")
_LETTERS_A_WORD = re.compile(r"[^\W\d_]+")


def _counted(pattern: re.Pattern[str]) -> Callable[[str], float]:
    def count(text: str) -> float:
        return float(sum(1 for _ in pattern.finditer(text)))

    return count


def _word_letters(text: str) -> float:
    """Letters a word, in the mean; 0 without words."""
    words = _LETTERS_A_WORD.findall(text)
    return sum(map(len, words)) / len(words) if words else 0.0


MEASURES: Mapping[str, Callable[[str], float]] = {
    "words": _counted(_WORD),
    "numbers": _counted(_NUMBER),
    "sentences": _counted(_SENTENCE),
    "steps": _counted(_STEP),
    "symbols": _counted(_SYMBOL),
    "word_letters": _word_letters,
}
"""By name: words, numbers, sentences, steps (list items, "then"), symbols of formulas, letters a
word.
"""
