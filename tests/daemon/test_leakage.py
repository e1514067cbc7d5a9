"""The daemon learns its chip's leakage while the engine is idle, and keeps it."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from edge_rt.daemon.leakage import KEPT_EVERY, LeakageWatch
from edge_rt.governor.limits import Observation
from edge_rt.thermal.leakage import Leakage

TRUTH, FLOOR_W = Leakage(0.6, 18.0), 3.0
IDLE = Observation(
    time_s=0.0,
    dt_s=1.0,
    power_w=3.0,
    temp_c=40.0,
    trip_c=85.0,
    fan=None,
    threads=4,
    busy_s=0.0,
    tokens=0,
    running=0,
    waiting=0,
    others=0.0,
)


def idle(second: int) -> Observation:
    """The board while it goes down and up by 30 K in half an hour."""
    temp_c = 40.0 + 15.0 * (1.0 + math.cos(2.0 * math.pi * second / 1800.0))
    power_w = FLOOR_W + TRUTH.power_w(temp_c)
    return dataclasses.replace(IDLE, time_s=float(second), temp_c=temp_c, power_w=power_w)


def learnt(state: Path | None, seconds: int = 1800, board: str = "pi") -> LeakageWatch:
    watch = LeakageWatch(state)
    watch.begin(board)
    for second in range(seconds):
        watch.take(idle(second))
    asyncio.run(watch.refit())
    return watch


def test_an_idle_board_tells_its_leakage(tmp_path: Path) -> None:
    watch = learnt(tmp_path)
    assert watch.fit is not None
    assert watch.fit.leakage.doubling_c == pytest.approx(18.0, rel=0.05)
    assert watch.power_w(60.0) == pytest.approx(TRUTH.power_w(60.0), rel=0.05)
    assert "doubles each 18 K" in watch.note


def test_nothing_is_claimed_before_it_is_known() -> None:
    watch = learnt(None, seconds=60)
    assert (watch.fit, watch.power_w(60.0), watch.phi(9.0, 60.0)) == (None, 0.0, None)
    assert watch.note.startswith("not known: ")
    assert "K" in watch.note


@pytest.mark.parametrize("work", [{"busy_s": 1.0}, {"running": 1}, {"cpu_s": 0.9}, {"dt_s": 0.0}])
def test_work_and_the_seconds_after_it_teach_nothing(work: dict[str, Any]) -> None:
    watch = LeakageWatch(None)
    watch.begin("pi")
    for second in range(1800):  # idle for three seconds of four: never long enough
        watch.take(dataclasses.replace(idle(second), **(work if second % 4 == 0 else {})))
    asyncio.run(watch.refit())
    assert watch.fit is None


@pytest.mark.parametrize("missing", ["power_w", "temp_c"])
def test_what_cannot_be_read_teaches_nothing(missing: str) -> None:
    watch = LeakageWatch(None)
    watch.begin("pi")
    for second in range(1800):
        watch.take(dataclasses.replace(idle(second), **{missing: None}))
    asyncio.run(watch.refit())
    assert watch.fit is None


def test_the_yield_falls_as_the_chip_warms() -> None:
    watch = learnt(None)
    cool, warm = watch.phi(9.0, 40.0), watch.phi(9.0, 80.0)
    assert cool is not None
    assert warm is not None
    assert 0.0 < warm < cool < 1.0
    assert (watch.phi(None, 40.0), watch.phi(9.0, None)) == (None, None)
    assert watch.phi(2.0, 40.0) == 0.0  # less than the board draws anyway


def test_a_good_fit_is_kept_for_the_next_start_of_the_same_board(tmp_path: Path) -> None:
    fit = learnt(tmp_path).fit
    next_one, other = LeakageWatch(tmp_path), LeakageWatch(tmp_path)
    next_one.begin("pi")
    other.begin("orin")
    assert next_one.fit == fit
    assert other.fit is None


def test_fits_are_not_written_all_the_time(tmp_path: Path) -> None:
    """Which would wear the disk of a board that has nothing to do."""
    watch, path = learnt(tmp_path), tmp_path / "leakage-pi.json"
    written = 0
    for _ in range(2 * KEPT_EVERY):
        path.unlink(missing_ok=True)
        asyncio.run(watch.refit())
        written += path.exists()
    assert written == 2


def test_boards_that_look_alike_keep_their_own(tmp_path: Path) -> None:
    fit = learnt(tmp_path).fit
    learnt(tmp_path, board="pi (simulated)")
    again = LeakageWatch(tmp_path)
    again.begin("pi")
    assert again.fit == fit


def test_a_board_found_later_is_another_one(tmp_path: Path) -> None:
    watch = learnt(tmp_path)
    watch.begin("orin")
    assert watch.fit is None
    watch.begin("pi")
    assert watch.fit is not None


@pytest.mark.parametrize("content", [b"", b"{", b'{"board": 1}', b"[" * 10_000])
def test_a_damaged_file_is_told_and_left_alone(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "leakage-pi.json"
    path.write_bytes(content)
    watch = LeakageWatch(tmp_path)
    with caplog.at_level(logging.WARNING):
        watch.begin("pi")
    assert watch.fit is None
    assert path.name in caplog.text
    assert path.read_bytes() == content


def test_a_disk_that_refuses_costs_only_the_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    watch = learnt(tmp_path / "file" / "state")
    assert watch.fit is not None
    assert "cannot be written down" in caplog.text
