"""Sensors that do not answer: a file or bus may keep a read waiting for ever."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from edge_rt.board.readers.base import Channel, Skipped
from edge_rt.board.readers.sysfs import HeldFile

PATIENCE_S = 3.0  # with one sensor; the slowest programs that are asked get a second

T = TypeVar("T")


class Hung(Exception):
    """Some work does not end; its thread is left to wait."""

    def __init__(self, skipped: Skipped) -> None:
        super().__init__(skipped.reason)
        self.skipped = skipped


def within(name: str, work: Callable[[], T], patience_s: float = PATIENCE_S) -> T:
    """Do `work` in a thread; raises Hung where it does not end in `patience_s`."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name=f"edge-rt-{name}", daemon=True)
    thread.start()
    thread.join(patience_s)
    if errors:
        raise errors[0]
    if not results:
        raise Hung(hung(name, thread))
    return results[0]


def hung(name: str, thread: threading.Thread, channels: Sequence[Channel] = ()) -> Skipped:
    """What is told of a sensor that keeps `thread` waiting."""
    place = _place(thread) or (channels[0].source if channels else "it")
    return Skipped(name, f"no answer: a read of {place} does not return", thread)


def _place(thread: threading.Thread) -> str | None:
    """The file that `thread` is at, by the local variables of its innermost functions.

    Taken from the stack once a thread hangs, so that reading costs nothing more.
    """
    frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        for value in frame.f_locals.values():
            if isinstance(value, HeldFile):
                return str(value.path)
            if isinstance(value, Path):
                return str(value)
        frame = frame.f_back
    return None
