"""How a loop waits: for seconds to pass, and for work in another thread."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Generic, TypeVar

Pause = Callable[[float], Awaitable[object]]
"""`asyncio.sleep`, or a test's clock."""

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Do `work` in a thread that does not keep the process from ending.

    For what reads or writes files of the board, which may block for ever: the end of an event
    loop, and of the interpreter, waits for each thread of `asyncio.to_thread`.
    """
    import asyncio  # not above: the engine has no event loop

    future: Future[T] = Future()
    threading.Thread(target=_do, args=(work, future), daemon=True).start()
    return await asyncio.wrap_future(future)


def _do(work: Callable[[], T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:  # for the caller
        future.set_exception(error)


class Aside(Generic[T]):
    """Does jobs beside a loop; readable (select) when one has finished."""

    def __init__(self, name: str, most: int = 1) -> None:
        """They are done in `most` threads: with one, one after the other."""
        self._name, self._most = name, most
        self._asked: queue.SimpleQueue[Callable[[], T] | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_SEMAPHORE)
        self._open, self._waking = True, threading.Lock()
        self._threads = 0

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._wake

    def do(self, job: Callable[[], T]) -> None:
        """Do a job after all those before it have begun; it must not raise."""
        self._asked.put(job)
        if self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._work, daemon=True, name=self._name).start()

    def finished(self) -> Iterator[T]:
        """Yield what came of those that finished since the last call."""
        while not self._done.empty():
            os.eventfd_read(self._wake)
            yield self._done.get()

    def close(self) -> None:
        """Close the descriptor; the threads end after the jobs that they were given."""
        with self._waking:  # no thread writes to a descriptor that may be another by then
            self._open = False
            os.close(self._wake)
        for _ in range(self._threads):
            self._asked.put(None)

    def _work(self) -> None:
        while (job := self._asked.get()) is not None:
            self._done.put(job())
            with self._waking:
                if self._open:
                    os.eventfd_write(self._wake, 1)
