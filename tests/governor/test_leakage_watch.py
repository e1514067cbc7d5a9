"""The daemon learns its chip's leakage at rest and at constant work, and keeps it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_rt.board.snapshot import BoardSnapshot
from edge_rt.core.limits import Observation
from edge_rt.governor.leakage_watch import MOST_SLOPES, SAVE_S, LeakageWatch
from edge_rt.thermal.leakage import Leakage, Slope

TRUTH, FLOOR_W, DRIFT = Leakage(0.6, 18.0), 3.0, 0.0015
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
WORK: dict[str, Any] = {"running": 1, "busy_s": 1.0}


def idle(second: int) -> Observation:
    """The board while it goes down and up by 30 K in half an hour."""
    temp_c = 40.0 + 15.0 * (1.0 + math.cos(2.0 * math.pi * second / 1800.0))
    power_w = FLOOR_W + DRIFT * (temp_c - 45.0) + TRUTH.power_w(temp_c)
    return dataclasses.replace(IDLE, time_s=float(second), temp_c=temp_c, power_w=power_w)


def at_work(second: int, **changes: Any) -> Observation:
    """Return the same at work, where the leakage is three times as much."""
    seen = idle(second)
    assert seen.power_w is not None
    assert seen.temp_c is not None
    power_w = seen.power_w + 4.0 + 2.0 * TRUTH.power_w(seen.temp_c)
    return dataclasses.replace(seen, **{**WORK, "power_w": power_w, **changes})


def learnt(state: Path | None, seconds: int = 1800, board: str = "pi") -> LeakageWatch:
    watch = LeakageWatch(state, lambda: 0.0)
    watch.begin(board)
    for second in range(seconds):
        watch.take(idle(second))
    watch.refit()
    return watch


def test_an_idle_board_tells_its_leakage() -> None:
    watch = learnt(None)
    assert watch.measured
    assert watch.fit.leakage.doubling_c == pytest.approx(18.0, rel=0.15)
    assert watch.fit.growth_w.middle == pytest.approx(TRUTH.growth_w, rel=0.1)
    assert watch.note.startswith("measured at 46 to 67 °C: doubles each ")


def test_before_it_is_measured_the_default_is_assumed_and_named_so() -> None:
    """Phi always has a value, which says whether the leakage was measured."""
    watch = learnt(None, seconds=60)
    assert watch.fit.leakage.doubling_c == 20.0
    yielded = watch.phi(9.0, 60.0)
    assert yielded is not None
    assert 0.5 < yielded < 1.0
    assert not watch.measured
    assert watch.note.startswith("assumed: doubles each 20 K")


@pytest.mark.parametrize("supply", [None, SimpleNamespace(quality="modelled")])
def test_power_that_is_not_measured_teaches_nothing(supply: object) -> None:
    watch, board = LeakageWatch(None), cast(BoardSnapshot, SimpleNamespace(supply=supply))
    watch.begin("pi", snapshot=lambda: board)
    for second in range(1800):
        watch.take(idle(second))
    watch.refit()
    assert watch.fit.seen_c is None


def test_constant_work_tells_the_leakage_at_work() -> None:
    watch = learnt(None)
    assert watch.power_w(60.0) == pytest.approx(2.5 * watch.fit.leakage.power_w(60.0))
    for second in range(1800, 3600):
        watch.take(at_work(second))
    watch.refit()
    assert watch.power_w(60.0) == pytest.approx(3.0 * TRUTH.power_w(60.0), rel=0.1)


def test_what_a_fan_draws_is_not_taken_for_leakage() -> None:
    """It turns the faster the warmer the board is, from 50 °C on."""
    watch = LeakageWatch(None)
    watch.begin("pi")
    for second in range(1800):
        seen = idle(second)
        assert seen.temp_c is not None
        assert seen.power_w is not None
        fan = max(0.0, (seen.temp_c - 50.0) / 30.0)
        watch.take(dataclasses.replace(seen, fan=fan, power_w=seen.power_w + 1.5 * fan))
    watch.refit()
    growth_w = watch.fit.growth_w
    assert growth_w.low <= TRUTH.growth_w <= growth_w.high
    assert growth_w.middle < TRUTH.growth_w + 0.3  # of 1.25 W that the fan draws more


@pytest.mark.parametrize(
    "changing",
    [
        lambda second: {"threads": 2 + second // 40 % 2},
        lambda second: {"running": 1 + second // 40 % 2},
        lambda second: {"cpu_hz": 1e9 + second // 40 % 2},
        lambda second: {"fan": 0.3 + 0.1 * (second // 40 % 2)},
        lambda second: {"busy_s": 0.8},  # limits hold it back, more so as the board warms
        lambda second: {"prompt_s": 0.5},
        lambda second: {"others": 1.0},
    ],
)
def test_work_that_is_not_constant_teaches_nothing(changing: Any) -> None:
    watch = LeakageWatch(None)
    watch.begin("pi")
    for second in range(1800):
        watch.take(at_work(second, **changing(second)))
    watch.refit()
    assert watch.fit.seen_c is None


@pytest.mark.parametrize(
    "work",
    [
        {"busy_s": 1.0},
        {"running": 1},
        {"cpu_s": 0.9},
        {"others": 1.0},
        {"dt_s": 0.0},
        {"dt_s": 60.0},  # nobody has looked for a minute
    ],
)
def test_work_or_a_gap_and_the_seconds_after_it_teach_nothing(work: dict[str, Any]) -> None:
    watch = LeakageWatch(None)
    watch.begin("pi")
    for second in range(1800):  # idle for eight seconds of nine: never long enough
        watch.take(dataclasses.replace(idle(second), **(work if second % 9 == 0 else {})))
    watch.refit()
    assert not watch.measured


@pytest.mark.parametrize("missing", ["power_w", "temp_c"])
def test_what_cannot_be_read_teaches_nothing(missing: str) -> None:
    watch = LeakageWatch(None)
    watch.begin("pi")
    for second in range(1800):
        watch.take(dataclasses.replace(idle(second), **{missing: None}))
    watch.refit()
    assert not watch.measured


def test_the_yield_falls_as_the_chip_warms() -> None:
    watch = learnt(None)
    cool, warm = watch.phi(9.0, 40.0), watch.phi(9.0, 80.0)
    assert cool is not None
    assert warm is not None
    assert 0.0 < warm < cool < 1.0
    assert (watch.phi(None, 40.0), watch.phi(9.0, None)) == (None, None)
    assert watch.phi(2.0, 40.0) == 0.0  # less than the board draws anyway


def test_what_was_learnt_is_kept_for_the_next_start_of_the_same_board(tmp_path: Path) -> None:
    before = learnt(tmp_path)
    before.end()
    next_one, other = LeakageWatch(tmp_path, lambda: 0.0), LeakageWatch(tmp_path)
    next_one.begin("pi")
    other.begin("orin")
    assert next_one.fit == before.fit
    assert not other.measured
    next_one.refit()
    assert next_one.fit == before.fit  # from the readings, which are kept as well


def test_days_are_pooled_over_starts(tmp_path: Path) -> None:
    """None of them alone tells enough."""

    def day(number: int) -> LeakageWatch:
        watch = LeakageWatch(tmp_path, lambda: 86_400.0 * number)
        watch.begin("pi")
        for second in range(300):
            temp_c = 45.0 + number + 3.0 * math.exp(-second / 100.0)
            noise_w = 0.03 * math.sin(second / 7.0 + number)
            power_w = FLOOR_W + 0.1 * number + DRIFT * temp_c + TRUTH.power_w(temp_c) + noise_w
            look = dataclasses.replace(IDLE, time_s=float(second), temp_c=temp_c, power_w=power_w)
            watch.take(look)
        watch.refit()
        watch.end()
        return watch

    first, *_, last = [day(number) for number in range(12)]
    assert not first.measured
    assert last.measured


def test_the_newest_slopes_of_rests_and_of_work_are_kept(tmp_path: Path) -> None:
    path, old = tmp_path / "leakage-pi.json", [45.0, 0.02, 4.0, 3.0]
    slopes = [[*old, at_work] for at_work in (True, False) for _ in range(MOST_SLOPES)]
    path.write_text(json.dumps({"board": "pi", "version": 2, "slopes": slopes}))
    learnt(tmp_path).end()
    kept = json.loads(path.read_bytes())["slopes"]
    rests = [slope for slope in kept if not slope[-1]]
    assert len(rests) == MOST_SLOPES
    assert rests[0][:-1] == old
    assert rests[-1][:-1] != old
    assert [slope for slope in kept if slope[-1]] == [[*old, True]] * MOST_SLOPES


def test_the_disk_is_written_once_an_hour_at_most_and_only_with_news(tmp_path: Path) -> None:
    """Or a board that has nothing to do would wear it."""
    now = [0.0]
    watch, path = LeakageWatch(tmp_path, lambda: now[0]), tmp_path / "leakage-pi.json"
    watch.begin("pi")
    written = list[float]()

    async def pause(seconds: float) -> None:
        for second in range(int(now[0]), int(now[0] + seconds)):
            if second < 2 * SAVE_S:
                watch.take(idle(second))
        now[0] += seconds
        if path.exists():
            written.append(now[0])
            path.unlink()
        if now[0] > 8 * SAVE_S:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watch.run(pause))
    assert 1 <= len(written) <= 3
    assert all(b - a >= SAVE_S for a, b in pairwise(written))


def test_the_end_of_the_daemon_writes_what_is_not_on_disk(tmp_path: Path) -> None:
    watch = LeakageWatch(tmp_path, lambda: 0.0)
    watch.begin("pi")
    for second in range(1800):
        watch.take(idle(second))

    async def ends(_: float) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watch.run(ends))
    assert (tmp_path / "leakage-pi.json").exists()


def test_boards_that_look_alike_keep_their_own(tmp_path: Path) -> None:
    before = learnt(tmp_path)
    before.end()
    learnt(tmp_path, board="pi (simulated)").end()
    again = LeakageWatch(tmp_path)
    again.begin("pi")
    assert again.fit == before.fit


def test_a_board_found_later_is_another_one(tmp_path: Path) -> None:
    watch = learnt(tmp_path)
    watch.begin("orin")
    assert not watch.measured
    watch.begin("pi")
    assert watch.measured


@pytest.mark.parametrize("content", [b"", b"{", b'{"board": 1}', b"[" * 10_000])
def test_a_damaged_file_is_told_and_left_alone(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "leakage-pi.json"
    path.write_bytes(content)
    watch = LeakageWatch(tmp_path)
    with caplog.at_level(logging.WARNING):
        watch.begin("pi")
    watch.end()
    assert not watch.measured
    assert path.name in caplog.text
    assert path.read_bytes() == content


def test_a_file_of_the_former_shape_tells_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "leakage-pi.json").write_text('{"board": "pi", "fit": {}, "stretches": [[0, []]]}')
    watch = LeakageWatch(tmp_path)
    watch.begin("pi")
    assert watch.fit == LeakageWatch(None).fit
    assert not caplog.text


def test_a_file_of_a_later_version_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "leakage-pi.json"
    path.write_text('{"version": 3}')
    watch = learnt(tmp_path)
    watch.end()
    assert watch.measured
    assert "newer edge_rt" in (watch.trouble.told or "")
    assert path.read_text() == '{"version": 3}'


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("temp_c", 1e300),
        ("w_per_c", -5.0),
        ("w_per_c", 1e300),
        ("variance_c2", 0.0),
        ("variance_c2", 1e300),
        ("power_w", 0.0),
        ("power_w", 1e300),
    ],
)
def test_figures_that_cannot_be_do_not_come_from_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str, value: float
) -> None:
    learnt(tmp_path).end()
    [path] = tmp_path.iterdir()
    kept = json.loads(path.read_bytes())
    kept["slopes"][1][Slope._fields.index(where)] = value
    path.write_text(json.dumps(kept))
    watch = LeakageWatch(tmp_path)
    watch.begin("pi")
    assert not watch.measured
    assert "holds what no board shows" in caplog.text


def test_a_disk_that_refuses_costs_only_the_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    watch = learnt(tmp_path / "file" / "state")
    watch.end()
    assert watch.measured
    assert "cannot be written down" in caplog.text
