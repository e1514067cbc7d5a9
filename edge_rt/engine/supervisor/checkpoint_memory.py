"""The memory in which engines keep what they have read, one after the other."""

from __future__ import annotations

import logging
import os

from edge_rt.engine.kv.checkpoints import Checkpoints

log = logging.getLogger(__name__)


class CheckpointMemory:
    """At most so many bytes; without any where that is 0 or cannot be."""

    def __init__(self, most_bytes: int = 0) -> None:
        self._most = most_bytes
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """Its descriptor, for engines; -1: there is none."""
        if self._fd is None:
            self._fd = self._opened()
        return self._fd

    @property
    def left_bytes(self) -> int:
        """How many more than now they may come to be, with a copy of all that is on its way."""
        if self._fd is None:
            return 2 * self._most
        return 0 if self._fd < 0 else max(0, 2 * self._most - os.fstat(self._fd).st_blocks * 512)

    def clear(self) -> None:
        """Forget all that the last engine has left, which is gone."""
        if self._fd is None or self._fd < 0:
            return
        try:
            Checkpoints.clear(self._fd)
        except OSError:
            self.close()  # the next one gets another

    def close(self) -> None:
        """Give it back."""
        if self._fd is not None and self._fd >= 0:
            os.close(self._fd)
        self._fd = None

    def _opened(self) -> int:
        if not self._most:
            return -1
        try:
            return Checkpoints.shared(self._most)
        except OSError as error:
            log.warning("answers under way will be read again if the engine is killed: %s", error)
            return -1
