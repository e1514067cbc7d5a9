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
        self._asked: queue.SimpleQueue[Callable[[], T]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._wake, self._waker = os.pipe()
        self._threads = 0

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        return self._wake

    def do(self, job: Callable[[], T]) -> None:
        """Do a job after all those before it have begun; it must not raise."""
        self._asked.put(job)
        if self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._work, daemon=True, name=self._name).start()

    def finished(self) -> Iterator[T]:
        """What came of those that finished since the last call."""
        while not self._done.empty():
            os.read(self._wake, 1)
            yield self._done.get()

    def _work(self) -> None:
        while True:
            self._done.put(self._asked.get()())
            os.write(self._waker, b".")
