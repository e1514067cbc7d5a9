"""How an event loop waits: for seconds to pass, and for work that may never end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

Pause = Callable[[float], Awaitable[object]]
"""`asyncio.sleep`, or a test's clock."""

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Do `work` in a thread that does not keep the process from ending.

    For what reads or writes files of the board, which may block for ever: the end of an event
    loop, and of the interpreter, waits for each thread of `asyncio.to_thread`.
    """
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
