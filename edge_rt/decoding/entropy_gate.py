"""The entropy gate of two models with one vocabulary: drafts as long as the small one is sure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from edge_rt.core.decoding import Gating
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.drafts import VerifiedToken, confidence
from edge_rt.decoding.gate import Aim
from edge_rt.decoding.sampler import Sampler

THRESHOLD = 1.0  # bits
LIKELY = math.log(1.0 / 0.3)  # nats: a draft is kept at 0.3 times the likeliest token's probability
FOUND = confidence(4)  # of what followed the same four tokens before
NONE = math.inf  # stands for an entropy that nobody looked at


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
