"""The governor is told what is seen, and engine, requests and clients hear what it says."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.errors import Unavailable
from edge_rt.core.limits import ClockSteps, Limits, Observation
from edge_rt.core.reports.governor import BudgetChange
from edge_rt.engine.client import EngineClient, EngineLost
from edge_rt.engine.protocol import SetLimits
from edge_rt.engine.supervisor import Supervisor
from edge_rt.governor.board_heat import Heat
from edge_rt.governor.history import BoardHistory
from edge_rt.governor.knobs.clock_control import ClockControl
from edge_rt.governor.leakage_watch import LeakageWatch
from edge_rt.governor.loop import BUSY_S, IDLE_S, GovernorLoop
from edge_rt.governor.observation import Observer
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.report import GovernorReport

SEEN = Observation(
    time_s=0.0,
    dt_s=0.2,
    power_w=5.0,
    temp_c=50.0,
    trip_c=80.0,
    fan=None,
    threads=2,
    busy_s=0.1,
    tokens=5,
    running=1,
    waiting=0,
    others=0.0,
    supply_j=100.0,
    period_left_s=50.0,
)
IDLE = replace(SEEN, running=0, busy_s=0.0, tokens=0)


class Ended(Exception):
    """The time of the test is over."""


class Engine:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.prompt_duties: list[float | None] = []
        self.gone = False

    def send(self, limits: SetLimits) -> None:
        if self.gone:
            raise EngineLost("gone")
        self.told.append((limits.threads, limits.duty, limits.prefill_chunk))
        self.prompt_duties.append(limits.prompt_duty)


class FakeGovernor:
    """Says what the stage tells it to say, or raises it."""

    def __init__(self, stage: Stage) -> None:
        self.budget, self.limits, self.report = BudgetConfig(), Limits(2), GovernorReport()
        self.fixed: int | None = None
        self.clocks = ClockSteps()
        self.smaller = True
        self.steps: list[tuple[Observation, BudgetConfig]] = []
        self._stage = stage

    def step(self, seen: Observation) -> Limits:
        self.steps.append((seen, self.budget))
        if isinstance(self._stage.says, Exception):
            raise self._stage.says
        says = self._stage.says
        self.limits = says if self.fixed is None else replace(says, threads=self.fixed)
        return self.limits


class FakeClocks:
    """Clocks of which the CPU's may be changed."""

    steps = ClockSteps(cpu_hz=(1e9, 2e9))
    cpu_hz, gpu_hz = 2e9, None

    def __init__(self) -> None:
        self.told: list[tuple[float | None, float | None]] = []
        self.ineffective = False, False

    def obey(self, limits: Limits, ineffective: tuple[bool, bool]) -> None:
        self.told.append((limits.cpu_hz, limits.gpu_hz))
        self.ineffective = ineffective


class Stage:
    """A Governing whose board, engine and governor are in the test's hand."""

    def __init__(self, seen: Observation = SEEN) -> None:
        self.now = 0.0
        self.active = False
        self.smaller = True
        self.says: Limits | Exception = Limits(2)
        self.seen = seen
        self.asked: list[tuple[int, str, bool, int]] = []  # of the observer
        self.snapshot: Any = None
        self.reading_s: float | None = None
        self.still = False  # whether a doze lasts for ever
        self.dozing = False
        self.governors: list[FakeGovernor] = []
        self.made_for: list[Any] = []
        self.closed = 0
        self.engine, self.clocks = Engine(), FakeClocks()
        self.supervisor = SimpleNamespace(current=self.engine)
        self.governor_loop = GovernorLoop(
            self._make,
            cast(Observer, self),
            Heat(LeakageWatch(None)),
            cast(Supervisor, self.supervisor),
            history=BoardHistory(30.0, lambda: 1e9 + self.now),
            busy=lambda: self.active,
            smaller=lambda: self.smaller,
            clock=lambda: self.now,
            pause=self._pass,
            clocks=cast(ClockControl, self.clocks),
        )

    @property
    def governor(self) -> FakeGovernor:
        return self.governors[-1]

    def _make(self, snapshot: Any) -> Governor:
        self.made_for.append(snapshot)
        self.governors.append(FakeGovernor(self))
        return cast(Governor, self.governor)

    # --- the observer's part

    async def look(self, threads: int, period: str, ask: bool, waiting: int) -> Observation:
        self.asked.append((threads, period, ask, waiting))
        await asyncio.sleep(0)
        return self.seen

    def again(self, seen: Observation, period: str) -> Observation:
        return replace(seen, dt_s=0.0, supply_j=7.0)

    def close(self) -> None:
        self.closed += 1

    # --- short cuts

    async def _pass(self, seconds: float) -> None:
        await asyncio.sleep(0)
        if self.still and seconds > BUSY_S:
            self.dozing = True
            await asyncio.Event().wait()
        self.now += seconds
        if self.now > 10.0:
            raise Ended

    async def look_with(self, says: Limits | Exception) -> None:
        self.says = says
        await self.governor_loop.look()


def test_the_engine_is_told_when_limits_change_and_only_then(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        paced = Limits(2, 0.5, 24)
        for says in (paced, paced, replace(paced, duty=0.502), Limits(1, 0.5, 24)):
            await stage.look_with(says)
        assert stage.engine.told == [(2, 0.5, 24), (1, 0.5, 24)]

    kit.run(run())


def test_the_governor_chooses_among_clocks_and_each_look_tells_them(kit: Any) -> None:
    async def run() -> None:
        stage = Stage(IDLE)
        await stage.look_with(Limits(2, cpu_hz=1e9))
        await stage.look_with(Limits(2))
        assert stage.clocks.told == [(1e9, None), (None, None)]
        assert stage.governor.clocks == FakeClocks.steps
        seen = stage.governor.steps[-1][0]
        assert (seen.cpu_hz, seen.gpu_hz) == (2e9, None)

    kit.run(run())


def test_clocks_that_obey_no_limit_are_told(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        for ineffective in ((False, False), (True, False)):
            await stage.look_with(Limits(2))
            stage.governor.report = GovernorReport(ineffective=ineffective)
            await stage.look_with(Limits(2))
            assert stage.clocks.ineffective == ineffective

    kit.run(run())


def test_no_leakage_is_learnt_from_a_frozen_sensor(
    kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        stage, taken = Stage(), list[float | None]()
        leakage = stage.governor_loop.heat.leakage
        monkeypatch.setattr(leakage, "take", lambda seen: taken.append(seen.power_w))
        for frozen_w in (None, 5.0, None):
            stage.governor_loop.governor.report = GovernorReport(frozen_w=frozen_w)
            await stage.look_with(Limits(2))
        assert taken == [5.0, None, 5.0]

    kit.run(run())


def test_a_duty_of_prompts_alone_is_told_too(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        even = Limits(2, 0.5)
        for prompt_duty in (None, 0.502, 0.3, 0.301):
            await stage.look_with(replace(even, prompt_duty=prompt_duty))
        assert stage.engine.prompt_duties == [None, 0.3]

    kit.run(run())


@pytest.mark.parametrize(("near", "end"), [(0.998, 1.0), (0.002, 0.0)])
def test_full_speed_and_standstill_are_told_exactly(kit: Any, near: float, end: float) -> None:
    async def run() -> None:
        stage = Stage()
        for duty in (near, end):
            await stage.look_with(Limits(2, duty))
        assert [told[1] for told in stage.engine.told] == [near, end]

    kit.run(run())


def test_an_idle_engine_is_left_alone_until_work_comes(kit: Any) -> None:
    async def run() -> None:
        stage = Stage(IDLE)
        await stage.look_with(Limits(1))
        await stage.look_with(Limits(1, 0.5))
        assert stage.engine.told == []
        assert [ask for _, _, ask, _ in stage.asked] == [False, False]
        await stage.governor_loop.admit(loads=False)
        assert stage.engine.told == [(1, 0.5, None)]

    kit.run(run())


def test_every_look_tells_the_governor_whether_less_of_a_model_may_answer(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        for smaller in (False, True, False):
            stage.smaller = smaller
            await stage.look_with(Limits(2))
            assert stage.governor.smaller == smaller

    kit.run(run())


def test_a_new_engine_is_greeted_with_what_is_in_force(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        await stage.look_with(Limits(1, 0.5))
        stage.engine.gone, stage.supervisor.current = True, None
        await stage.look_with(Limits(1, 0.4))
        newcomer = Engine()
        stage.governor_loop.greet(cast(EngineClient, newcomer))
        stage.supervisor.current = newcomer
        await stage.look_with(Limits(1, 0.4))
        assert newcomer.told == [(1, 0.4, None)]
        assert [threads for threads, *_ in stage.asked] == [2, 1, 1]

    kit.run(run())


def test_an_engine_that_goes_just_now_is_no_harm(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        stage.engine.gone = True
        await stage.look_with(Limits(1))
        assert stage.governor_loop.limits == Limits(1)

    kit.run(run())


def test_requests_wait_and_are_let_in_by_what_is_seen_next(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        await stage.look_with(Limits(2, admission="queue"))
        request = asyncio.create_task(stage.governor_loop.admit(loads=False))
        await asyncio.sleep(0)
        await stage.look_with(Limits(2))
        await request
        assert [waiting for *_, waiting in stage.asked] == [0, 1]
        await stage.look_with(Limits(2, admission="refuse", retry_after_s=9.0, why="too hot"))
        with pytest.raises(Unavailable, match="too hot") as caught:
            await stage.governor_loop.admit(loads=False)
        assert caught.value.retry_after_s == 9.0

    kit.run(run())


def test_a_budget_is_obeyed_at_once(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        await stage.look_with(Limits(2))
        stage.says = Limits(1, 0.25, bound_by="power_w")
        stage.governor_loop.change(BudgetChange(power_w=4.0, energy_j=9.0, energy_period="hour"))
        seen, budget = stage.governor.steps[-1]
        assert (seen.dt_s, seen.supply_j, budget.power_w) == (0.0, 7.0, 4.0)
        assert stage.engine.told[-1] == (1, 0.25, None)
        state = stage.governor_loop.state([])
        assert (state.budget.power_w, state.limits.duty, state.spent_j) == (4.0, 0.25, 7.0)
        await stage.governor_loop.look()
        assert stage.asked[-1][1] == "hour"

    kit.run(run())


def test_the_log_tells_a_changed_budget_in_the_words_of_the_configuration(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    Stage().governor_loop.change(BudgetChange(power_w=4.0, energy_period="hour"))
    assert "the budget is now: power_w 4.0, power_window_s 1.0" in caplog.text
    assert "temp_c none, energy_j none, energy_period hour" in caplog.text


def test_the_log_warns_once_of_a_budget_below_idle_draw(
    kit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        stage = Stage()
        await stage.look_with(Limits(2))
        stage.governor.report = GovernorReport(idle_w=3.4)
        stage.governor_loop.change(BudgetChange(power_w=3.0))
        await stage.governor_loop.look()
        await stage.governor_loop.look()
        assert stage.governor_loop.state([]).warnings
        stage.governor_loop.change(BudgetChange(power_w=8.0))
        stage.governor_loop.change(BudgetChange(power_w=2.0))

    kit.run(run())
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [text.partition(" W ")[0] for text in told] == [
        "The power budget of 3",
        "The power budget of 2",
    ]


def test_what_is_wrong_with_the_supply_is_told() -> None:
    stage = Stage()
    assert stage.governor_loop.supply() == []
    stage.governor.report = GovernorReport(delay_s=1.5, sag="The supply sags.")
    sag, late = stage.governor_loop.state([]).supply
    assert sag == "The supply sags."
    assert "1.5 s late" in late
    assert "windows of 4 s" in late


def test_a_budget_may_come_before_the_first_look(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        stage.governor_loop.change(BudgetChange(temp_c=60.0))
        state = stage.governor_loop.state([])
        assert (state.budget.temp_c, state.spent_j) == (60.0, None)
        await stage.governor_loop.look()
        assert stage.governor.steps[0][1].temp_c == 60.0

    kit.run(run())


def test_the_board_that_is_found_gets_a_governor_of_its_own_with_the_same_budget(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        await stage.governor_loop.look()
        stage.governor_loop.change(BudgetChange(power_w=4.0))
        stage.snapshot = SimpleNamespace(chosen="a board")
        await stage.governor_loop.look()
        stage.snapshot = SimpleNamespace(chosen="a board")  # looked at again
        await stage.governor_loop.look()
        assert stage.made_for == [None, SimpleNamespace(chosen="a board")]
        assert stage.governor.budget.power_w == 4.0
        assert len(stage.governor.steps) == 2

    kit.run(run())


def test_what_holds_back_is_counted_while_there_is_work(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        held = Limits(2, 0.5, bound_by="power_w")
        for says in (held, Limits(2), replace(held, bound_by="temp_c"), held):
            await stage.look_with(says)
        stage.seen = IDLE
        await stage.look_with(held)
        assert stage.governor_loop.state([]).held_back_s == pytest.approx(
            {"power_w": 0.4, "temp_c": 0.2}
        )

    kit.run(run())


def rhythm(stage: Stage) -> int:
    """Looks in ten seconds."""
    with pytest.raises(Ended):
        asyncio.run(stage.governor_loop.run())
    assert stage.closed == 1
    return len(stage.asked)


def test_looks_are_frequent_while_there_is_work() -> None:
    assert rhythm(Stage()) == pytest.approx(10.0 / BUSY_S, abs=2)


def test_and_rare_while_there_is_none() -> None:
    stage = Stage(IDLE)
    assert rhythm(stage) == pytest.approx(10.0 / IDLE_S, abs=2)
    assert not any(ask for _, _, ask, _ in stage.asked)


def test_a_governor_that_fails_begins_anew_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    stage.governor_loop.change(BudgetChange(power_w=4.0))
    stage.says = ZeroDivisionError("a mistake")
    looks = rhythm(stage)
    assert looks > 10
    assert len(stage.governors) == looks
    assert {governor.budget.power_w for governor in stage.governors} == {4.0}
    assert caplog.text.count("ZeroDivisionError") == 1


def test_what_was_allowed_holds_while_the_governor_fails() -> None:
    shut = Limits(2, 0.0, admission="refuse", guard="evacuate")
    stage = Stage()
    asyncio.run(stage.look_with(shut))
    stage.says = ZeroDivisionError("a mistake")
    rhythm(stage)
    assert stage.governor_loop.limits == shut


def test_a_governor_that_cannot_be_made_is_made_later() -> None:
    stage = Stage()
    made, make = 0, stage.governor_loop._make

    def fragile(snapshot: Any) -> Governor:
        nonlocal made
        made += 1
        if made < 3:
            raise OSError("not now")
        return make(snapshot)

    stage.governor_loop._make = fragile
    stage.says = ZeroDivisionError("a mistake")
    rhythm(stage)
    assert made > 3


def test_a_request_ends_the_doze(kit: Any) -> None:
    async def run() -> None:
        stage = Stage(IDLE)
        stage.still = True
        governor_loop = asyncio.create_task(stage.governor_loop.run())
        while not stage.dozing:
            await asyncio.sleep(0)
        assert [ask for _, _, ask, _ in stage.asked] == [False]
        stage.active = True
        await stage.governor_loop.admit(loads=False)
        while len(stage.asked) < 3:
            await asyncio.sleep(0)
        assert [ask for _, _, ask, _ in stage.asked] == [False, True, True]
        governor_loop.cancel()
        await asyncio.gather(governor_loop, return_exceptions=True)
        assert stage.closed == 1

    kit.run(run())


def test_fixed_threads_are_in_force_until_they_are_given_back(kit: Any) -> None:
    async def run() -> None:
        stage = Stage()
        await stage.look_with(Limits(2, 0.5))
        with stage.governor_loop.fixed(1):
            await stage.governor_loop.admit(loads=False)
            assert stage.governor_loop.limits == Limits(1, 0.5)
            await stage.look_with(Limits(2, 0.4))  # all else is governed
            stage.snapshot = SimpleNamespace(chosen="another board")
            await stage.look_with(Limits(2, 0.4))  # by another governor
        assert [governor.fixed for governor in stage.governors] == [1, None]
        assert stage.engine.told == [
            (2, 0.5, None),
            (1, 0.5, None),
            (1, 0.4, None),
            (2, 0.4, None),
        ]
        assert [threads for threads, *_ in stage.asked] == [2, 1, 1]

    kit.run(run())
