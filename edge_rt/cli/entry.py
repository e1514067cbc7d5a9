"""Where the program `edge-rt` begins."""

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


def main() -> None:
    """Run the command that the arguments name."""
    leave_on_interrupt()
    from edge_rt.cli.main import main as command  # takes long enough to be interrupted

    command(prog_name="edge-rt")


if __name__ == "__main__":
    from edge_rt.cli import entry  # whose `leave` the commands know, not that of __main__

    entry.main()
