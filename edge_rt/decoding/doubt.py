"""How unsure a model is of how its answer begins."""

from __future__ import annotations

from edge_rt.decoding.params import Doubt
from edge_rt.decoding.view import View

FIRST = 8  # tokens that are looked at


class DoubtMeter:
    """Means over the first tokens of one answer, each seen before it is drawn."""

    def __init__(self, first: int = FIRST) -> None:
        self._first = first
        self._tokens = 0
        self._entropy = self._margin = 0.0

    @property
    def complete(self) -> bool:
        """Whether all the tokens that are looked at were seen."""
        return self._tokens >= self._first

    @property
    def doubt(self) -> Doubt | None:
        """Of the tokens so far; None: there was none."""
        seen = self._tokens
        return Doubt(seen, self._entropy / seen, self._margin / seen) if seen else None

    def look(self, view: View) -> None:
        """Of the next token the model makes `view`; those behind the first ones do not count."""
        if self.complete:
            return
        self._tokens += 1
        self._entropy += view.entropy
        self._margin += view.margin
