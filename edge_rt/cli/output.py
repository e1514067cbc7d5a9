"""Standard output that cannot be written."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

from edge_rt.cli.exits import Failure
from edge_rt.errors import EdgeError

PIPE_CLOSED = 128 + signal.SIGPIPE


@contextmanager
def output_watched() -> Generator[None]:
    """Turn into a Failure what is raised when the output's disk is full, or worse.

    A pipe that is closed ends the command quietly, as SIGPIPE ends other programs.

    An OSError of a file names the file, and rooms turn theirs into edge_rt's own: one that does
    neither comes from a standard stream.
    """
    try:
        yield
    except BrokenPipeError:  # its reader has ended, as `head` does
        _give_up()
        raise SystemExit(PIPE_CLOSED) from None
    except OSError as error:
        if isinstance(error, EdgeError) or error.filename is not None:
            raise
        _give_up()
        raise Failure(f"cannot write the output: {error.strerror or error}") from error


def _give_up() -> None:
    """Drop what is still to be written, or Python would try again, and complain, at its end."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
