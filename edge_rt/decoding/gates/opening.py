"""Giving the large model the first tokens."""

from __future__ import annotations

from edge_rt.decoding.gates.base import Gate, Verdict, Writer
from edge_rt.decoding.view import View


class Opening(Gate):
    """The large model writes the first tokens of an answer, and then another gate decides.

    That gate sees the opening too, and its verdict on the last token of it is the first that
    counts.
    """

    opens: Writer = "large"

    def __init__(self, gate: Gate, tokens: int) -> None:
        self.threshold = gate.threshold
        self._gate = gate
        self._left = tokens

    def judge(self, writer: Writer, view: View) -> Verdict:
        """See Gate."""
        if self._left > 0 and writer == "small":
            return Verdict(take=False, then="large")
        verdict = self._gate.judge(writer, view)
        self.threshold, self.measure = self._gate.threshold, self._gate.measure
        return Verdict(take=True, then="large") if self._left > 1 else verdict

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        """See Gate."""
        then = self._gate.took(writer, piece)
        self._left = max(0, self._left - 1)
        return then if self._left == 0 else None
