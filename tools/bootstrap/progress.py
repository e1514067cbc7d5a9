"""A progress bar on standard error, or plain lines where nobody watches."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

_BAR = 24
_STEP = 10  # percent between two plain lines


class Progress:
    """How far one piece of work is; a context manager that ends its line.

    On a terminal one line is redrawn. Elsewhere (a pipe, CI) the title is printed once, then a
    line for each further ten percent, so that a log stays readable.
    """

    def __init__(
        self,
        title: str,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title = title
        self._stream = sys.stderr if stream is None else stream
        self._tty = self._stream.isatty()
        self._clock = clock
        self._start = clock()
        self._printed = 0

    def __enter__(self) -> Progress:
        self._write(f"{self._title} ..." if self._tty else f"{self._title}\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        outcome = "done" if kind is None else "stopped"
        self._end(f"{self._title}: {outcome} after {self._clock() - self._start:.0f} s")

    def update(self, fraction: float | None, note: str = "") -> None:
        """Show `fraction` (0 to 1; None: unknown) and what is being done."""
        if self._tty:
            self._redraw(fraction, note)
        elif fraction is not None:
            self._print(int(fraction * 100), note)

    def _redraw(self, fraction: float | None, note: str) -> None:
        bar = "" if fraction is None else f" {_bar(fraction)} {fraction:4.0%}"
        line = f"{self._title}{bar} {note}"
        self._write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")

    def _print(self, percent: int, note: str) -> None:
        if percent < self._printed:  # another file, another count
            self._printed = 0
        if percent >= self._printed + _STEP:
            self._printed = percent - percent % _STEP
            self._write(f"  {self._printed:3d} % {note}".rstrip() + "\n")

    def _end(self, text: str) -> None:
        self._write(f"\r\x1b[K{text}\n" if self._tty else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _bar(fraction: float) -> str:
    full = round(_BAR * min(max(fraction, 0.0), 1.0))
    return "[" + "#" * full + "." * (_BAR - full) + "]"
