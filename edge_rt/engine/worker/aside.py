"""What is done beside the decode loop."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

DoneT = TypeVar("DoneT")


class Aside(Generic[DoneT]):
    """Does one thing after the other in a thread; readable (select) when one has finished."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._asked: queue.SimpleQueue[Callable[[], DoneT]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[DoneT] = queue.SimpleQueue()
        self._wake, self._waker = os.pipe()
        self._thread: threading.Thread | None = None

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        return self._wake

    def do(self, job: Callable[[], DoneT]) -> None:
        """Have it done once all before it is; it must not raise."""
        self._asked.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name=self._name)
            self._thread.start()

    def finished(self) -> Iterator[DoneT]:
        """What came of those that finished since the last call."""
        while not self._done.empty():
            os.read(self._wake, 1)
            yield self._done.get()

    def _work(self) -> None:
        while True:
            self._done.put(self._asked.get()())
            os.write(self._waker, b".")
