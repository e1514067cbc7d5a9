"""Step by step, on how sure the small model is of a step's first token."""

from __future__ import annotations

from edge_rt.decoding.gates.base import Gate, Look, Verdict, Writer
from edge_rt.decoding.gates.mixture import border
from edge_rt.decoding.gates.steps import Steps
from edge_rt.decoding.sampling.view import View

_TOP = 20  # tokens that the entropy is taken over
_ENOUGH = 12  # steps before a mixture is fitted


class StepGate(Gate):
    """After GlimpRouter (arXiv 2601.05110): one glimpse decides who writes a whole step.

    Steps are parted by blank lines, and the answer's beginning begins one. The measure is the
    entropy, in nats, of the small model's 20 likeliest first tokens of a step: above the threshold
    that token is discarded and the large model writes the step. After its steps the small model
    looks at the next one.

    With `mixture` the threshold moves, once there are twelve steps, to the border of two groups of
    steps where there are two (after STEER, arXiv 2511.06190, whose measure is another; see
    mixture.py).
    """

    def __init__(self, threshold: float, *, mixture: bool = False) -> None:
        self.threshold = threshold
        self._first = threshold
        self._mixture = mixture
        self._values: list[float] = []
        self._steps = Steps()
        self._begins = True

    def looks(self, writer: Writer) -> Look | None:
        """See Gate."""
        return _glimpse if self._glimpses(writer) else None

    def judge(self, writer: Writer, seen: float) -> Verdict:
        """See Gate."""
        self.measure = None
        if not self._glimpses(writer):
            return Verdict(take=True, then=writer)
        self.measure = seen
        self._learn(seen)
        if seen > self.threshold:
            return Verdict(take=False, then="large")
        return Verdict(take=True, then="small")

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        """See Gate."""
        self._begins = self._steps.feed(piece)
        return "small" if self._begins else None

    def _glimpses(self, writer: Writer) -> bool:
        return self._begins and writer == "small"

    def _learn(self, value: float) -> None:
        self._values.append(value)
        if self._mixture and len(self._values) >= _ENOUGH:
            found = border(self._values)
            self.threshold = self._first if found is None else found


def _glimpse(view: View) -> float:
    return view.top_entropy(_TOP)
