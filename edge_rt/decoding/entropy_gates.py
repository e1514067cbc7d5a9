"""Gates that decide by the entropy of the next token."""

from __future__ import annotations

import math
from collections import deque

from edge_rt.decoding.gate import Gate, GateVerdict, Look, Writer


class EadGate(Gate):
    """After Entropy Adaptive Decoding (arXiv 2502.06833).

    The measure is the mean entropy, in bits, of the writers' last `window` tokens, each by its
    own writer's distribution; above the threshold the large model writes on, else the small one.
    Tokens are always taken, so a switch comes after the token that shows the need, and at least
    `dwell` tokens are between two switches. Ours: before `window` tokens, the mean is over those
    there are.
    """

    def __init__(self, threshold: float, window: int, dwell: int) -> None:
        self.threshold = threshold
        self._dwell = dwell
        self._bits: deque[float] = deque(maxlen=window)
        self._writer: Writer | None = None
        self._run = dwell  # tokens since the last switch; the first may come at any time

    def looks(self, writer: Writer) -> Look:
        return lambda view: view.entropy / math.log(2.0)

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        self._bits.append(seen)
        self.measure = sum(self._bits) / len(self._bits)
        run = 1 if self._switched(writer) else self._run + 1  # with the token judged here
        if run < self._dwell:
            return GateVerdict(take=True, then=writer)
        return GateVerdict(take=True, then="large" if self.measure > self.threshold else "small")

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        self._run = 1 if self._switched(writer) else self._run + 1
        self._writer = writer
        return None

    def _switched(self, writer: Writer) -> bool:
        return self._writer is not None and writer != self._writer


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
        return lambda view: view.entropy

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        if writer == "large":
            return self._stay(seen)
        self._nats.clear()
        self.measure = seen
        if self.measure > self.threshold:
            return GateVerdict(take=False, then="large")
        return GateVerdict(take=True, then="small")

    def _stay(self, nats: float) -> GateVerdict:
        self._nats.append(nats)
        self.measure = sum(self._nats) / len(self._nats) / _RELEASE
        calm = len(self._nats) == self._nats.maxlen and self.measure <= self.threshold
        return GateVerdict(take=True, then="small" if calm else "large")


class TokenGate(Gate):
    """After R-Stitch (arXiv 2507.17307): the large model replaces each token of high entropy.

    The measure is the entropy over the logarithm of the vocabulary's size, 0 to 1. Above the
    threshold a token of the small model is discarded and the large one writes in its place; that
    keeps control until its own value is not above the threshold. No window, no dwell.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def looks(self, writer: Writer) -> Look:
        return lambda view: view.entropy / math.log(max(view.vocab, 2))

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        self.measure = seen
        if seen <= self.threshold:
            return GateVerdict(take=True, then="small")
        return GateVerdict(take=writer == "large", then="large")
