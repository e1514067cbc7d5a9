"""The entropy gate of two models with one vocabulary: drafts as long as the small one is sure."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from edge_rt.core.decoding import Gating
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.drafts import VerifiedToken, confidence
from edge_rt.decoding.sampler import Sampler

THRESHOLD = 1.0  # bits
LIKELY = math.log(1.0 / 0.3)  # nats: a draft is kept at 0.3 times the likeliest token's probability
FOUND = confidence(4)  # of what followed the same four tokens before
NONE = math.inf  # stands for an entropy that nobody looked at

_MEMORY = 256  # measures that are remembered
_PRIOR = 12  # made-up ones at the start, which give way to what is seen
_HORIZON = 16.0  # tokens over which a surplus of one model's tokens is made up for
_BAND, _BAND_SHARE = 4.0, 0.02  # tokens, and of all tokens: a surplus that is left alone
_MOST_SURPLUS = 64.0  # tokens; what exceeds it is let go, so that no answer turns round for long
_COARSEST = 8.0  # tokens for each measure, at most, by which the horizon is drawn out


class Aim:
    """A threshold on some measure that the large model is called above. Ours.

    Tracks the quantile of the latest measures above which the share asked for lies, and corrects
    it by integral control: the share aimed at is lowered by the tokens that the large model has
    written beyond its share, and beyond a band of about 2 % of the answer, over a horizon. So the
    share over the answer converges although one call may bring many tokens, or measures change in
    their course. The threshold stays within a few times the measures seen; before any, they are
    taken to spread exponentially about the first threshold, as entropies roughly do (47 % above
    0.5 nat and 34 % above 1.0, on GSM8K).
    """

    def __init__(self, threshold: float, share: float | None) -> None:
        """`share` None: the threshold stays as it is."""
        self.threshold = threshold
        self._share = share
        self._surplus = 0.0
        self._tokens = 0
        self._seen = 0
        prior = [-threshold * math.log((i + 0.5) / _PRIOR) for i in range(_PRIOR)]
        self._order = sorted(prior)
        self._latest = deque(prior[i * 5 % _PRIOR] for i in range(_PRIOR))
        self._move()

    def saw(self, measure: float) -> None:
        """`measure` was held against the threshold."""
        if self._share is None:
            return
        self._seen += 1
        insort(self._order, measure)
        self._latest.append(measure)
        if len(self._latest) > _MEMORY or self._seen <= _PRIOR:
            del self._order[bisect_left(self._order, self._latest.popleft())]
        self._move()

    def took(self, *, large: bool) -> None:
        """Note a token of the large model, or else of the small one."""
        if self._share is None:
            return
        self._tokens += 1
        surplus = self._surplus + large - self._share
        self._surplus = min(max(surplus, -_MOST_SURPLUS), _MOST_SURPLUS)
        self._move()

    def _move(self) -> None:
        if self._share is None:
            return
        # Where one measure decides on many tokens, single tokens must not turn the next one.
        coarseness = min(max(self._tokens / max(self._seen, 1), 1.0), _COARSEST)
        # Correcting every token would give the large model those that come in turn, not the hard
        # ones: on made-up streams it got 63 % of the hardest so, and 75 % with this band.
        band = min(_BAND + _BAND_SHARE * self._tokens, _MOST_SURPLUS / 2.0)
        beyond = self._surplus - min(max(self._surplus, -band), band)
        aimed = self._share - beyond / (_HORIZON * coarseness)
        self.threshold = self._quantile(1.0 - min(max(aimed, 0.0), 1.0))
        # No score seen so far makes up for a larger surplus: the threshold goes beyond them.
        self.threshold *= max(1.0, 1.0 - aimed) / max(1.0, aimed)

    def _quantile(self, level: float) -> float:
        last = len(self._order) - 1
        below = int(level * last)
        step = self._order[min(below + 1, last)] - self._order[below]
        return self._order[below] + step * (level * last - below)


class EntropyGate:
    """Says how far the small model writes, and what the large model keeps of it. Ours.

    The small model writes on while the mean entropy of its last `window` tokens, in bits, is at
    most the threshold; where the text repeats four tokens, what followed them is taken in its
    place. Then the large model reads in one pass what was written, keeps it up to the first token
    that it finds too unlikely, and writes the next one itself. So it reads all of the answer, and
    no turn needs a dwell. After Entropy Adaptive Decoding (arXiv 2502.06833), whose large model
    reads nothing before it writes, and BiLD (arXiv 2302.07863).

    With a share the threshold follows the entropies until the large model writes that share of the
    tokens; see Aim.
    """

    def __init__(self, gating: Gating) -> None:
        threshold = THRESHOLD if gating.threshold is None else gating.threshold
        if gating.threshold is not None and gating.share:  # it is where the share may lie
            threshold /= max(-math.log(gating.share), 0.01)
        self._aim = Aim(threshold, gating.share)
        self._window = gating.window
        self._bits: list[float] = []  # of the draft at hand, and of the token that ended it

    @property
    def threshold(self) -> float:
        """What the mean entropy is held against now, in bits."""
        return self._aim.threshold

    # --- how far a draft goes

    def read(self, seconds: float) -> None:
        """Learn nothing: the threshold decides what is drafted, not the time that it takes."""

    def begins(self, behind: int = 0, left: float = math.inf) -> bool:
        """Begin a draft."""
        self._bits.clear()
        return True

    def cut(self, sure: Sequence[float]) -> int:
        """Return how many tokens are taken of what the text itself drafts, at that confidence."""
        self._bits.clear()
        return len(sure) if sure and sure[0] >= FOUND else 0

    def adds(self, drafted: Sequence[float], bits: float) -> bool:
        """Return whether the small model writes the next token, at that entropy."""
        self._bits.append(bits)
        return self._mean(len(self._bits)) <= self._aim.threshold

    def goes_on(self, drafted: Sequence[float]) -> bool:
        """Return whether the small model is asked for one more token: `adds` decides."""
        return True

    def verified(self, drafted: Sequence[float], accepted: int) -> None:
        """Learn nothing: `note` does, token by token."""

    # --- what is kept of it

    def follow(
        self, draft: Sequence[int], sampler: Sampler, rows: Iterable[Logits]
    ) -> Iterator[VerifiedToken]:
        """Yield the answer's next tokens, as Exact.follow does, by this gate's rule."""
        for place, (guess, logits) in enumerate(zip([*draft, None], rows, strict=True)):
            kept = guess is not None and sampler.gap(logits, guess) <= LIKELY
            choice = sampler.take(logits, guess) if kept and guess is not None else None
            mean = self._mean(place + 1) if place < len(self._bits) else NONE
            seen = mean if kept else -mean
            self.note(seen)
            yield VerifiedToken(choice or sampler.sample(logits), kept, seen)
            if not kept:
                return

    def note(self, seen: float) -> None:
        """Take note of a token of the answer: `seen` is negative where the large model wrote it.

        Its size is the mean entropy there, NONE where the small model was not asked.
        """
        if abs(seen) < NONE:
            self._aim.saw(abs(seen))
        self._aim.took(large=math.copysign(1.0, seen) < 0.0)

    def _mean(self, count: int) -> float:
        latest = self._bits[max(0, count - self._window) : count]
        return sum(latest) / len(latest)
