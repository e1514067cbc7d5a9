"""Choose how an answer is written, from the mode that its request names."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_rt.backends.base import Backend
from edge_rt.core.decoding import Gating, Mode
from edge_rt.core.errors import EngineError
from edge_rt.decoding.draft_length import DraftLength
from edge_rt.decoding.drafts import Exact
from edge_rt.decoding.entropy_gate import EntropyGate
from edge_rt.decoding.experience import Experience, PassTimes
from edge_rt.decoding.make_gate import make_gate
from edge_rt.engine.generation.drafting import Drafting, DraftModel, LookupSource
from edge_rt.engine.generation.generation import DecodingStrategy, Generation
from edge_rt.engine.generation.model_sequence import Home
from edge_rt.engine.generation.switching import single, switching

log = logging.getLogger(__name__)

_MOST = 16  # tokens of a pass
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


def needs_one_vocabulary(mode: Mode | None) -> bool:
    """Return whether one model has to read tokens of the other as they are."""
    return mode is not None and (mode.name == "speculative" or _verifies(mode))


def drafts(mode: Mode | None) -> bool:
    """Return whether the model is told how the text may go on."""
    return mode is not None and (mode.name in ("speculative", "lookup") or _verifies(mode))


def retells(mode: Mode | None) -> bool:
    """Return whether the strategy of an answer goes through its past.

    Else it begins behind that.
    """
    return mode is not None and mode.name == "switch" and not _verifies(mode)


class Modes:
    """Makes the courses of answers on one model, and keeps what drafting has taught."""

    def __init__(self, exactness: Exactness) -> None:
        self._exactness = exactness
        self._learnt: defaultdict[str | None, _Learnt] = defaultdict(_Learnt)  # by partner

    def strategy(self, answer: Generation, seed: int) -> DecodingStrategy:
        """Return how `answer` is made; `seed` is its own.

        RequestError where its gate does not work.
        """
        mode = answer.request.mode or Mode()
        if _verifies(mode):
            return self._gated(answer, mode, _gating(mode))
        if mode.name == "switch":
            return switching(answer, make_gate(_gating(mode), seed))
        return single(answer) if mode.name == "single" else self._drafted(answer, mode)

    def _drafted(self, answer: Generation, mode: Mode) -> DecodingStrategy:
        learnt = self._learnt[mode.partner if mode.name == "speculative" else None]
        most, times = min(mode.drafts, self._exactness.rows - 1), learnt.times
        first, *others = answer.sequences
        looked = LookupSource(first, DraftLength(most, times, learnt.looked))
        guessed = [
            DraftModel(sequence, DraftLength(most, times, learnt.guessed), times)
            for sequence in others
        ]
        return Drafting(answer, [looked, *guessed], Exact(), times, most=most).strategy()

    def _gated(self, answer: Generation, mode: Mode, gating: Gating) -> DecodingStrategy:
        large, small = answer.sequences
        times, gate = self._learnt[mode.partner].times, EntropyGate(gating)
        for seen in answer.replay.seen:
            gate.note(seen)
        looked = LookupSource(large, gate)
        guessed = DraftModel(small, gate, times, lambda view: view.entropy / math.log(2.0))
        return Drafting(
            answer,
            [looked, guessed],
            gate,
            times,
            most=mode.drafts,
            first=gating.first,
            writer=small,
        ).strategy()


class _Learnt:
    """What passes take with one partner, and how drafts have fared by where they come from."""

    def __init__(self) -> None:
        self.times = PassTimes()
        self.looked, self.guessed = Experience(), Experience()


def _verifies(mode: Mode) -> bool:
    """Return whether the large model of two reads what the small one would write."""
    gating = mode.gating
    return mode.name == "switch" and gating is not None and gating.name == "entropy"


def _gating(mode: Mode) -> Gating:
    assert mode.gating is not None, "who writes by turns has a gate"
    return mode.gating
