"""The companion under the governor: its limits, and how its work is seen."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_rt.core.limits import Limits, Observation
from edge_rt.engine.client import EngineClient
from edge_rt.governor.loop import GovernorLoop
from edge_rt.governor.observation import CompanionWatch
from edge_rt.speech.companion import Companion

SEEN = Observation(
    time_s=1.0,
    dt_s=0.5,
    power_w=5.0,
    temp_c=40.0,
    trip_c=90.0,
    fan=None,
    threads=2,
    busy_s=0.1,
    tokens=3,
    running=1,
    waiting=0,
    others=1.5,
    cpu_s=0.2,
)


class FakeCompanion:
    """What the governor sees of a companion, and what it tells it."""

    def __init__(self) -> None:
        self.busy_s = self.cpu_s = 0.0
        self.running = 0
        self.told: list[tuple[int, float]] = []

    def limit(self, threads: int, duty: float) -> None:
        self.told.append((threads, duty))


@pytest.fixture
def companion() -> FakeCompanion:
    return FakeCompanion()


@pytest.fixture
def watch(companion: FakeCompanion) -> CompanionWatch:
    return CompanionWatch(cast(Companion, companion))


def test_one_without_work_changes_nothing(watch: CompanionWatch) -> None:
    assert watch.added(SEEN) == SEEN


def test_its_work_is_the_daemons_and_no_other_programs(
    companion: FakeCompanion, watch: CompanionWatch
) -> None:
    companion.busy_s, companion.cpu_s, companion.running = 0.3, 0.6, 1
    seen = watch.added(SEEN)
    assert (seen.busy_s, seen.running) == (pytest.approx(0.4), 2)
    assert seen.cpu_s == pytest.approx(0.8)
    assert seen.others == pytest.approx(1.5 - 0.6 / 0.5)
    companion.busy_s, companion.cpu_s = 0.4, 0.7  # since the look before
    assert watch.added(SEEN).busy_s == pytest.approx(0.2)


def test_work_of_both_at_once_is_no_more_than_the_time_there_was(
    companion: FakeCompanion, watch: CompanionWatch
) -> None:
    companion.busy_s, companion.running = 0.5, 1
    assert watch.added(SEEN).busy_s == SEEN.dt_s
    companion.busy_s = 1.0
    assert watch.added(replace(SEEN, busy_s=2.0)).busy_s == 2.0  # a pass that began before


def test_what_is_not_known_stays_so_and_another_process_counts_from_nothing(
    companion: FakeCompanion, watch: CompanionWatch
) -> None:
    companion.busy_s, companion.cpu_s, companion.running = 0.1, 5.0, 1
    watch.added(SEEN)
    companion.busy_s, companion.cpu_s = 0.2, 0.1
    seen = watch.added(replace(SEEN, others=None))
    assert (seen.cpu_s, seen.others) == (SEEN.cpu_s, None)


def loop(limits: Limits, companion: FakeCompanion, working: bool) -> tuple[Any, list[Any]]:
    """Return a loop with these limits in force, and what it tells the engine."""
    told: list[Any] = []
    engine = SimpleNamespace(working=working, send=told.append)
    whole = GovernorLoop(
        lambda snapshot: cast(Any, SimpleNamespace(limits=limits)),
        cast(Any, None),
        cast(Any, None),
        cast(Any, SimpleNamespace(current=cast(EngineClient, engine))),
        history=cast(Any, None),
        busy=lambda: True,
        smaller=lambda: False,
        clock=lambda: 0.0,
        clocks=cast(Any, None),
        companion=cast(Companion, companion),
    )
    return whole, told


PACED = Limits(2, 0.6, prompt_duty=0.4)


@pytest.mark.parametrize(
    ("limits", "running", "working", "own", "engines"),
    [
        (PACED, 1, True, (2, 0.2), (0.3, 0.2)),  # half for each
        (PACED, 1, False, (2, 0.4), (0.6, 0.4)),
        (PACED, 0, True, (2, 0.4), (0.6, 0.4)),
        (Limits(2), 1, True, (2, 1.0), (1.0, None)),  # nothing binds
    ],
)
def test_it_obeys_the_duty_of_prompts_and_shares_what_there_is(
    companion: FakeCompanion,
    limits: Limits,
    running: int,
    working: bool,
    own: tuple[int, float],
    engines: tuple[float, float | None],
) -> None:
    companion.running = running
    whole, told = loop(limits, companion, working)
    whole._tell()
    assert companion.told == [own]
    [said] = told
    assert (said.duty, said.prompt_duty) == engines
