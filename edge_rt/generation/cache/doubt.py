"""How likely the answer to one question is wrong for another: the second look.

Our own estimate, a logistic regression on four figures of a pair that anybody can check. Its
weights come from the 4,076 pairs of MRPC's training file, with those that are no paraphrases as
errors; `tools/eval cache` tells how it does on pairs of the test file. Where guards have let a pair
pass it is rather too high than too low.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from difflib import SequenceMatcher
from itertools import groupby

from edge_rt.generation.cache.wording import Wording

_WEIGHTS = (4.03, 3.78, 3.11, 0.28)  # of what `_figures` gives
_BIAS = -4.61


def doubt(cosine: float, one: Wording, other: Wording) -> float:
    """From 0 to 1; `cosine` is that of the texts' embeddings."""
    figures = _figures(cosine, one, other)
    told = _BIAS + sum(w * f for w, f in zip(_WEIGHTS, figures, strict=True))
    return 1 / (1 + math.exp(-told))


def _figures(cosine: float, one: Wording, other: Wording) -> tuple[float, ...]:
    """All of them 0 for equal texts, and larger for those that have less in common.

    What the embeddings miss to each other; the share of the words that is not in both in the same
    order; how much longer one is; and the most words that one tells in a row and the other nowhere.
    """
    a, b = set(one.content), set(other.content)
    lengths = abs(math.log((1 + len(one.words)) / (1 + len(other.words))))
    added = max(_added(one.content, b), _added(other.content, a))
    return 1 - cosine, _disorder(one.words, other.words), lengths, added


def _added(one: Sequence[str], other: Set[str]) -> int:
    runs = groupby(one, other.__contains__)
    return max((len(list(run)) for known, run in runs if not known), default=0)


def _disorder(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    first, second = sorted((one, other))  # for the matcher minds which comes first
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    return 1 - matcher.ratio() if one or other else 0.0
