"""Gates that never switch: what all others must equal at their ends."""

from __future__ import annotations

from edge_rt.decoding.gates.base import Gate, Verdict, Writer


class FixedGate(Gate):
    """One model writes all of the answer, whatever it looks like: `never` and `always`."""

    threshold = 0.0  # nothing is held against it

    def __init__(self, writer: Writer) -> None:
        self.opens = writer

    def judge(self, writer: Writer, seen: float) -> Verdict:
        """See Gate."""
        return Verdict(take=writer == self.opens or writer == "large", then=self.opens)
