"""An end for work that might not come to one by itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Overdue(Exception):
    """The work took longer than it may."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` gives; raises Overdue after so many seconds of the processor.

    That is for regular expressions, which look for signals while they search. Python handles those
    in its main thread only: in others there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    at_work = True

    def end(number: int, frame: object) -> None:
        if at_work:
            raise Overdue

    # It stays: a signal that is late would end the process where nothing handles it.
    signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        return work()
    finally:
        at_work = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
