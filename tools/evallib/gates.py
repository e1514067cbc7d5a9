"""The gate of chance, to compare others with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from typing_extensions import override

from edge_rt.core.decoding import Gating
from edge_rt.decoding.distribution import Logits
from edge_rt.decoding.drafts import VerifiedToken
from edge_rt.decoding.draws import uniform
from edge_rt.decoding.entropy_gate import EntropyGate
from edge_rt.decoding.sampler import Sampler

_STREAM = 0x47617465  # apart from the streams that tokens are drawn from


class RandomGate(EntropyGate):
    """The large model writes each token with the probability `share`, whatever it looks like.

    All that the small model writes is kept, up to the tokens that a draft may have.
    """

    def __init__(self, gating: Gating) -> None:
        super().__init__(gating)
        self._share = gating.share or 0.0
        self._place = 0

    @override
    def cut(self, sure: Sequence[float]) -> int:
        return 0

    @override
    def adds(self, drafted: Sequence[float], bits: float) -> bool:
        self._place += 1
        return uniform(_STREAM, self._place) >= self._share

    @override
    def follow(
        self, draft: Sequence[int], sampler: Sampler, rows: Iterable[Logits]
    ) -> Iterator[VerifiedToken]:
        for guess, logits in zip([*draft, None], rows, strict=True):
            choice = sampler.sample(logits) if guess is None else sampler.take(logits, guess)
            yield VerifiedToken(choice, guess is not None, None)
