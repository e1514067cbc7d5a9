"""A reading of power that does not follow the load is not believed, and the cap holds."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from look_help import DT_S, QUIET, governor
from small_board import Asked, Board, Run

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Limits, Observation
from edge_rt.governor.stuck_reading import StuckReading

BUSY, REST = {"cpu_s": 4 * DT_S}, {"cpu_s": 0.0}
CAP_W = 5.4


def believed(
    reading: StuckReading, powers_w: Iterable[float | None], **seen: Any
) -> list[float | None]:
    """Return what is believed of these readings, each over one look."""
    return [reading.believed(replace(QUIET, power_w=w, **seen)).power_w for w in powers_w]


def quick() -> StuckReading:
    """One whose sensor has had a new value for every look at rest."""
    reading = StuckReading(4)
    believed(reading, [4.1, 4.0, 4.2], **REST)
    return reading


def test_a_value_that_stays_while_the_load_moves_is_old_at_once_and_soon_frozen() -> None:
    reading = quick()
    assert believed(reading, [4.0] * 100, **REST) == [4.0] * 100
    assert believed(reading, [4.0] * 14, **BUSY) == [None] * 14
    assert reading.frozen_w is None
    assert believed(reading, [4.0] * 60, **BUSY) == [None] * 60
    assert reading.frozen_w == 4.0
    assert believed(reading, [4.1, 4.1], **BUSY) == [4.1, 4.1]
    assert reading.frozen_w is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"others": 0.0}, {"others": 2.0}),
        ({"cpu_s": None, "busy_s": 0.0}, {"cpu_s": None, "busy_s": DT_S}),
        ({"gpu_s": 0.0}, {"gpu_s": DT_S}),
        ({"gpu_load": 0.9}, {"gpu_load": 0.1}),
        ({**BUSY, "cpu_hz": 2e9}, {**BUSY, "cpu_hz": 1e9}),
        ({"gpu_load": 1.0, "gpu_hz": 6e8}, {"gpu_load": 1.0, "gpu_hz": 3e8}),
    ],
)
def test_others_the_gpu_and_clocks_are_load_too(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    reading = quick()
    assert believed(reading, [4.0, 4.0], **{**REST, **before}) == [4.0, 4.0]
    assert believed(reading, [4.0], **{**REST, **after}) == [None]


def test_a_load_that_hardly_moves_is_no_reason_for_doubt() -> None:
    reading = quick()
    for look in range(200):
        assert believed(reading, [7.0], cpu_s=(3.8 + 0.2 * (look % 2)) * DT_S) == [7.0]


def test_a_small_move_is_enough_once_a_value_has_stayed_for_long() -> None:
    reading = quick()
    for look in range(50):
        told = believed(reading, [7.0], cpu_s=(3.6 + 0.4 * (look % 2)) * DT_S)
        assert told == [7.0] if look < 9 else look < 13 or told == [None]


def test_readings_in_steps_are_believed_where_the_load_moves_them() -> None:
    reading, dice = StuckReading(4), random.Random(3)
    for _ in range(500):
        cores = 4.0 * dice.random()
        power_w = round((3.0 + cores) / 0.4) * 0.4
        believed(reading, [power_w], cpu_s=cores * DT_S)
        assert reading.frozen_w is None


def test_a_sensor_that_is_read_seldom_is_none_that_is_stuck() -> None:
    reading, dice = StuckReading(4), random.Random(4)
    told, power_w = list[float | None](), 0.0
    for _ in range(20):
        power_w = 4.0 + 4.0 * dice.random()
        told = [believed(reading, [power_w], cpu_s=k * DT_S)[0] for k in range(5)]
        assert reading.frozen_w is None
    assert None not in told
    looks = [believed(reading, [power_w], cpu_s=(k % 4) * DT_S)[0] for k in range(50)]
    assert looks.index(None) < 10  # some second values late
    assert reading.frozen_w == power_w


def test_what_is_missing_stays_missing_and_a_look_without_time_changes_nothing() -> None:
    reading = quick()
    assert believed(reading, [4.0, None, 4.0], **REST) == [4.0, None, 4.0]
    assert believed(reading, [4.0], dt_s=0.0, **BUSY) == [4.0]
    assert believed(reading, [4.0], **BUSY) == [None]
    assert believed(reading, [4.0], dt_s=0.0, **BUSY) == [None]


def frozen(run: Run, begin_s: float, end_s: float) -> list[tuple[float, Limits, str]]:
    """Let the sensor of `run` freeze for a time; returns limits and warnings by time."""
    known, held_w, found = governor(BudgetConfig(power_w=CAP_W)), list[float | None](), []

    def control(seen: Observation) -> Limits:
        if begin_s <= seen.time_s < end_s:
            held_w.append(seen.power_w)
            seen = replace(seen, power_w=held_w[0])
        limits = known.step(seen)
        found.append((seen.time_s, limits, " ".join(known.report.missing)))
        return limits

    run.control = control
    return found


@pytest.mark.parametrize("begin_s", [0.8, 25.0, 27.5, 30.0])
def test_a_frozen_sensor_is_named_the_cap_holds_and_no_request_is_refused(begin_s: float) -> None:
    run = Run(Board(), Asked(2, 200, 100, pause_s=6.0), lambda _: Limits(4), seed=1)
    found = frozen(run, begin_s, begin_s + 30.0)
    trace = run.run(80.0)
    named_s = [time_s for time_s, _, said in found if "is frozen" in said]
    assert begin_s < named_s[0] < begin_s + 12.0  # the load has to move first
    assert named_s[-1] < begin_s + 30.5
    assert {limits.admission for _, limits, _ in found} == {"open"}
    far = [mean_w > 1.05 * CAP_W for mean_w in trace.windows(5.0)]
    longest = max(len(part) for part in "".join(".x"[over] for over in far).split("."))
    assert longest * 0.02 <= 5.0
