"""Asking a gate for a share of the tokens in place of a threshold."""

from __future__ import annotations

from edge_rt.decoding.gates.base import Gate, Look, Verdict, Writer
from edge_rt.decoding.switching.aim import Aim


class ShareControl(Gate):
    """Moves a gate's threshold until the large model writes `share` of the answer. See Aim."""

    def __init__(self, gate: Gate, share: float) -> None:
        self.opens = gate.opens
        self._gate = gate
        self._aim = Aim(gate.threshold, share)
        self.threshold = self._aim.threshold

    def looks(self, writer: Writer) -> Look | None:
        """See Gate."""
        return self._gate.looks(writer)

    def judge(self, writer: Writer, seen: float) -> Verdict:
        """See Gate."""
        self._gate.threshold = self.threshold
        verdict = self._gate.judge(writer, seen)
        self.measure = self._gate.measure
        if self.measure is not None:
            self._aim.saw(self.measure)
        return verdict

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        """See Gate."""
        self._aim.took(large=writer == "large")
        self.threshold = self._aim.threshold
        return self._gate.took(writer, piece)
