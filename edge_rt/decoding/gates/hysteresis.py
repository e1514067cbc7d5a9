"""Quick to call the large model, slow to let it go."""

from __future__ import annotations

from collections import deque

from edge_rt.decoding.gates.base import Gate, Look, Verdict, Writer
from edge_rt.decoding.sampling.view import View

_RELEASE = 0.5  # of the threshold: where trouble is over, and not where it begins


class HysteresisGate(Gate):
    """The large model comes in at once, and goes when it has been sure for a while. Ours.

    The measure is the small model's entropy in nats, and twice the mean of the large one's over
    its own last `window` tokens. A token of the small model above the threshold is discarded and
    the large one writes in its place (as in R-Stitch, arXiv 2507.17307), until that mean is at
    most half the threshold (a mean as in Entropy Adaptive Decoding, arXiv 2502.06833).
    """

    def __init__(self, threshold: float, window: int) -> None:
        self.threshold = threshold
        self._nats: deque[float] = deque(maxlen=window)

    def looks(self, writer: Writer) -> Look:
        """See Gate."""
        return _nats

    def judge(self, writer: Writer, seen: float) -> Verdict:
        """See Gate."""
        if writer == "large":
            return self._stay(seen)
        self._nats.clear()
        self.measure = seen
        if self.measure > self.threshold:
            return Verdict(take=False, then="large")
        return Verdict(take=True, then="small")

    def _stay(self, nats: float) -> Verdict:
        self._nats.append(nats)
        self.measure = sum(self._nats) / len(self._nats) / _RELEASE
        calm = len(self._nats) == self._nats.maxlen and self.measure <= self.threshold
        return Verdict(take=True, then="small" if calm else "large")


def _nats(view: View) -> float:
    return view.entropy
