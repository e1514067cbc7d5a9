"""Choose how an answer is written, from the mode that its request names."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Backend, Foresees
from edge_rt.core.decoding import Mode
from edge_rt.core.errors import EngineError
from edge_rt.decoding.draft_length import DraftAccount, DraftLength
from edge_rt.decoding.drafts import Exact, LookupPool
from edge_rt.decoding.entropy_gate import EntropyGate
from edge_rt.decoding.experience import Experience, PassTimes
from edge_rt.engine.generation.drafting import (
    Drafting,
    DraftModel,
    HeadsSource,
    LookupSource,
    Source,
    single,
)
from edge_rt.engine.generation.generation import DecodingStrategy, Generation
from edge_rt.engine.generation.model_sequence import Home, ModelSequence

log = logging.getLogger(__name__)

_MOST = 16  # tokens of a pass
_CLIENTS = 4  # whose texts are kept for drafts
_COMPARED = 4  # of them; kernels take the others in the same strides
# Of a logit. Where only the last layer is rounded otherwise it is some 1e-6, which parts two
# answers in millions of tokens; what is rounded before that comes out as 0.1 and more.
_CLOSE = 1e-4
_TEXT = "the cat sat on the mat, and the dog lay by the door. "


class Exactness:
    """Knows how many tokens one model reads in a pass without that changing what it writes.

    Libraries have other kernels for several rows than for one, and not all round alike. It depends
    on weights and CPU, so it is measured when first needed, in the time of a few tokens.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._rows: int | None = None

    @property
    def rows(self) -> int:
        """The tokens that a pass may read; 1 until a sequence was free to try it with."""
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
    """Return how many tokens a pass reads exactly, tried in the empty sequence `seq`."""
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
    """Return logits after each of the first few of `tokens`, (n, vocab)."""
    backend.batch.clear()
    last = backend.batch.add(seq, start, tokens, want=len(tokens))
    backend.forward()
    first = last + 1 - len(tokens)
    return np.stack([backend.logits(row) for row in range(first, last + 1)[:_COMPARED]])


def partner_of(mode: Mode | None) -> str | None:
    """Return the second model that an answer is made on, if it is."""
    if mode is None or mode.name not in ("switch", "speculative"):
        return None
    return mode.partner


def drafts(mode: Mode | None) -> bool:
    """Return whether the model is told how the text may go on."""
    return mode is not None and mode.name != "single"


class Modes:
    """Makes the courses of answers on one model, and keeps what drafting has taught."""

    def __init__(self, exactness: Exactness) -> None:
        self._exactness = exactness
        self._pools: dict[str, LookupPool] = {}  # by client, the one used last is last
        self._learnt: defaultdict[str | None, _Learnt] = defaultdict(_Learnt)  # by partner

    def strategy(self, answer: Generation) -> DecodingStrategy:
        """Return how `answer` is made."""
        mode = answer.request.mode or Mode()
        if mode.name == "single":
            return single(answer)
        return self._gated(answer, mode) if mode.name == "switch" else self._drafted(answer, mode)

    def _drafted(self, answer: Generation, mode: Mode) -> DecodingStrategy:
        learnt = self._learnt[mode.partner if mode.name == "speculative" else None]
        most, times = min(mode.drafts, self._exactness.rows - 1), learnt.times
        first, *others = answer.sequences
        account, pool = DraftAccount(), self._pool(answer.request.client)
        length = DraftLength(most, times, learnt.looked, account)
        pooled = pool and (pool, DraftLength(most, times, learnt.pooled, account))
        looked = LookupSource(first, length, pooled)
        guessed: list[Source] = [
            DraftModel(sequence, DraftLength(most, times, learnt.guessed), times)
            for sequence in others
        ]
        if most and not others and isinstance(first.backend, Foresees) and first.backend.heads:
            length = DraftLength(most, times, learnt.guessed)
            guessed.append(HeadsSource(first, first.backend.heads, length, times))
        strategy = Drafting(answer, [looked, *guessed], Exact(), times, most=most).strategy()
        return strategy if pool is None else _kept(strategy, first, pool)

    def _pool(self, client: str | None) -> LookupPool | None:
        """Return what drafts of a client may come from beside its own text; None: nothing."""
        if client is None:
            return None
        pool = self._pools.pop(client, None) or LookupPool()
        self._pools[client] = pool
        if len(self._pools) > _CLIENTS:
            del self._pools[next(iter(self._pools))]
        return pool

    def _gated(self, answer: Generation, mode: Mode) -> DecodingStrategy:
        assert mode.gating is not None, "who writes by turns has a gate"
        large, small = answer.sequences
        times, gate = self._learnt[mode.partner].times, EntropyGate(mode.gating)
        for seen in answer.request.seen.get(answer.index, ()):
            gate.note(seen)
        looked = LookupSource(large, gate)
        guessed = DraftModel(small, gate, times, lambda view: view.entropy / math.log(2.0))
        sources = [looked, guessed]
        return Drafting(answer, sources, gate, times, most=mode.drafts, writer=small).strategy()


def _kept(
    strategy: DecodingStrategy, sequence: ModelSequence, pool: LookupPool
) -> DecodingStrategy:
    """Follow `strategy`, and add what was new in this text to the pool."""
    yield from strategy
    pool.add(sequence.text[sequence.cached :])


class _Learnt:
    """What passes take with one partner, and how drafts have fared by where they come from."""

    def __init__(self) -> None:
        self.times = PassTimes()
        self.looked, self.pooled, self.guessed = Experience(), Experience(), Experience()
