"""edge-rt rpc: addresses that it refuses, and a board that gets too hot."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from edge_rt.cli.local.rpc import ThermalStop
from edge_rt.config.schema import GovernorConfig


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def report(temp_c: float | None, trip_c: float | None = 100.0) -> dict[str, Any]:
    zone = None if temp_c is None else {"name": "cpu", "temp_c": temp_c, "trip_c": trip_c}
    return {"temp_c": temp_c, "nearest": zone, "hottest": zone}


def test_near_its_trip_point_the_server_stands_still_until_the_board_has_cooled_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda pid, sign: sent.append((pid, sign)))
    heat = ThermalStop(42, GovernorConfig())
    for temp_c in (90.0, None, 97.0, 97.5, 98.0, None, 93.0):
        heat.look(report(temp_c))
    assert sent == [(42, signal.SIGSTOP)]
    heat.look(report(92.4))
    assert sent == [(42, signal.SIGSTOP), (42, signal.SIGCONT)]


def test_where_no_trip_point_is_known_one_is_assumed(sleeper: subprocess.Popen[bytes]) -> None:
    heat = ThermalStop(sleeper.pid, GovernorConfig())
    heat.look(report(99.0, None))
    process = psutil.Process(sleeper.pid)
    while process.status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    heat.look(report(40.0, None))
    while process.status() == psutil.STATUS_STOPPED:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ("8.8.8.8:50052", "a private address"),
        ("0.0.0.0:50052", "a private address"),
        ("[::]:50052", "a private address"),
        ("[::ffff:0.0.0.0]:50052", "a private address"),
        ("239.0.0.1:50052", "a private address"),
        ("10.0.0.12", "expected HOST:PORT"),
        ("10.0.0.12:0", "expected a port"),
        ("board.lan:50052", "board.lan"),
    ],
)
def test_addresses_that_others_may_reach_are_refused(cli: Any, listen: str, why: str) -> None:
    done = cli("rpc", "--listen", listen)
    assert done.exit_code == 2
    assert why in done.stderr
