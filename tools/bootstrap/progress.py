"""A progress bar on standard error, or plain lines where nobody watches."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

_BAR = (8, 24)  # columns of the bar, at least and at most
_STEP = 10  # percent between two plain lines
_KNOWN = 0.05  # from there on the pace tells what is left


class Progress:
    """How far one piece of work is; a context manager that ends its line.

    On a terminal one line is redrawn. Elsewhere (a pipe, CI) the title is printed once, then a
    line for each part and each further ten percent, so that a log stays readable. It never goes
    back, and tells the time that has passed and, from then on, what is left at that pace. While
    nothing advances, what is left runs out rather than grows.
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
        self._done: float | None = None
        self._advance = (0.0, 0.0)  # the last one: the share done, and the seconds it took
        self._printed = 0

    def __enter__(self) -> Progress:
        self._write(f"{self._title} ..." if self._tty else f"{self._title}\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        outcome = "done" if kind is None else "stopped"
        self._end(f"{self._title}: {outcome} after {self._clock() - self._start:.0f} s")

    def part(self, doing: str, share: float) -> Part:
        """The part of the work that follows, which is that `share` of all of it."""
        return Part(self, doing, share)

    @property
    def done(self) -> float:
        """The fraction that is done, as far as that is known."""
        return self._done or 0.0

    def update(self, fraction: float | None, note: str = "") -> None:
        """Show `fraction` (0 to 1; None: unknown) and what is being done."""
        if fraction is not None:
            self._done = max(self._done or 0.0, fraction)
        if self._tty:
            self._redraw(note)
        elif fraction is not None:
            self._print(int(self.done * 100 + 1e-9), note)

    def say(self, note: str) -> None:
        """Show what is being done now, also where nobody watches."""
        if self._tty:
            self._redraw(note)
        else:
            self._line(int(self.done * 100), note)

    def _redraw(self, note: str) -> None:
        done, room = self._done, shutil.get_terminal_size().columns - 1
        line = f"{self._title} {note}"
        if done is not None:
            figures = f"{done:4.0%} {self._times(done)} {note}"
            line = (
                f"{self._title} {_bar(done, room - len(self._title) - len(figures) - 4)} {figures}"
            )
        self._write(f"\r\x1b[K{line[:room]}")

    def _print(self, percent: int, note: str) -> None:
        if percent >= self._printed + _STEP:
            self._printed = percent - percent % _STEP
            self._line(self._printed, note)

    def _line(self, percent: int, note: str) -> None:
        self._write(f"  {percent:3d} % {note} ({self._times(self.done)})\n")

    def _times(self, done: float) -> str:
        passed = self._clock() - self._start
        if done > self._advance[0]:
            self._advance = done, passed
        left = self._advance[1] / done - passed if _KNOWN <= done < 1 else 0
        return f"{_clock(passed)}, {_clock(left)} left" if left >= 1 else _clock(passed)

    def _end(self, text: str) -> None:
        self._write(f"\r\x1b[K{text}\n" if self._tty else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _bar(fraction: float, room: int) -> str:
    width = min(max(room, _BAR[0]), _BAR[1])
    full = round(width * min(max(fraction, 0.0), 1.0))
    return "[" + "#" * full + "." * (width - full) + "]"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Part(Progress):
    """One part of the work of another bar, which shows it."""

    def __init__(self, whole: Progress, doing: str, share: float) -> None:
        self._whole, self._doing, self._share = whole, doing, share
        self._begun = 0.0

    def __enter__(self) -> Part:
        self._begun = self._whole.done
        self._whole.say(self._doing)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.update(1.0)

    def update(self, fraction: float | None, note: str = "") -> None:
        """Show `fraction` of this part and what is being done."""
        done = None if fraction is None else self._begun + self._share * fraction
        self._whole.update(done, f"{self._doing}: {note}" if note else self._doing)
