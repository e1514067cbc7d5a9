"""A disk without room, or that may be written in one place only, stops no answer."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

Daemon = Any
ENTER = ("unshare", "--mount")
SMALL_DISK = 'mkdir -p "$0" && mount -t tmpfs -o size=12m,mode=700 none "$0" && exec "$@"'
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"'


def through(script: str, place: Path) -> list[str]:
    """Return what runs a command in a file system of its own, `script` says which."""
    return [*ENTER, "sh", "-c", script, str(place)]


@pytest.fixture
def apart(own_daemon: Callable[..., Daemon]) -> Callable[[str, str], Daemon]:
    """Makes daemons that keep their state in that part of their directory, see `through`."""
    if subprocess.run([*ENTER, "true"], capture_output=True).returncode:
        pytest.skip("file systems can be mounted by root alone")

    def make(script: str, part: str) -> Daemon:
        daemon = own_daemon(cache={"enabled": True})
        assert daemon.terminate() == 0
        state = daemon.directory / part
        daemon.environment = {"STATE_DIRECTORY": str(state)}
        daemon.through = through(script, state)
        daemon.start()
        return daemon

    return make


@pytest.fixture
def full(apart: Callable[[str, str], Daemon]) -> Iterator[tuple[Daemon, Path]]:
    """A daemon whose disk is full, and that disk."""
    daemon = apart(SMALL_DISK, "disk")
    disk = Path(f"/proc/{daemon.process.pid}/root{daemon.directory}/disk")
    for number in range(3):
        daemon.complete(f"{number} is", max_tokens=4)
    assert daemon.http.get("/edge/v1/cache").json()["stored"]
    with pytest.raises(OSError, match="space"):
        fill(disk / "filler")
    return daemon, disk


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass


def failing(daemon: Daemon) -> dict[str, str]:
    return daemon.status()["storage"]["failing"]


def written(folder: Path, file: str, table: str) -> int:
    """The rows of a table, from a copy: SQLite does not find its way to another's file system."""
    with tempfile.TemporaryDirectory() as place:
        for found in folder.glob(f"{file}*"):
            shutil.copy(found, place)
        with closing(sqlite3.connect(Path(place, file))) as db:
            return db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


@pytest.mark.slow
def test_answers_go_on_while_the_disk_is_full_and_nothing_is_lost(
    full: tuple[Daemon, Path], tools: Any
) -> None:
    daemon, disk = full

    def ask(first: int) -> bool:
        """Return whether answers and sums cannot be written; rests of pages may have room."""
        for number in range(first, first + 20):
            assert daemon.complete(f"{number} is", max_tokens=4)
        return {"ledger.db", "cache.db"} <= failing(daemon).keys()

    asked = iter(range(3, 100_000, 20))
    tools.eventually(lambda: ask(next(asked)), "the disk is full for all")
    most = next(asked)
    told = failing(daemon)
    assert "answers are kept in memory alone" in told["cache.db"]
    assert "full" in told["ledger.db"]
    proof = daemon.http.get("/health")
    assert (proof.status_code, proof.json()["storage"]) == (200, failing(daemon))
    assert 'edge_rt_storage_writable{file="ledger.db"} 0.0' in daemon.metrics()
    assert "answers are kept in memory alone" in daemon.log.read_text()
    (disk / "filler").unlink()
    tools.eventually(lambda: not failing(daemon), "the disk is found to have room again")
    assert "no longer so: answers are kept in memory alone" in daemon.log.read_text()
    assert written(disk, "cache.db", "kept") == most
    assert written(disk, "ledger.db", "answers") == most
    assert "Traceback" not in daemon.log.read_text()


@pytest.mark.slow
def test_nothing_but_the_state_directory_has_to_be_writable(
    apart: Callable[[str, str], Daemon], tools: Any
) -> None:
    daemon = apart(READ_ONLY, ".")
    daemon.complete("Once", max_tokens=4)
    assert daemon.http.get("/edge/v1/cache").json()["groups"]
    tools.eventually(
        lambda: (
            (daemon.directory / "ledger.db").exists()
            and written(daemon.directory, "ledger.db", "answers")
        ),
        "the answer is booked",
    )
    assert failing(daemon) == {}
    assert daemon.terminate() == 0
    log = daemon.log.read_text()
    assert not [word for word in ("Read-only", "ERROR", "WARNING") if word in log], log
