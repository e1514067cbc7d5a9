"""systemd hears of the daemon's start, life, reload and end, and children do not speak for it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge_rt.server.systemd import Notifier


class Ended(Exception):
    """The time of the test is over."""


class Manager:
    """systemd's end: what was said since the last look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._sock.bind(str(path))
        self._said = list[str]()

    def listen(self) -> None:
        """Empty the socket, as systemd does all the time: senders wait where it is full."""
        with suppress(BlockingIOError):
            while True:
                self._said.append(self._sock.recv(4096).decode())

    def heard(self) -> list[str]:
        self.listen()
        said, self._said = self._said, []
        return said

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


def live(notifier: Notifier, seconds: float, manager: Manager | None = None) -> None:
    """Let the notifier give signs of life for so long."""
    now = 0.0

    async def pause(some: float) -> None:
        nonlocal now
        now += some
        if manager is not None:
            manager.listen()
        if now >= seconds:
            raise Ended

    with pytest.raises(Ended):
        asyncio.run(notifier.run(pause))


def test_from_start_to_end(manager: Manager) -> None:
    notifier = Notifier(str(manager.path), clock=lambda: 7_000_999)
    notifier.ready("serving")
    notifier.reloading()
    notifier.stopping()
    assert manager.heard() == [
        "READY=1\nSTATUS=serving",
        "RELOADING=1\nMONOTONIC_USEC=7000",
        "STOPPING=1",
    ]


def test_until_it_is_ready_it_asks_for_more_time(manager: Manager) -> None:
    notifier = Notifier(str(manager.path))
    live(notifier, 60, manager)
    said = manager.heard()
    assert set(said) == {"EXTEND_TIMEOUT_USEC=30000000"}
    assert 60 / len(said) < 30, "each comes before the one before it has run out"
    notifier.ready("serving")
    manager.heard()
    live(notifier, 60, manager)
    assert manager.heard() == []


@pytest.mark.parametrize("watchdog_s", [1.5, 30.0, 90.0])
def test_the_watchdog_hears_more_often_than_it_must(manager: Manager, watchdog_s: float) -> None:
    notifier = Notifier(str(manager.path), watchdog_s)
    notifier.ready("serving")
    manager.heard()
    live(notifier, 4 * watchdog_s, manager)
    said = manager.heard()
    assert set(said) == {"WATCHDOG=1"}
    assert len(said) >= 2 * 4, "one may come late"


def test_what_systemd_says_is_taken_out_of_the_environment(manager: Manager) -> None:
    environ = {
        "NOTIFY_SOCKET": str(manager.path),
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    notifier = Notifier.detect(environ)
    assert environ == {"HOME": "/"}
    assert notifier.heard
    live(notifier, 1)
    assert "WATCHDOG=1" in manager.heard()[0]


def test_a_watchdog_of_another_process_is_not_fed(manager: Manager) -> None:
    environ = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}
    live(Notifier.detect(environ), 1)
    assert manager.heard() == ["EXTEND_TIMEOUT_USEC=30000000"]


def test_without_systemd_nothing_is_said() -> None:
    notifier = Notifier.detect({})
    assert not notifier.heard
    notifier.ready("serving")
    live(notifier, 10)


def test_an_abstract_socket_is_spoken_to() -> None:
    name = f"edge-rt-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        Notifier(f"@{name}").stopping()
        assert sock.recv(64) == b"STOPPING=1"


def test_a_manager_that_is_gone_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier(str(tmp_path / "gone")).ready("serving")
    assert "systemd does not hear READY=1" in caplog.text
