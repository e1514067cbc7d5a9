"""How likely the answer to one question is wrong for another: the second look.

Our own estimate, a logistic regression on four figures of a pair that anybody can check. Its
weights come from one half of the pairs of MRPC (the even lines of the test file, all of them, with
those that are no paraphrases as errors); `tools/eval cache` tells how it does on the other half.
Where guards have let a pair pass it is rather too high than too low.
"""

from __future__ import annotations

import math
from difflib import SequenceMatcher

from edge_rt.cache.wording import Wording

_WEIGHTS = (5.13, 0.96, 1.74, 2.71)  # of what `_figures` gives
_BIAS = -3.45


def doubt(cosine: float, one: Wording, other: Wording) -> float:
    """From 0 to 1; `cosine` is that of the texts' embeddings."""
    figures = _figures(cosine, one, other)
    told = _BIAS + sum(w * f for w, f in zip(_WEIGHTS, figures, strict=True))
    return 1 / (1 + math.exp(-told))


def _figures(cosine: float, one: Wording, other: Wording) -> tuple[float, ...]:
    """All of them 0 for equal texts, and larger for those that have less in common.

    What the embeddings miss to each other; the larger share of the words of one that the other has
    not; the share that is not in both in the same order; and how much longer one is.
    """
    a, b = set(one.content), set(other.content)
    lacking = max(_lacking(a, b), _lacking(b, a))
    lengths = abs(math.log((1 + len(one.words)) / (1 + len(other.words))))
    return 1 - cosine, lacking, _disorder(one.content, other.content), lengths


def _lacking(one: set[str], other: set[str]) -> float:
    return len(one - other) / max(1, len(one))


def _disorder(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    first, second = sorted((one, other))  # for the matcher minds which comes first
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    return 1 - matcher.ratio() if one or other else 0.0
