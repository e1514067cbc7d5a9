"""Whether a pass over several tokens comes to the same as one for each of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Backend
from edge_rt.engine.generation.model_sequence import Home
from edge_rt.errors import EngineError

log = logging.getLogger(__name__)

_MOST = 16  # tokens of a pass
_COMPARED = 4  # of them; kernels take the others in the same strides
# Of a logit. Where only the last layer is rounded otherwise it is some 1e-6, which parts two
# answers in millions of tokens; what is rounded before that comes out as 0.1 and more.
_CLOSE = 1e-4
_TEXT = "the cat sat on the mat, and the dog lay by the door. "


class Exactness:
    """Knows how many tokens one model reads in a pass without that changing what it writes.

    Libraries have other kernels for several rows than for one, and not all round alike. That
    depends on the weights' format and on the CPU, so it is tried when first asked for, which
    takes as long as a few tokens.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._rows: int | None = None

    @property
    def rows(self) -> int:
        """So many tokens; 1 as long as no sequence is free to try it with."""
        pool = self._home.pool
        if self._rows is None and pool.free:
            sequence = pool.take([], fresh=True)
            try:
                self._rows = exact_rows(self._home.backend, sequence.id)
                log.info("drafts of up to %d tokens are read at once", self._rows - 1)
            except EngineError as error:
                log.warning("whether drafts are read exactly cannot be tried: %s", error)
                self._rows = 1
            finally:
                pool.release(sequence, keep=False)
        return self._rows or 1


def exact_rows(backend: Backend, seq: int) -> int:
    """How many tokens of an empty sequence, which is empty again afterwards."""
    most = min(_MOST, backend.outputs, backend.batch.capacity, backend.context)
    tokens = (backend.tokenize(_TEXT, special=False) * _MOST)[:most]
    most = len(tokens)
    one_by_one = [_read(backend, seq, at, [token]) for at, token in enumerate(tokens[:_COMPARED])]

    def exact(rows: int) -> bool:
        if not backend.rewind(seq, 0):
            return False
        alone = np.concatenate(one_by_one[:rows])
        return np.allclose(_read(backend, seq, 0, tokens[:rows]), alone, 0.0, _CLOSE)

    rows = 1
    while 2 * rows <= most and exact(2 * rows):
        rows *= 2
    further = min(most, 2 * rows - 1)
    if further > rows and exact(further):
        rows = further
    backend.rewind(seq, 0)
    return rows


def _read(backend: Backend, seq: int, start: int, tokens: Sequence[int]) -> NDArray[np.float32]:
    """Logits after each of the first few of `tokens`, (n, vocab)."""
    backend.batch.clear()
    last = backend.batch.add(seq, start, tokens, want=len(tokens))
    backend.forward()
    first = last + 1 - len(tokens)
    return np.stack([backend.logits(row) for row in range(first, last + 1)[:_COMPARED]])
