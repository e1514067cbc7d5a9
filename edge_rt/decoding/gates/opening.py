"""Giving the large model the first tokens."""

from __future__ import annotations

from edge_rt.decoding.gates.base import Gate, Look, Verdict, Writer


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

    def looks(self, writer: Writer) -> Look | None:
        """See Gate."""
        return None if self._sends_away(writer) else self._gate.looks(writer)

    def judge(self, writer: Writer, seen: float) -> Verdict:
        """See Gate."""
        if self._sends_away(writer):
            return Verdict(take=False, then="large")
        verdict = self._gate.judge(writer, seen)
        self.threshold, self.measure = self._gate.threshold, self._gate.measure
        return Verdict(take=True, then="large") if self._left > 1 else verdict

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        """See Gate."""
        then = self._gate.took(writer, piece)
        self._left = max(0, self._left - 1)
        return then if self._left == 0 else None

    def _sends_away(self, writer: Writer) -> bool:
        return self._left > 0 and writer == "small"
