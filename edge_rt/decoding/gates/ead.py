"""On how sure the writer has been of late."""

from __future__ import annotations

import math
from collections import deque

from edge_rt.decoding.gates.base import Gate, Look, Verdict, Writer
from edge_rt.decoding.sampling.view import View


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
        """See Gate."""
        return _bits

    def judge(self, writer: Writer, seen: float) -> Verdict:
        """See Gate."""
        self._bits.append(seen)
        self.measure = sum(self._bits) / len(self._bits)
        run = 1 if self._switched(writer) else self._run + 1  # with the token judged here
        if run < self._dwell:
            return Verdict(take=True, then=writer)
        return Verdict(take=True, then="large" if self.measure > self.threshold else "small")

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        """See Gate."""
        self._run = 1 if self._switched(writer) else self._run + 1
        self._writer = writer
        return None

    def _switched(self, writer: Writer) -> bool:
        return self._writer is not None and writer != self._writer


def _bits(view: View) -> float:
    return view.entropy / math.log(2.0)
