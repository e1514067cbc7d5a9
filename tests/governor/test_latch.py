"""Whatever is believed of a board at rest, its door does not stay shut for good."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from benchlib.govern_plant import governor_of
from benchlib.plant_best import Constants
from benchlib.plant_cases import Case, scene_of
from benchlib.plant_load import NOBODY, Others
from benchlib.plant_run import Scene, constant, simulate
from look_help import DT_S, QUIET, governor, work

from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import Limits, Observation
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import Priors


def rest(known: Governor, seconds: int, start_s: float) -> list[Limits]:
    """The limits while the board idles at 4 W, looked at once a second."""
    return [
        known.step(replace(QUIET, time_s=start_s + number, dt_s=1.0)) for number in range(seconds)
    ]


def serve(known: Governor, seconds: float, start_s: float, others: float, core_w: float) -> None:
    """Let a request in whenever the door is open; others' cores draw 0.7 W each."""
    limits = known.limits
    for number in range(round(seconds / DT_S)):
        comes = limits.admission == "open"
        cores = limits.threads * limits.duty if comes else 0.0
        look = replace(
            QUIET,
            time_s=start_s + number * DT_S,
            power_w=4.0 + core_w * cores + 0.7 * others,
            threads=limits.threads,
            busy_s=DT_S * limits.duty if comes else 0.0,
            cpu_s=cores * DT_S,
            tokens=4 if comes else 0,
            running=int(comes),
            others=others,
        )
        limits = known.step(look)


def test_a_rest_makes_no_room_smaller() -> None:
    known = governor(BudgetConfig(power_w=4.4))
    before = work(known, 120.0)[-1]
    after = rest(known, 1500, 120.0)
    assert before.admission == "open"
    assert {limits.admission for limits in after} == {"open"}
    assert after[-1].threads * after[-1].duty > 0.8 * before.threads * before.duty


def test_a_burst_of_others_shuts_the_door_for_a_while_only() -> None:
    known = governor(BudgetConfig(power_w=4.3))
    serve(known, 60.0, 0.0, 0.0, 1.0)
    assert known.limits.admission == "open"
    serve(known, 30.0, 60.0, 1.0, 1.0)
    assert known.limits.admission == "refuse"
    after = rest(known, 300, 90.0)
    assert after[-1].admission == "open"
    doors = [limits.admission == "open" for limits in after]
    assert sum(a != b for a, b in pairwise(doors)) == 1


def test_a_board_that_is_thought_to_draw_too_much_may_show_that_it_does_not() -> None:
    known = Governor(4, BudgetConfig(power_w=4.3), None, Priors(4.0, 3.0), GovernorConfig())
    after = rest(known, 80, 0.0)
    assert after[-1].admission == "open"
    serve(known, 60.0, 80.0, 0.0, 1.0)
    assert known.limits.admission == "open"
    assert known.limits.threads * known.limits.duty > 0.2


def test_a_board_that_draws_too_much_at_rest_opens_no_door() -> None:
    known = governor(BudgetConfig(power_w=3.9))
    rest(known, 60, 0.0)
    assert {limits.admission for limits in rest(known, 2000, 60.0)} == {"refuse"}


def test_a_program_that_takes_most_power_keeps_requests_out_for_half_a_minute_at_most() -> None:
    """On the second plant, where the door was shut for as long as the program ran."""
    scene = scene_of(Case("plain", "nano", "1x100/150", 0, 0.6), 125.0)
    constants = Constants(scene)
    cap_w, rest_w = 0.6 * constants.full_w, min(constants.full.power_w)

    def beside(device_w: float) -> Scene:
        greedy = ((0.0, NOBODY), (30.0, Others(1.0, rail_w=device_w)))
        return replace(scene, program=replace(scene.program, others=greedy))

    alone = simulate(replace(beside(0.0), idle_s=1e9), constant(1, 1.0))
    room_w = cap_w - rest_w
    scene = beside(rest_w + 0.9 * room_w - alone.mean_w(60.0))  # a tenth of the room is left
    known = governor_of(scene, BudgetConfig(power_w=cap_w))
    closed_s = [0.0]

    def control(seen: Observation) -> Limits:
        is_open = known.step(seen).admission == "open"
        closed_s.append(0.0 if is_open else closed_s[-1] + DT_S)
        return known.limits

    trace = simulate(scene, control)
    assert 20.0 < max(closed_s) <= 30.0 + DT_S
    assert trace.under(cap_w, 30.0) >= 0.98
