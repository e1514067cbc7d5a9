"""Token masks on logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rt.decoding.distribution import Logits


class TokenMasks:
    """Applies the masks of one model's grammars: one bit a token, the lowest bit first.

    llguidance knows one token that ends a text; a model may have several, and where that one is
    allowed all are.
    """

    def __init__(self, vocab: int, ends: Sequence[int], free: bytes) -> None:
        """`free` is the mask where any text may follow, or its end."""
        self.ends = frozenset(ends)
        self._vocab, self._end_ids = vocab, np.array(list(ends), np.int64)
        self._free = free
        self._closed = np.flatnonzero(~self._allowed(free))
        self._scratch: Logits = np.empty(vocab, np.float32)

    def allows(self, mask: bytes, token: int) -> bool:
        """Whether `token` may come next."""
        if token in self.ends:
            token = int(self._end_ids[0])
        return bool(mask[token >> 3] >> (token & 7) & 1)

    def apply(self, mask: bytes, logits: Logits) -> Logits:
        """The logits of the tokens that may come next, -inf for the others; good until the next
        call.
        """
        scratch = self._scratch
        if mask == self._free:  # some special tokens are all that it forbids
            np.copyto(scratch, logits)
            scratch[self._closed] = -np.inf
        else:
            scratch.fill(-np.inf)
            np.copyto(scratch, logits, where=self._allowed(mask))
        return scratch

    def _allowed(self, mask: bytes) -> NDArray[np.bool_]:
        packed = np.frombuffer(mask, np.uint8)
        bits = np.unpackbits(packed, count=self._vocab, bitorder="little").astype(np.bool_)
        if self._end_ids.size:
            bits[self._end_ids] = bits[self._end_ids[0]]
        return bits
