"""The governor on a board that shares no equation with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import QUIET
from small_board import Asked, Board, Trace, constant, governed

from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import ClockSteps, Limits
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import Priors

PIECE = 32  # tokens of a prompt in a pass, without which few constant settings are even enough
STEPS = ClockSteps(cpu_hz=(0.5e9, 0.6e9, 0.7e9, 0.8e9, 0.9e9, 1.0e9))


def full_w(board: Board, asked: Asked) -> float:
    return constant(board, asked, 40.0, Limits(board.cores)).mean_w()


def governor(cap_w: float | None, priors: Priors | None = None) -> Governor:
    """One that believes that the board draws 2.7 W at rest and 1.2 W for each core, or so."""
    return Governor(
        4, BudgetConfig(power_w=cap_w), None, priors or Priors(2.9, 1.4), GovernorConfig()
    )


def best_work_s(board: Board, asked: Asked, cap_w: float, seconds: float) -> float:
    """Of the best constant setting among threads and duties that keeps the cap."""

    def run(threads: int, duty: float) -> Trace:
        return constant(board, asked, seconds, Limits(threads, duty, prefill_chunk=PIECE))

    found = [0.0]
    for threads in range(1, board.cores + 1):
        low, high = 0, 32
        while low < high:
            middle = (low + high + 1) // 2
            kept = run(threads, middle / 32).kept(cap_w) >= 0.995
            low, high = (middle, high) if kept else (low, middle - 1)
        found.append(run(threads, low / 32).work_s if low else 0.0)
    return max(found)


def test_sustained_work_of_two_phases_does_not_lead_the_model_astray() -> None:
    """Prompts draw 1.12 times as much as decoding, at nearly the same utilisation."""
    board, asked = Board(), Asked(prompt=400, answer=100)
    known = governor(None, Priors(3.25, 1.94))
    trace = governed(board, asked, known, 900.0)
    idle_w = known.report.idle_w
    assert idle_w is not None
    assert 0.5 * board.rest_w < idle_w < 1.5 * board.rest_w
    predicted_w = sum(trace.predicted_w[-1000:]) / 1000
    assert predicted_w == pytest.approx(trace.mean_w(700.0), rel=0.05)
    known.budget = BudgetConfig(power_w=0.77 * trace.mean_w(700.0))
    limits = [
        known.step(replace(QUIET, time_s=900.0 + k, dt_s=1.0, power_w=2.7)) for k in range(60)
    ]
    assert {limit.admission for limit in limits} == {"open"}


@pytest.mark.parametrize("prompts", [1.0, 1.12, 1.65])
@pytest.mark.parametrize("asked", [Asked(), Asked(1, 600, 40), Asked(4, 400, 60)], ids=repr)
def test_a_cap_is_kept_while_prompts_draw_more(asked: Asked, prompts: float) -> None:
    board = Board(prompts=prompts)
    cap_w = 0.75 * full_w(board, asked)
    trace = governed(board, asked, governor(cap_w), 70.0)
    assert trace.kept(cap_w) >= 0.995
    assert trace.work_s >= 0.85 * best_work_s(board, asked, cap_w, 70.0)


@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.3])
def test_what_others_draw_unseen_is_answered_within_two_seconds(late_s: float) -> None:
    board, asked = Board(late_s=late_s), Asked()
    cap_w = 0.75 * full_w(board, asked)

    def hidden(time_s: float) -> float:
        return 1.0 if time_s > 20.0 and (time_s // 15.0) % 2 else 0.0

    trace = governed(board, asked, governor(cap_w), 140.0, hidden)
    assert trace.kept(cap_w, 12.0) >= 0.97
    assert slowest_s(trace, cap_w, [30.0, 60.0, 90.0, 120.0]) <= 2.0


def slowest_s(trace: Trace, cap_w: float, steps: list[float]) -> float:
    """The longest time after a step from which on windows that end there keep the cap."""
    longest = 0.0
    for step_s in steps:
        ends = trace.windows(step_s - 0.98)[: round(8.0 / 0.02)]
        over = [k * 0.02 for k, mean_w in enumerate(ends) if mean_w > cap_w * 1.0001]
        longest = max(longest, max(over, default=0.0))
    return longest


@pytest.mark.parametrize("prompts", [1.0, 1.5])
def test_a_model_on_a_gpu_is_governed_by_its_passes(prompts: float) -> None:
    board = Board(draw_w=8.0, prompts=prompts, decode=40.0, read=1500.0, gpu=True)
    asked = Asked(prompt=400, answer=100)
    cap_w = 0.75 * full_w(board, asked)
    trace = governed(board, asked, governor(cap_w), 90.0)
    assert trace.kept(cap_w) >= 0.99
    assert {limits.admission for limits in trace.limits} == {"open"}
    assert trace.mean_w(20.0) > 0.93 * cap_w


def test_a_lower_clock_gives_more_than_pauses() -> None:
    board, asked = Board(), Asked()
    cap_w = 0.6 * full_w(board, asked)
    known = Governor(
        4, BudgetConfig(power_w=cap_w), None, Priors(2.9, 1.4), GovernorConfig(), STEPS
    )
    slow = governed(board, asked, known, 120.0)
    paced = governed(board, asked, governor(cap_w), 120.0)
    assert slow.kept(cap_w, 20.0) >= 0.995
    assert slow.tokens >= 1.15 * paced.tokens


def test_clocks_are_left_alone_where_they_may_not_be_turned() -> None:
    board, asked = Board(), Asked()
    trace = governed(board, asked, governor(0.6 * full_w(board, asked)), 10.0)
    assert {(limits.cpu_hz, limits.gpu_hz) for limits in trace.limits} == {(None, None)}
