"""Which states of one model's sequences to keep for the next engine, and when."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from edge_rt.backends.base import Backend
from edge_rt.engine.checkpoints import Checkpoint, Checkpoints
from edge_rt.engine.prefix import common_prefix
from edge_rt.engine.sequences import WORTH_COPYING, Sequence, SequencePool
from edge_rt.errors import EngineError

log = logging.getLogger(__name__)

SHARE = 1 / 200  # of the time at most goes into it


class Checkpointer:
    """Keeps up with the answers of one model, so that they need not be read again after a kill.

    Whichever has read most since it was kept is next. Where that fails they are read again.
    """

    def __init__(
        self,
        backend: Backend,
        pool: SequencePool,
        checkpoints: Checkpoints | None,
        key: bytes | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`key` tells all that shapes a state beside the tokens; without one, or without
        `checkpoints`, nothing is kept. `clock` is in seconds.
        """
        self._backend, self._pool, self._clock = backend, pool, clock
        self._checkpoints = checkpoints if key is not None else None
        self._key = key or b""
        self._own: dict[int, Checkpoint] = {}  # by sequence
        self._next_s = 0.0  # when the next may be kept

    def has(self, text: list[int]) -> bool:
        """Whether an earlier engine left more of `text` than there is in sequences."""
        return self._left(text, self._pool.reusable(text)) is not None

    def restore(self, sequence: Sequence, text: list[int]) -> None:
        """Have a sequence that was lent for `text` hold what an earlier engine left of it."""
        left = self._left(text, len(sequence.tokens))
        if self._checkpoints is None or left is None:
            return
        try:
            self._backend.restore(sequence.id, self._checkpoints.state(left))
        except (OSError, EngineError) as error:
            log.warning("an answer is read again, what was kept of it is of no use: %s", error)
            self._pool.hold(sequence, (), 0)
            self._drop(left)
            return
        self._pool.hold(sequence, left.tokens, _shared(left, text))
        left.orphan, self._own[sequence.id] = False, left

    def keep_up(self, sequences: Iterable[Sequence]) -> None:
        """Keep what the one of them holds that is most behind, if it is time."""
        begin = self._clock()
        if self._checkpoints is None or begin < self._next_s:
            return
        behind = max(sequences, key=self._behind, default=None)
        if behind is None or self._behind(behind) < WORTH_COPYING:
            return
        self._keep(self._checkpoints, behind)
        now = self._clock()
        self._next_s = now + (now - begin) / SHARE

    def drop(self, sequence: Sequence) -> None:
        """A sequence is given back."""
        kept = self._own.pop(sequence.id, None)
        if kept is not None:
            self._drop(kept)

    def drop_orphans(self) -> None:
        """Whoever was to go on in this engine does."""
        if self._checkpoints is not None:
            for orphan in list(self._checkpoints.orphans(self._key)):
                self._drop(orphan)

    def _keep(self, checkpoints: Checkpoints, sequence: Sequence) -> None:
        old = self._own.pop(sequence.id, None)
        try:
            state = self._backend.save(sequence.id)
            new = checkpoints.put(old, self._key, sequence.tokens, state)
        except (OSError, EngineError) as error:
            self._give_up(error)
            return
        if new is not None:
            self._own[sequence.id] = new

    def _drop(self, checkpoint: Checkpoint) -> None:
        if self._checkpoints is None:
            return
        try:
            self._checkpoints.drop(checkpoint)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        log.warning("answers under way will be read again if the engine is killed: %s", error)
        self._checkpoints = None
        self._own.clear()

    def _behind(self, sequence: Sequence) -> int:
        """How many of its tokens are not kept."""
        kept = self._own.get(sequence.id)
        return len(sequence.tokens) - (0 if kept is None else len(kept.tokens))

    def _left(self, text: list[int], held: int) -> Checkpoint | None:
        """What holds most of `text`, clearly more than `held` tokens."""
        if self._checkpoints is None:
            return None
        orphans = self._checkpoints.orphans(self._key)
        best = max(orphans, key=lambda orphan: _shared(orphan, text), default=None)
        if best is None or _shared(best, text) < held + WORTH_COPYING:
            return None
        whole = _shared(best, text) == len(best.tokens)
        return best if whole or self._pool.cuts else None


def _shared(checkpoint: Checkpoint, text: list[int]) -> int:
    """Tokens that it spares reading; the last one's logits are wanted."""
    return min(common_prefix(checkpoint.tokens, text), len(text) - 1)
