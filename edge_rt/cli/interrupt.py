"""What Ctrl-C does while a command is not yet, or no longer, under way."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager

INTERRUPTED = 130  # as a shell tells of a command that SIGINT ended


def leave(*_: object) -> None:
    """End the process at once: nothing has been begun that would have to be put right."""
    os._exit(INTERRUPTED)


def leave_on_interrupt() -> None:
    """From now on Ctrl-C ends the process without a word; unless the shell has it ignored.

    A KeyboardInterrupt would not do: in the midst of an import Python may print and forget it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)


@contextmanager
def interruptible() -> Generator[None]:
    """Have Ctrl-C raise KeyboardInterrupt within, where it would end the process."""
    if signal.getsignal(signal.SIGINT) is not leave:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, leave)
