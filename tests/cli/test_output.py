"""Output that cannot be written ends a command with one line and no traceback."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge_rt.cli.exits import CommandFailure
from edge_rt.cli.main import output_watched
from edge_rt.core.errors import EdgeError, StoreError

Daemon = Any  # the scripted daemon of conftest.py
Spawn = Any


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["run", "Hi"],
        ["run", "--json", "Hi"],
        ["run", "--no-stream", "Hi"],
        ["chat"],
        ["models", "list"],
        ["models", "list", "--json"],
        ["models", "--help"],
        ["check-config"],
        ["status"],
        ["status", "--json"],
    ],
)
def test_a_full_disk_is_told_in_one_line(daemon: Daemon, spawn: Spawn, words: list[str]) -> None:
    daemon.documents["/edge/v1/status"] = (200, {"uptime_s": 1})
    daemon.documents["/health"] = (200, {"status": "ok"})
    with Path("/dev/full").open("wb") as full:
        process = spawn(*words, stdout=full)
        _, errors = process.communicate(b"Hi\n")
    assert process.returncode == 1
    assert errors == b"Error: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_error_is_no_reason_to_complain(
    unbuffered: str, daemon: Daemon, spawn: Spawn, environ: dict[str, str]
) -> None:
    environ["PYTHONUNBUFFERED"] = unbuffered
    with Path("/dev/full").open("wb") as full:
        process = spawn("run", "Hi", stderr=full)
        out, _ = process.communicate()
    assert (process.returncode, out) == (1, b"Hello world\n")


def test_a_closed_standard_output_is_nobody_who_reads(daemon: Daemon, spawn: Spawn) -> None:
    process = spawn("run", "Hi", stdout=None, preexec_fn=lambda: __import__("os").close(1))
    _, errors = process.communicate()
    assert process.returncode == 0
    assert b"34 tokens" in errors


def test_a_reader_that_leaves_is_no_fault(daemon: Daemon, spawn: Spawn) -> None:
    process: subprocess.Popen[bytes] = spawn("run", "Hi", stdin=subprocess.DEVNULL)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read() == b""
    assert process.wait() == 141  # as SIGPIPE has it


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(errno.ENOSPC, "full"), CommandFailure),
        (OSError(errno.EIO, "broken", "/some/file"), OSError),
        (BrokenPipeError(errno.EPIPE, "gone"), SystemExit),
        (StoreError("no"), EdgeError),
    ],
)
def test_only_errors_of_the_output_become_failures(
    error: OSError, seen: type[BaseException]
) -> None:
    with pytest.raises(seen), output_watched():
        raise error
