"""How the rows of a batch become passes of an ONNX model, and the memory that passes take."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Batch


class Growth:
    """Adds up by how much the process grew during passes, beyond what it had to.

    The engine is one process of several models: what it holds in all says little of this one.
    While another model is being loaded beside a pass, its memory counts here; at worst a session is
    made again for nothing.
    """

    def __init__(self, held: Callable[[], int], due: Callable[[], int]) -> None:
        """`held` tells the bytes of the process, `due` those that passes have to take."""
        self._held = held
        self._due = due
        self.bytes = 0

    @contextmanager
    def measured(self) -> Generator[None]:
        """A pass runs within the block."""
        before = self._held() - self._due()
        try:
            yield
        finally:
            self.bytes += self._held() - self._due() - before

    def forget(self) -> None:
        """Begin at nothing."""
        self.bytes = 0


Ints = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class OnnxPass:
    """`length` new tokens each for the `count` sequences from `first` on.

    `rows` are those of the batch, all of one sequence before those of the next. Attention takes
    more than one new token behind a past from one sequence only, so one of the two is 1.
    """

    first: int
    count: int
    length: int
    rows: Ints


def passes(batch: Batch) -> Iterator[OnnxPass]:
    """Pieces of prompts one by one, then single tokens, those of neighbours together."""
    alone: list[tuple[int, int]] = []  # sequence and row
    for begin, end in _runs(batch.seq[: batch.size]):
        seq = int(batch.seq[begin])
        if end - begin == 1:
            alone.append((seq, begin))
        else:
            yield OnnxPass(seq, 1, end - begin, np.arange(begin, end))
    alone.sort()
    for group in _neighbours(alone):
        yield OnnxPass(group[0][0], len(group), 1, np.array([row for _, row in group]))


def _runs(seq: NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch of rows of one sequence."""
    changes = (np.flatnonzero(np.diff(seq)) + 1).tolist()
    return pairwise([0, *changes, len(seq)] if len(seq) else [])


def _neighbours(alone: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    group: list[tuple[int, int]] = []
    for seq, row in alone:
        if group and seq != group[-1][0] + 1:
            yield group
            group = []
        group.append((seq, row))
    if group:
        yield group
