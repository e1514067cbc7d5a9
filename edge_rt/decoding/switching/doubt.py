"""How unsure a model is of how its answer begins."""

from __future__ import annotations

from edge_rt.decoding.params import Doubt
from edge_rt.decoding.sampling.view import View

FIRST = 8  # tokens that are looked at


class DoubtMeter:
    """The most doubt at one of the first tokens of an answer, each seen before it is drawn.

    Means told less: of 128 answers of Qwen2.5-Coder 1.5B to ARC, MMLU, SVAMP and GSM8K the area
    under the curve, wrong against right within a test, was 0.63 with the most and 0.42 with means.
    """

    def __init__(self, first: int = FIRST) -> None:
        self._first = first
        self._tokens = 0
        self._entropy, self._margin = 0.0, 1.0

    @property
    def complete(self) -> bool:
        """Whether all the tokens that are looked at were seen."""
        return self._tokens >= self._first

    @property
    def doubt(self) -> Doubt | None:
        """Of the tokens so far; None: there was none."""
        return Doubt(self._tokens, self._entropy, self._margin) if self._tokens else None

    def look(self, view: View) -> None:
        """Of the next token the model makes `view`; those behind the first ones do not count."""
        if self.complete:
            return
        self._tokens += 1
        self._entropy = max(self._entropy, view.entropy)
        self._margin = min(self._margin, view.margin)
