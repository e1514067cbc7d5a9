"""The `edge-rt` command: one file a subcommand. What ends it at Ctrl-C is here, where it begins."""

from __future__ import annotations

import os
import signal

INTERRUPTED = 128 + signal.SIGINT  # as a shell tells of a command that SIGINT ended


def leave(*_: object) -> None:
    """End the process at once: nothing has been begun that would have to be put right."""
    os._exit(INTERRUPTED)


def leave_on_interrupt() -> None:
    """From now on Ctrl-C ends the process without a word; unless the shell has it ignored.

    A KeyboardInterrupt would not do: in the midst of an import Python may print and forget it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave)
