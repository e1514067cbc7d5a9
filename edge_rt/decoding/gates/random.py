"""By chance: the control that every other gate must beat at the same share."""

from __future__ import annotations

from edge_rt.decoding.gates.base import Gate, Verdict, Writer
from edge_rt.decoding.sampling.draws import fork_seed, uniform

_STREAM = 0x47617465  # apart from the streams that tokens are drawn from


class RandomGate(Gate):
    """The large model writes each token with the probability 1 - `threshold`.

    Each token after the first is drawn for by itself, whoever wrote the one before: a run of the
    large model is 1 / threshold tokens long on average, much shorter than those of a gate with
    dwell. Nothing is discarded. Draws are a function of the seed and the token's place.
    """

    def __init__(self, threshold: float, seed: int) -> None:
        self.threshold = threshold
        self._seed = fork_seed(seed, _STREAM)
        self._place = 0

    def judge(self, writer: Writer, seen: float) -> Verdict:
        """See Gate."""
        large = uniform(self._seed, self._place) >= self.threshold
        return Verdict(take=True, then="large" if large else "small")

    def took(self, writer: Writer, piece: bytes) -> Writer | None:
        """See Gate."""
        self._place += 1
        return None
