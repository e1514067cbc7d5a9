"""How much the passages of a conversation have to do with a question."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

_WORD = re.compile(r"[\u3040-\u9fff\uac00-\ud7af]|\w+")  # or a character of a text without spaces
_K1, _B = 1.2, 0.75  # the usual ones
_BESIDE = 0.5  # of a neighbour's score counts for a passage


def keyword_scores(passages: Sequence[str], question: str) -> list[float]:
    """Return the BM25 of each passage for the words of the question.

    S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009);
    https://doi.org/10.1561/1500000019.
    """
    counts = [Counter(_words(passage)) for passage in passages]
    sizes = [sum(count.values()) for count in counts]
    mean = fmean(sizes) if any(sizes) else 1.0
    found = Counter(word for count in counts for word in count)
    wanted = {word: _rarity(found[word], len(passages)) for word in set(_words(question))}
    return [
        sum(
            rarity * count[word] * (_K1 + 1) / (count[word] + _K1 * (1 - _B + _B * size / mean))
            for word, rarity in wanted.items()
            if count[word]
        )
        for count, size in zip(counts, sizes, strict=True)
    ]


def beside(scores: Sequence[float]) -> list[float]:
    """Return each score and half of the better neighbour's: answers stand beside questions."""
    padded = [0.0, *scores, 0.0]
    return [
        score + _BESIDE * max(before, behind)
        for before, score, behind in zip(padded, scores, padded[2:], strict=False)
    ]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _rarity(found: int, passages: int) -> float:
    return math.log(1.0 + (passages - found + 0.5) / (found + 0.5))
