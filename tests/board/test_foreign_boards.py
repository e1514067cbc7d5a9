"""Boards without a profile: their chip's temperature, and a governor that goes by it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from foreign import FOREIGN, Expected
from trees import BOARDS

from edge_rt.board.monitor import BoardMonitor
from edge_rt.board.readers.cpu import CpuReader
from edge_rt.config.paths import Paths
from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import Limits, Observation
from edge_rt.core.reports.board import BoardReport
from edge_rt.engine.supervisor import Supervisor
from edge_rt.governor.budget import EnergySpent
from edge_rt.governor.observation import Observer
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import Priors
from edge_rt.testing.board import FakeBoard

KINDS = [(kind, expected) for kind, (_, expected) in FOREIGN.items()]


@contextmanager
def board(
    tree: FakeBoard, kind: str, profile: str | None = None
) -> Generator[BoardMonitor, None, None]:
    """Senses on one of those boards, read at least once."""
    (FOREIGN[kind][0] if kind in FOREIGN else BOARDS[kind])(tree)
    senses = BoardMonitor(tree.proc.parent, profile, Paths.system())
    senses.open()
    try:
        yield senses
    finally:
        senses.close()


def nothing(*_: object) -> float:
    """A stand-in for counters that nothing reads."""
    return 0.0


def seen(senses: BoardMonitor) -> Observation:
    """Return what the governor is told of a board at rest."""
    nobody = SimpleNamespace(current=None, pid=None)
    spent = SimpleNamespace(add=nothing, energy_j=nothing, left_s=nothing)
    idle = SimpleNamespace(board_s=nothing, process_s=nothing)
    observer = Observer(
        senses,
        cast(Supervisor, nobody),
        cast(EnergySpent, spent),
        cast(CpuReader, idle),
        lambda: 1.0,
    )
    return asyncio.run(observer.look(4, "day", False, 0))


def allowed(look: Observation, budget: BudgetConfig | None = None) -> Limits:
    """Return what a governor allows that saw the same for a minute."""
    governor = Governor(4, budget or BudgetConfig(), None, Priors(), GovernorConfig())
    for number in range(300):
        governor.step(replace(look, time_s=0.2 * number, dt_s=0.2))
    return governor.limits


@pytest.mark.parametrize(("kind", "expected"), KINDS)
def test_the_hottest_zone_of_the_chip_counts_everywhere(
    tree: FakeBoard, kind: str, expected: Expected
) -> None:
    with board(tree, kind) as senses:
        assert senses.temp_c == expected.temp_c
        assert senses.report().temp_c == expected.temp_c
        assert seen(senses).temp_c == expected.temp_c


@pytest.mark.parametrize("kind", ["tx2", "agx-xavier", "agx-xavier-jp5", "amlogic", "radio"])
def test_a_cool_board_is_not_held_back(tree: FakeBoard, kind: str) -> None:
    with board(tree, kind) as senses:
        limits = allowed(seen(senses))
    assert (limits.guard, limits.admission, limits.duty) == ("ok", "open", 1.0)


@pytest.mark.parametrize("kind", ["amd", "intel", "laptop"])
def test_a_cap_on_temperature_binds_where_the_firmwares_zone_is_cool(
    tree: FakeBoard, kind: str
) -> None:
    with board(tree, kind) as senses:
        look = seen(senses)
    capped, free = allowed(look, BudgetConfig(temp_c=60.0)), allowed(look)
    assert "staying below 60 °C" in capped.why
    assert capped.bound_by == "temp_c"
    assert (capped.allowance_w or 0.0) < (free.allowance_w or 0.0)


@pytest.mark.parametrize(("kind", "expected"), KINDS)
def test_what_is_told_of_zones_is_one_story(tree: FakeBoard, kind: str, expected: Expected) -> None:
    with board(tree, kind) as senses:
        report, look = senses.report(), seen(senses)
    again = msgspec.json.decode(msgspec.json.encode(report), type=BoardReport)
    assert again == report
    assert (report.hottest and report.hottest.name) == expected.zone
    near = report.nearest
    assert (look.near_c, look.trip_c) == ((near.temp_c, near.trip_c) if near else (None, None))
    zones = {c.name for c in report.channels if c.kind == "temp_c"}
    assert set(report.not_counted) < zones or expected.zone is None
    assert expected.zone not in report.not_counted


def test_a_radio_alone_is_no_temperature_and_no_fault(tree: FakeBoard) -> None:
    with board(tree, "radio") as senses:
        report = senses.report()
    assert (report.temp_c, report.hottest, report.nearest) == (None, None, None)
    assert report.not_counted == {"iwlwifi_1": "it is a radio's"}
    assert report.left_out == {}


def test_the_guard_goes_by_the_zone_that_is_nearest_to_its_own_trip_point(tree: FakeBoard) -> None:
    tree.zone("cpu-thermal", 80_000, {"passive": 105_000})
    tree.zone("gpu-thermal", 60_000, {"passive": 70_000})
    senses = BoardMonitor(tree.proc.parent, None, Paths.system())
    senses.open()
    look, near = seen(senses), senses.report().nearest
    senses.close()
    assert (look.temp_c, look.near_c, look.trip_c) == (80.0, 60.0, 70.0)
    assert near is not None
    assert near.name == "gpu-thermal"
    limits = allowed(look)
    assert limits.guard == "hold"  # 60 of 70, where 80 of 70 would be a stop
    assert "is at 60 °C" in limits.why


def test_a_temperature_of_which_nobody_knows_a_trip_point_is_still_watched(tree: FakeBoard) -> None:
    tree.zone("cpu-thermal", 80_000)
    senses = BoardMonitor(tree.proc.parent, None, Paths.system())
    senses.open()
    look = seen(senses)
    senses.close()
    assert (look.temp_c, look.near_c, look.trip_c, look.trip_assumed) == (80.0, None, 90.0, True)
    assert allowed(look).guard == "hold"  # where no guard was
    assert allowed(look, BudgetConfig(temp_c=70.0)).bound_by == "temp_c"


def test_a_supply_that_sags_is_seen(tree: FakeBoard) -> None:
    tree.hwmon("rpi_volt", {"in0_lcrit_alarm": 1})
    senses = BoardMonitor(tree.proc.parent, None, Paths.system())
    senses.open()
    look = seen(senses)
    senses.close()
    assert look.sag == "under_voltage_alarm"
    limits = allowed(look)
    assert (limits.bound_by, limits.admission) == ("power_w", "open")
    assert limits.why.startswith("the supply that sags (under_voltage_alarm) allows")
