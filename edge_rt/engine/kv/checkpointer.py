"""Which states of one model's sequences to keep for the next engine, and when."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from edge_rt.backends.base import Backend
from edge_rt.core.errors import EngineError
from edge_rt.engine.kv.checkpoints import Checkpoint, Keyed
from edge_rt.engine.kv.prefix_files import common_prefix
from edge_rt.engine.kv.sequences import WORTH_COPYING, KvSequence, SequencePool

log = logging.getLogger(__name__)

KEEP_EVERY = 32  # tokens: fewer are read again sooner than an engine starts, on most boards


class Checkpointer:
    """Saves the state of answers of one model, so that the next engine need not read them again.

    The one that has read most since it was saved is next, if it fits and there is `Spare` time.
    Where saving fails, answers are read again.
    """

    def __init__(
        self,
        backend: Backend,
        pool: SequencePool,
        keyed: Keyed | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`keyed` None: nothing is kept. `clock` is in seconds."""
        self._backend, self._pool, self._clock = backend, pool, clock
        self._keyed = keyed
        self._own: dict[int, Checkpoint] = {}  # by sequence

    def has(self, text: list[int]) -> bool:
        """Return whether an earlier engine left more of `text` than there is in sequences."""
        if self._keyed is None or not self._keyed.checkpoints.orphaned:
            return False  # as it nearly always is, which is asked in every pass
        return self._left(text, self._pool.reusable(text)) is not None

    def restore(self, sequence: KvSequence, text: list[int]) -> None:
        """Have a sequence that was lent for `text` hold what an earlier engine left of it."""
        left = self._left(text, len(sequence.tokens))
        if self._keyed is None or left is None:
            return
        reused = sequence.reused
        try:
            self._backend.restore(sequence.id, self._keyed.checkpoints.state(left))
        except (OSError, MemoryError, EngineError) as error:
            log.warning("an answer is read again, what was kept of it is of no use: %s", error)
            self._pool.hold(sequence, (), 0)
            self._drop(left)
            return
        self._pool.hold(sequence, left.tokens, _shared(left, text))
        sequence.reused = reused  # by whoever was lent it last, which this goes on with
        if len(left.tokens) - len(sequence.tokens) < WORTH_COPYING:  # no other answer's
            left.orphan, self._own[sequence.id] = False, left

    def behind(self, sequences: Iterable[KvSequence]) -> KvSequence | None:
        """Return the sequence to save now; None: it is not time for any."""
        if self._keyed is None:
            return None
        left = [(unkept, s) for s in sequences if (unkept := self._unkept(s)) >= KEEP_EVERY]
        checkpoints = self._keyed.checkpoints
        if not left or not checkpoints.spare.left(self._clock()):
            return None
        for _, sequence in sorted(left, key=lambda one: -one[0]):
            old, size = self._own.get(sequence.id), self._backend.saved_bytes(sequence.id)
            if checkpoints.fits(old, len(sequence.tokens), size):
                return sequence
        return None

    def read(self, seconds: float) -> None:
        """Earn time for keeping prompts: a pass that only read prompts took `seconds`."""
        if self._keyed is not None:
            self._keyed.checkpoints.spare.read(seconds)

    def keep(self, sequence: KvSequence) -> None:
        """Keep what a sequence holds that is `behind`."""
        if self._keyed is None:
            return
        (checkpoints, key), begin = self._keyed, self._clock()
        try:
            state, old = self._backend.save(sequence.id), self._own.pop(sequence.id, None)
            self._own[sequence.id] = checkpoints.put(old, key, sequence.tokens, state)
        except (OSError, MemoryError, EngineError) as error:
            self._give_up(error)
            return
        checkpoints.spare.spend(self._clock() - begin)

    def drop(self, sequence: KvSequence) -> None:
        """Drop the checkpoint of a sequence that is given back."""
        kept = self._own.pop(sequence.id, None)
        if kept is not None:
            self._drop(kept)

    def _unkept(self, sequence: KvSequence) -> int:
        """Return how many of its tokens are not kept."""
        kept = self._own.get(sequence.id)
        return len(sequence.tokens) - (0 if kept is None else len(kept.tokens))

    def _drop(self, checkpoint: Checkpoint) -> None:
        if self._keyed is None:
            return
        try:
            self._keyed.checkpoints.drop(checkpoint)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        if self._keyed is None:
            return
        why = str(error) or "there is no memory for the copy"
        log.warning("answers under way will be read again if the engine is killed: %s", why)
        (checkpoints, _), self._keyed = self._keyed, None
        for kept in self._own.values():
            with suppress(OSError):
                checkpoints.drop(kept)

    def _left(self, text: list[int], held: int) -> Checkpoint | None:
        """Return what holds most of `text`, clearly more than `held` tokens."""
        if self._keyed is None:
            return None
        orphans = [
            (shared, orphan)
            for orphan in self._keyed.checkpoints.orphans(self._keyed.key)
            if (shared := _shared(orphan, text)) >= held + WORTH_COPYING
            and (shared == len(orphan.tokens) or self._pool.cuts)
        ]
        return max(orphans, key=lambda one: one[0])[1] if orphans else None


def _shared(checkpoint: Checkpoint, text: list[int]) -> int:
    """Return tokens that it spares reading; the last one's logits are wanted."""
    return min(common_prefix(checkpoint.tokens, text), len(text) - 1)
