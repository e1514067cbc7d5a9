"""The gate that decides once for each step, by the first token of the step."""

from __future__ import annotations

from edge_rt.decoding.gate import Gate, GateVerdict, Look, Writer

_BLANK = b" \t\r\v\f"
_LF = ord("\n")
_TOP = 20  # tokens that the entropy is taken over


class Steps:
    """Cuts text at blank lines, however tokens cut it.

    A blank line is two line feeds with nothing but white space between. The next step begins with
    the token after that which completes the blank line; further line feeds begin no other one.
    """

    def __init__(self) -> None:
        self._feeds = 2  # since the last ink; an answer begins as after a blank line

    def feed(self, piece: bytes) -> bool:
        """Add `piece` to the text; return whether a blank line is complete in it."""
        ended = False
        for byte in piece:
            if byte == _LF:
                self._feeds += 1
                ended = ended or self._feeds == 2
            elif byte not in _BLANK:
                self._feeds = 0
        return ended


class StepGate(Gate):
    """After GlimpRouter (arXiv 2601.05110): one glimpse decides who writes a whole step.

    Steps are parted by blank lines, and the answer's beginning begins one. The measure is the
    entropy, in nats, of the small model's 20 likeliest first tokens of a step: above the threshold
    that token is discarded and the large model writes the step. After its steps the small model
    looks at the next one.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._steps = Steps()
        self._begins = True

    def looks(self, writer: Writer) -> Look | None:
        return (lambda view: view.top_entropy(_TOP)) if self._glimpses(writer) else None

    def judge(self, writer: Writer, seen: float) -> GateVerdict:
        self.measure = None
        if not self._glimpses(writer):
            return GateVerdict(take=True, then=writer)
        self.measure = seen
        if seen > self.threshold:
            return GateVerdict(take=False, then="large")
        return GateVerdict(take=True, then="small")

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        self._begins = self._steps.feed(piece)
        return "small" if self._begins else None

    def _glimpses(self, writer: Writer) -> bool:
        return self._begins and writer == "small"
