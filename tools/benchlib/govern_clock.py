"""The gain of a governed clock: tokens with it over tokens with duty alone, at a low cap."""

from __future__ import annotations

from collections.abc import Iterator

from benchlib import govern_model
from benchlib.govern_plant import (
    BOARDS,
    CAPS,
    SEEDS,
    Case,
    Outcome,
    clock_steps,
    governor_of,
    kept,
    scene_of,
)
from benchlib.model_board import simulate as simulate_twin
from benchlib.plant_best import Constants
from benchlib.plant_run import simulate
from edge_rt.core.limits import ClockSteps
from edge_rt.governor.budget import Budget
from edge_rt.twin.shape import Shape

_WORKS = ("1x100/150", "1x600/40")
_TWINS = {"pi5": "raspberry-pi-5", "nano": "jetson-orin-nano-8gb"}


def clock_cases(quick: bool, only: str = "") -> list[Case]:
    """Boards of the second plant, and of our own twin."""
    words = only.split()
    return [c for c in _cases(quick) if all(word in c.label.split() for word in words)]


def _cases(quick: bool) -> Iterator[Case]:
    for seed in SEEDS[:1] if quick else SEEDS:
        for board in ["pi5"] if quick else BOARDS:
            for work in _WORKS[:1] if quick else _WORKS:
                yield Case("clock", board, work, seed, CAPS[0])
        for board in _TWINS:
            yield Case("clock-twin", board, "1x100/150", seed, CAPS[0])


def evaluate_clock(case: Case, seconds: float) -> list[Outcome]:
    """Run one case with the clock and without it."""
    return [_on_twin(case, seconds) if case.part == "clock-twin" else _on_plant(case, seconds)]


def _on_plant(case: Case, seconds: float) -> Outcome:
    scene = scene_of(case, seconds)
    constants = Constants(scene)
    budget = Budget(power_w=case.cap * constants.full_w, power_window_s=case.window_s)
    steps = clock_steps(scene)
    with_clock = simulate(scene, governor_of(scene, budget, steps).step)
    without = simulate(scene, governor_of(scene, budget).step)
    values = kept(with_clock, case.cap * constants.full_w, constants.begin_s, case.window_s)
    values["gain"] = constants.work(with_clock) / constants.work(without)
    return _outcome(case, values)


def _on_twin(case: Case, seconds: float) -> Outcome:
    scene = govern_model.capped_scene(_TWINS[case.board], case.seed, seconds=seconds)
    begin_s = scene.idle_s + govern_model.SETTLED_S
    cap_w = case.cap * govern_model.at_full(scene).mean_w(begin_s)
    budget, steps_hz = Budget(power_w=cap_w), tuple(reversed(Shape.of(scene.board).steps_hz))
    speeds: list[float] = []
    values: dict[str, float] = {}
    for steps in (ClockSteps(steps_hz), ClockSteps()):
        trace = simulate_twin(scene, govern_model.governed(scene.board, budget, clocks=steps).step)
        speeds.append(govern_model.tokens_per_s(scene, trace))
        values = values or kept(trace, cap_w, begin_s, 1.0)
    values["gain"] = speeds[0] / speeds[1]
    return _outcome(case, values)


def _outcome(case: Case, values: dict[str, float]) -> Outcome:
    line = (
        f"{case.label}: {values['gain']:.3f} times the tokens with the clock,"
        f" {values['ok']:.2%} of windows"
    )
    return Outcome(case, values, line)
