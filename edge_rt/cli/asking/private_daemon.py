"""A daemon of one's own, for as long as one command runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from edge_rt.cli.exits import Failure
from edge_rt.cli.where import accepts

_POLL_S = 0.02
_PATH_MOST = 100  # bytes; the kernel takes 107


@contextlib.contextmanager
def private_daemon(
    serve: Sequence[str], *, ready_s: float = 60.0, grace_s: float = 10.0
) -> Generator[Path]:
    """Run `serve --socket PATH` and yield PATH, which nobody but this user can reach.

    The daemon gets a session of its own, so that Ctrl-C ends the client and not the daemon
    under it. It is stopped and its directory removed however the block is left, also by SIGTERM
    and SIGHUP, which end this process. Raises Failure with the daemon's log when it ends at start
    or stays silent for `ready_s`, which a small board with a slow card may need some of. It gets
    `grace_s` from SIGTERM to SIGKILL.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    directory = _directory()
    try:
        with (directory / "log").open("wb") as log:
            daemon = subprocess.Popen(
                [*serve, "--socket", str(directory / "s")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # What it books is not this machine's daemon's, nor is it kept.
                env=os.environ | {"STATE_DIRECTORY": str(directory)},
            )
        try:
            _wait(daemon, directory / "s", directory / "log", ready_s)
            yield directory / "s"
        finally:
            _stop(daemon, grace_s)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _directory() -> Path:
    """A new directory with mode 0700 and a name short enough for a socket in it."""
    directory = tempfile.mkdtemp(prefix="edge-rt-")
    if len(os.fsencode(directory)) > _PATH_MOST:
        Path(directory).rmdir()
        directory = tempfile.mkdtemp(prefix="edge-rt-", dir="/tmp")
    return Path(directory)


def _wait(daemon: subprocess.Popen[bytes], path: Path, log: Path, ready_s: float) -> None:
    deadline = time.monotonic() + ready_s
    while not accepts(path):
        if daemon.poll() is not None:
            raise Failure(f"{_read(log)}\nThe daemon ended with {daemon.returncode} at start.")
        if time.monotonic() > deadline:
            raise Failure(f"{_read(log)}\nThe daemon did not answer within {ready_s:g} s.")
        time.sleep(_POLL_S)


def _stop(daemon: subprocess.Popen[bytes], grace_s: float) -> None:
    daemon.terminate()
    try:
        daemon.wait(grace_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):  # its children too
            os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def _read(log: Path) -> str:
    return log.read_text(errors="replace").rstrip()
