"""How the best constant setting is found, and how the governor is held against it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from benchlib.boards import load_boards
from benchlib.fixed_daemon import Fixed, read_limits, write_limits
from benchlib.govern_cap import BOARDS, SHARES, Case, Outcome, cases, gathered, on_board
from benchlib.govern_scan import Constant, best, finer, grid
from benchlib.govern_turns import Span
from benchlib.looks import Look, mean_w
from benchlib.sim_board import SimBoard

from edge_rt.config.schema import BudgetConfig, GovernorConfig
from edge_rt.core.limits import Limits, Observation
from edge_rt.governor.policy.governor import Governor
from edge_rt.governor.power.draws import Priors
from edge_rt.twin.shape import Shape

PI = SimBoard("raspberry-pi-5", seed=0)


def served(threads: int, duty: float, speed: float = 50.0) -> Constant:
    return Constant(threads, duty, speed * threads**0.7 * duty, [threads * duty] * 10)


def up_to(most: float) -> Callable[[Constant], bool]:
    return lambda one: one.mean_cores <= most


def scan(step: float = 0.25) -> list[Constant]:
    return [served(threads, duty) for threads, duty in grid(2, step)]


def test_the_grid_has_every_thread_count_with_every_duty_once() -> None:
    found = grid(2, 0.1)
    assert len(found) == len(set(found)) == 20
    assert {threads for threads, _ in found} == {1, 2}
    assert {duty for _, duty in found} == {round(k / 10, 1) for k in range(1, 11)}
    assert grid(2, 0.1) == found
    assert found != sorted(found)


def test_the_best_constant_is_the_fastest_that_keeps_the_cap() -> None:
    found = best(scan(), up_to(1.2))
    assert found is not None
    assert (found.threads, found.duty) == (1, 1.0)  # 2 threads at 0.5 keep it and are slower
    assert best(scan(), up_to(0.1)) is None


def test_the_gap_above_the_highest_duty_that_keeps_is_looked_at_closer() -> None:
    assert finer(scan(), up_to(0.6)) == [
        (1, pytest.approx(0.5833, abs=1e-4)),
        (1, pytest.approx(0.6667, abs=1e-4)),
        (2, pytest.approx(0.3333, abs=1e-4)),
        (2, pytest.approx(0.4167, abs=1e-4)),
    ]


def test_a_thread_count_that_could_not_win_is_not_looked_at_closer() -> None:
    slow_pairs = [served(n, duty, 50.0 if n == 1 else 5.0) for n, duty in grid(2, 0.25)]
    assert {threads for threads, _ in finer(slow_pairs, up_to(0.6))} == {1}


def test_where_no_duty_keeps_the_gap_begins_at_none() -> None:
    assert (1, pytest.approx(0.0833, abs=1e-4)) in finer(scan(), up_to(0.1))


def test_at_full_duty_there_is_nothing_above() -> None:
    assert finer([served(1, 0.5), served(1, 1.0)], up_to(2.0)) == []


def test_caps_are_shares_of_what_full_speed_draws() -> None:
    found = cases(scan(), quick=False)
    assert len(found) == len(BOARDS) * len(SHARES)
    pi = [case for case in found if case.board.name == PI.name]
    full_w = mean_w(on_board(served(2, 1.0), pi[0].board))
    assert [case.cap_w for case in pi] == pytest.approx([share * full_w for share in SHARES])
    assert len(cases(scan(), quick=True)) == 1


def test_every_cap_leaves_more_than_the_board_draws_at_rest() -> None:
    nearly_idle = Constant(1, 0.1, 1.0, [0.1])
    for case in cases(scan(), quick=False):
        assert case.keeps(nearly_idle), case.label


def test_a_setting_keeps_a_cap_that_all_its_windows_are_within() -> None:
    uncapped_w = mean_w(on_board(served(2, 1.0), PI))
    case = Case(PI, 0.75, uncapped_w)
    assert case.keeps(served(2, 0.4))
    assert not case.keeps(served(2, 0.9))
    uneven = Constant(2, 0.5, 50.0, [2.0] * 15 + [0.0] * 30)  # within it on average
    assert mean_w(on_board(uneven, PI)) < case.cap_w
    assert not case.keeps(uneven)


def outcome(tokens_per_s: float, powers_w: list[float], speeds: list[float]) -> Outcome:
    looks = [Look(0.5 * n, 0.5, 1.0, power, 40.0, 0) for n, power in enumerate(powers_w)]
    case = Case(PI, 0.5, 8.0)
    around = [Constant(1, 0.5, speed, [0.5]) for speed in speeds]
    return Outcome(case, around[0] if around else None, around, [Span(tokens_per_s, looks)])


def test_the_governor_is_held_against_the_best_setting_around_its_turn() -> None:
    found = outcome(45.0, [3.0, 3.0, 5.1, 3.0, 3.0], [48.0, 52.0])
    assert found.vs_best == pytest.approx(0.9)
    assert found.ok_share == 0.5  # of four windows
    assert "50.00%" in found.told()
    plain = found.plain()
    assert plain["windows"] == 4
    assert plain["highest_window"] == pytest.approx(4.05 / 4.0)


def test_the_worst_case_counts() -> None:
    outcomes = [outcome(50.0, [3.0] * 5, [50.0]), outcome(45.0, [5.0] * 5, [50.0])]
    found = gathered(outcomes, scan(), [])
    assert found.values == {"cap_ok_share": 0.0, "cap_vs_best": pytest.approx(0.9)}
    assert len(found.notes) == 2


def test_a_case_that_no_setting_keeps_has_no_ratio() -> None:
    one = outcome(1.0, [3.0] * 5, [])
    assert one.vs_best is None
    assert gathered([one], scan(), []).values["cap_vs_best"] is None


def test_fixed_limits_follow_their_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "limits"
    write_limits(file, 1, 0.5)
    shape = Shape.of(load_boards()[PI.name])
    fixed = Fixed(
        file, Governor(shape.cores, BudgetConfig(power_w=0.1), None, Priors(), GovernorConfig())
    )
    assert fixed.limits == Limits(1, 0.5)
    write_limits(file, 2, 0.75)
    seen = Observation(1.0, 0.2, 9.0, 99.0, 80.0, None, 1, 0.1, 5, 1, 0, None)
    assert fixed.step(seen) == fixed.limits == read_limits(file) == Limits(2, 0.75)
    assert fixed.budget.power_w == 0.1
