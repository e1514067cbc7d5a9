"""Whether the answer to one question serves another, as comparisons of answers have taught.

After vCache (Schroeder et al., arXiv 2502.03771): each kept answer has its own threshold, and hits
are given only where a bound on wrong ones holds. The formulas are our own. No word of any language
is known beforehand.
"""

from __future__ import annotations

import math
import re
from bisect import insort
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from zlib import crc32

SIGMAS = 3.0  # standard deviations below the mean, at which the estimate is held against others
FLOOR = -1.0  # log-odds at least, whatever the bound says: few comparisons could bear any
HALF = 0.5  # share of the requests that semantic hits may have before each must be surer
WINDOW = 3000  # latest comparisons that bear the bound
_DENSE = 9  # figures of any two texts; behind them those of single words
_SLOTS = 1 << 16  # for words, and behind them for thresholds of kept answers
_PRECISIONS = (0.1, 0.5, 4.0)  # of what nothing is known yet: dense figures, words, thresholds
_FEW = 2  # words at most that are learnt as one exchange for others
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff"
_WORDS = re.compile(rf"[{_SPACELESS}]|(?:(?![{_SPACELESS}])\w)+(?:'\w+)*|[^\w\s.,!?;:\"'()-]")

Figures = Sequence[tuple[int, float]]
"""What is compared of two texts: the numbers of weights, and by what each is multiplied."""


def words(text: str) -> list[str]:
    """Return the words of a text without their case; scripts without spaces go by characters."""
    return _WORDS.findall(text.casefold().replace("\u2019", "'"))


def figures(cosine: float, one: str, other: str, key: bytes) -> Figures:
    """Return what tells two questions apart; `key` is that of the kept answer."""
    a, b = words(one), words(other)
    left, right = Counter(a), Counter(b)
    news = [*_words(left - right)], [*_words(right - left)]
    differing = len(news[0]) + len(news[1])
    order = _disorder([w for w in a if w in right], [w for w in b if w in left])
    dense = (
        1.0,
        5 * (1 - cosine),
        math.log1p(differing),
        3 * order,
        float(order > 0),
        float(order > 0 and not differing),
        math.log1p(min(len(a), len(b))) / 3,
        2 * differing / (len(a) + len(b) + 1),
        float(all(news)),
    )
    found = sorted({*news[0], *news[1]})
    weight = 1 / math.sqrt(len(found) or 1)
    sparse = {_slot(word): weight for word in found}
    if all(0 < len(new) <= _FEW for new in news):
        sparse[_slot("|".join(sorted(" ".join(new) for new in news)))] = 1.0
    return [*enumerate(dense), *sparse.items(), (_SLOTS + crc32(key) % _SLOTS, 1.0)]


def _words(counted: Counter[str]) -> list[str]:
    return sorted(counted.elements())


def _disorder(one: list[str], other: list[str]) -> float:
    if one == other:
        return 0.0
    first, second = sorted((one, other))  # for the matcher minds which comes first
    return 1 - SequenceMatcher(None, first, second, autojunk=False).ratio()


def _slot(word: str) -> int:
    return _DENSE + crc32(word.encode()) % (_SLOTS - _DENSE)


def _precision(at: int) -> float:
    return _PRECISIONS[0 if at < _DENSE else 1 if at < _SLOTS else 2]


class Posterior:
    """The log-odds that an answer serves: a sum of weights, each with a mean and a precision.

    The weights count as independent normal variables, those of all figures at first around 0. One
    of them belongs to the kept answer alone and moves its threshold.
    """

    def __init__(self) -> None:
        self._weights: dict[int, tuple[float, float]] = {}

    def lower(self, found: Figures) -> float:
        """Return the log-odds, SIGMAS standard deviations below their mean."""
        mean, variance = self._moments(found)
        return mean - SIGMAS * math.sqrt(variance)

    def learn(self, found: Figures, same: bool) -> None:
        """Move the weights by one comparison.

        With p the chance expected, averaged over the variance, and x a figure: the precision grows
        by p (1 - p) x^2, the mean by (same - p) x / precision.
        """
        mean, variance = self._moments(found)
        p = _chance(mean / math.sqrt(1 + math.pi * variance / 8))
        for at, x in found:
            weight, precision = self._weight(at)
            precision += p * (1 - p) * x * x
            self._weights[at] = weight + (same - p) * x / precision, precision

    def _moments(self, found: Figures) -> tuple[float, float]:
        mean = variance = 0.0
        for at, x in found:
            weight, precision = self._weight(at)
            mean, variance = mean + weight * x, variance + x * x / precision
        return mean, variance

    def _weight(self, at: int) -> tuple[float, float]:
        return self._weights.get(at) or (0.0, _precision(at))


def _chance(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))


def doubt(lower: float) -> float:
    """Return the chance, at most, that an answer is wrong whose log-odds are at least `lower`."""
    return 1 - _chance(lower)


class Verifier:
    """Tells which answers may be given, so that few enough of them are wrong.

    Each comparison was judged by its `lower` before it was learnt from. The threshold is the least
    value from FLOOR on for which, of the n latest comparisons from there on, w of them wrong,
    (w + 1) / (n + 1) <= wrong / max(HALF, share of the requests that were hits). Without
    comparisons there is none, and nothing passes.
    """

    def __init__(self, wrong: float) -> None:
        """`wrong` is the share of the requests that may get a wrong answer."""
        self._wrong, self._posterior = wrong, Posterior()
        self._latest: deque[tuple[float, bool]] = deque()  # and whether the answers differed
        self._sorted: list[tuple[float, bool]] = []
        self._hits = self._looks = 0
        self._threshold: float | None = None

    def __len__(self) -> int:
        return len(self._latest)

    @property
    def threshold(self) -> float | None:
        """The least `lower` that passes; None: nothing does yet."""
        return self._threshold

    def lower(self, found: Figures) -> float:
        """Return the log-odds that an answer serves, at least."""
        return self._posterior.lower(found)

    def passes(self, lower: float) -> bool:
        """Return whether the bound holds for such answers."""
        return self._threshold is not None and lower >= max(FLOOR, self._threshold)

    def count(self, hit: bool) -> None:
        """Count a request for which an answer was looked for."""
        self._looks += 1
        self._hits += hit

    def learn(self, found: Figures, lower: float, same: bool) -> None:
        """Learn from a comparison that was judged by `lower`."""
        self._posterior.learn(found, same)
        self._latest.append((lower, not same))
        insort(self._sorted, (lower, not same))
        if len(self._latest) > WINDOW:
            self._sorted.remove(self._latest.popleft())
        bound = self._wrong / max(HALF, self._hits / max(1, self._looks))
        self._threshold = _least(reversed(self._sorted), bound)


def _least(falling: Iterable[tuple[float, bool]], bound: float) -> float | None:
    """Return the least value down to which few enough are wrong; the other ones may be more."""
    found, wrong = None, 0
    for n, (lower, differs) in enumerate(falling, 1):
        wrong += differs
        if (wrong + 1) / (n + 1) <= bound:
            found = lower
    return found
