"""Token by token, on how sure the writer is of the very next one."""

from __future__ import annotations

import math

from edge_rt.decoding.gates.base import Gate, Look, Verdict, Writer
from edge_rt.decoding.sampling.view import View


class TokenGate(Gate):
    """After R-Stitch (arXiv 2507.17307): the large model replaces each token of high entropy.

    The measure is the entropy over the logarithm of the vocabulary's size, 0 to 1. Above the
    threshold a token of the small model is discarded and the large one writes in its place; that
    keeps control until its own value is not above the threshold. No window, no dwell.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def looks(self, writer: Writer) -> Look:
        """See Gate."""
        return _relative

    def judge(self, writer: Writer, seen: float) -> Verdict:
        """See Gate."""
        self.measure = seen
        if seen <= self.threshold:
            return Verdict(take=True, then="small")
        return Verdict(take=writer == "large", then="large")


def _relative(view: View) -> float:
    return view.entropy / math.log(max(view.vocab, 2))
