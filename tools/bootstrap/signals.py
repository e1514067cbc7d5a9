"""Leave by way of every `finally` when asked to end."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import ParamSpec

from bootstrap import SetupError

P = ParamSpec("P")


def end_cleanly_on_signals() -> None:
    """Make SIGTERM and SIGHUP raise SystemExit, so that child processes are stopped."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))


def ending_cleanly(main: Callable[P, int]) -> Callable[P, int]:
    """Have `main` return the exit code also where it is asked to end, or raises SetupError."""

    @wraps(main)
    def program(*args: P.args, **kwargs: P.kwargs) -> int:
        end_cleanly_on_signals()
        try:
            return main(*args, **kwargs)
        except SetupError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130

    return program


def run_child(argv: Sequence[str]) -> int:
    """Run `argv` on this terminal and return its exit code, as a shell would.

    Ctrl-C reaches the child directly; it decides what that means. Any other way of leaving
    ends the child first.
    """
    with subprocess.Popen(argv) as child:
        try:
            while True:
                with contextlib.suppress(KeyboardInterrupt):
                    status = child.wait()
                    return status if status >= 0 else 128 - status
        finally:
            if child.poll() is None:
                child.terminate()
