"""The budget gives way while the supply sags, says so, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import mean

import pytest
from benchlib.govern_plant import governor_of
from benchlib.plant_best import Constants
from benchlib.plant_cases import NO_CLOCKS, Case, scene_of
from benchlib.plant_run import Scene, constant, simulate
from benchlib.trace import STEP_S, Trace
from look_help import governor, settle, work

from edge_rt.config.schema import BudgetConfig
from edge_rt.governor.sag import SagCap

FREE, CAPPED = BudgetConfig(), BudgetConfig(power_w=9.0)
IDLE_W, FULL_W = 4.0, 14.0


# --- the rule


def caps(
    rule: SagCap, seconds: float, flag: str | None, start_s: float, budget: BudgetConfig = FREE
) -> Iterator[float | None]:
    for number in range(round(seconds)):
        yield rule.look(start_s + number, flag, budget, IDLE_W, FULL_W).power_w


def test_a_sag_lowers_the_room_above_rest_step_by_step() -> None:
    first, *later = caps(SagCap(), 600, "under_voltage", 0.0)
    assert first == pytest.approx(IDLE_W + 0.85 * (FULL_W - IDLE_W))
    assert later[1] == pytest.approx(IDLE_W + 0.85**2 * (FULL_W - IDLE_W))
    assert later[-1] == pytest.approx(IDLE_W + 0.5 * (FULL_W - IDLE_W))  # work goes on


def test_the_cap_is_held_after_a_sag_and_then_comes_back() -> None:
    rule = SagCap()
    (low,) = caps(rule, 1, "under_voltage", 0.0, CAPPED)
    assert low == pytest.approx(IDLE_W + 0.85 * (9.0 - IDLE_W))
    assert set(caps(rule, 59, None, 1.0, CAPPED)) == {low}
    back = list(caps(rule, 40, None, 60.0, CAPPED))
    assert back == sorted(back, key=lambda cap_w: cap_w or 0.0)
    assert back[-1] == 9.0
    assert rule.told is rule.subject is None


def test_each_further_sag_is_held_twice_as_long() -> None:
    rule = SagCap()
    found = [*caps(rule, 1, "under_voltage", 0.0), *caps(rule, 99, None, 1.0)]
    assert found[-1] is None  # it has come back
    (low,) = caps(rule, 1, "under_voltage", 100.0)
    assert set(caps(rule, 119, None, 101.0)) == {low}
    assert next(caps(rule, 1, None, 220.0)) != low


def test_a_lower_cap_of_the_user_holds() -> None:
    rule, low = SagCap(), BudgetConfig(power_w=5.0)
    next(caps(rule, 1, "under_voltage", 0.0))
    assert list(caps(rule, 1, None, 1.0, low)) == [5.0]
    assert rule.told is None


def test_passes_stay_within_the_cap_and_the_rest_is_as_the_user_set_it() -> None:
    budget = BudgetConfig(temp_c=70.0, energy_j=9e4)
    found = SagCap().look(0.0, "under_voltage", budget, IDLE_W, FULL_W)
    assert (found.peak_ratio, found.temp_c, found.energy_j) == (1.0, 70.0, 9e4)


# --- the governor


def test_the_governor_names_the_sag_and_what_it_does() -> None:
    known = governor()
    work(known, 20.0)
    assert known.report.sag is None
    sagging = work(known, 10.0, 20.0, sag="under_voltage")[-1]
    assert sagging.bound_by == "power_w"
    assert sagging.why.startswith("the supply that sags (under_voltage) allows")
    assert "The supply sags (under_voltage): at most" in (known.report.sag or "")
    assert known.budget == FREE
    assert work(known, 200.0, 30.0)[-1].why == "nothing holds back"


def test_a_sag_at_rest_keeps_nobody_out() -> None:
    known = governor()
    assert settle(known, 60.0, sag="oc3_event_cnt").admission == "open"


# --- on the second plant, which shares no equation with the governor


def weak(share: float, until_s: float, seconds: float, seed: int = 0) -> tuple[Scene, Trace]:
    """A Pi 5 whose supply carries a share of full power, and a run with full power."""
    scene = scene_of(Case("plain", "pi5", "1x100/150", seed, 1.0), seconds)
    weak_w = share * Constants(scene).full_w
    free = simulate(scene, constant(scene.figures.kind.cores, 1.0))
    return replace(scene, weak_w=weak_w, weak_until_s=until_s), free


def governed(scene: Scene) -> Trace:
    return simulate(scene, governor_of(scene, FREE, NO_CLOCKS).step)


def tokens(trace: Trace, begin_s: float) -> int:
    return sum(trace.tokens[round(begin_s / STEP_S) :])


def test_a_weak_supply_hardly_sags_once_it_is_known() -> None:
    kept = list[float]()
    for seed in range(3):
        scene, free = weak(0.85, 1e9, 120.0, seed)
        trace = governed(scene)
        late = trace.power_w[round(20.0 / STEP_S) :]
        assert sum(watts > scene.weak_w for watts in late) < 0.05 * len(late)
        kept.append(tokens(trace, 20.0) / tokens(free, 20.0))
    assert mean(kept) > 0.55  # a board that a sag found at the wrong moment keeps half
    assert min(kept) > 0.45


def test_full_speed_is_back_once_the_supply_holds() -> None:
    scene, free = weak(0.85, 20.0, 180.0)
    assert tokens(governed(scene), 140.0) >= 0.97 * tokens(free, 140.0)
