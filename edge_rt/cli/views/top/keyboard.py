"""What wakes a full-screen view: a key, a new size, news."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager
from socket import socketpair
from types import FrameType

_TERMINATED = 128 + signal.SIGTERM


class Wakes:
    """Waits for keys of the terminal `keys`, None for no terminal, and for `news`."""

    def __init__(self, keys: int | None) -> None:
        self._keys = keys
        # Unlike a pipe's bare numbers, a closed socket cannot be mistaken for another file.
        self._bell, self._button = socketpair()
        self._button.setblocking(False)

    def close(self) -> None:
        """Let go of what wakes."""
        self._bell.close()
        self._button.close()

    def news(self, *_: object) -> None:
        """Wake whoever waits; for any thread, and as a signal handler."""
        try:
            self._button.send(b"!")
        except OSError:  # full, so there is something to wake up for; or closed
            return

    def wait(self) -> str:
        """The keys that were pressed; empty when there is something else to see to."""
        watched = [self._bell] if self._keys is None else [self._bell, self._keys]
        ready, _, _ = select.select(watched, [], [])
        if self._bell in ready:
            self._bell.recv(4096)
        if self._keys is None or self._keys not in ready:
            return ""
        pressed = os.read(self._keys, 4096)
        if not pressed:
            self._keys = None  # the terminal is gone, and would be ready for ever
        return pressed.decode("latin-1")


@contextmanager
def awake() -> Generator[Wakes]:
    """Keys come at once and unseen; all is put back at the end, on SIGTERM too."""
    keys = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
    wakes = Wakes(keys)
    before = None if keys is None else termios.tcgetattr(keys)
    try:
        if keys is not None:
            tty.setcbreak(keys)
        with _on(signal.SIGWINCH, wakes.news), _on(signal.SIGTERM, _leave):
            yield wakes
    finally:
        if keys is not None and before is not None:
            termios.tcsetattr(keys, termios.TCSADRAIN, before)
        wakes.close()


@contextmanager
def _on(number: int, handler: Callable[[int, FrameType | None], object]) -> Generator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _leave(*_: object) -> None:
    sys.exit(_TERMINATED)
