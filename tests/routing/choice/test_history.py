"""Measurements age with the clock, over restarts too, and only so many are kept."""

from __future__ import annotations

from itertools import count

import pytest
from route_help import BIG, SMOL, ask, now, prediction, setting

from edge_rt.core.routing import RunConfig
from edge_rt.routing.choice.ask import AUTO, select
from edge_rt.routing.choice.history import KEPT, REST_S, STALE_S, Ages, stale
from edge_rt.routing.choice.options import Options
from edge_rt.testing.board import FakeClock

ONE, TWO = setting(SMOL, 1), setting(SMOL, 2)


def test_a_measurement_ages_from_when_it_was_noted() -> None:
    clock = FakeClock()
    ages = Ages(clock)
    assert ages.age_s(ONE) is None
    ages.note(ONE)
    clock.now += 7.0
    assert ages.age_s(ONE) == 7.0
    assert ages.age_s(TWO) is None


def test_settings_measured_together_are_of_one_age_in_a_choice() -> None:
    ticks = count(1e9, 0.25)
    ages = Ages(lambda: next(ticks))
    at_s = ages.now_s
    for threads in (1, 2):
        ages.note(setting(SMOL, threads), at_s)
    pool = select(AUTO, [SMOL])
    found = Options(ages).of(ask(), pool, now(SMOL), lambda *_: prediction(1.0))
    assert {option.candidate.age_s for option in found} == {0.25}
    assert len(found) == 2


def test_an_older_measurement_does_not_replace_a_newer_one() -> None:
    clock = FakeClock()
    ages = Ages(clock)
    ages.note(ONE, clock.now - 10.0)
    ages.note(ONE, clock.now - 20.0)
    assert ages.age_s(ONE) == 10.0


def test_a_clock_that_was_set_back_makes_no_negative_age() -> None:
    clock = FakeClock()
    ages = Ages(clock)
    ages.note(ONE)
    ages.explored()
    clock.now -= 5000.0
    assert ages.age_s(ONE) == 0.0
    assert ages.may_explore


def test_a_variant_is_forgotten_with_all_its_settings() -> None:
    ages = Ages(FakeClock())
    for known in (ONE, TWO, setting(BIG)):
        ages.note(known)
    ages.forget(SMOL.id)
    assert ages.age_s(ONE) is ages.age_s(TWO) is None
    assert ages.age_s(setting(BIG)) == 0.0


def test_one_exploration_is_followed_by_a_rest() -> None:
    clock = FakeClock()
    ages = Ages(clock)
    assert ages.may_explore
    ages.explored()
    clock.now += REST_S - 1.0
    assert not ages.may_explore
    clock.now += 1.0
    assert ages.may_explore


def test_only_the_latest_measurements_are_kept() -> None:
    clock = FakeClock()
    ages = Ages(clock)
    known = [RunConfig(f"m{i}", 1, 0, "single", "f16") for i in range(KEPT + 5)]
    for one in known:
        ages.note(one)
        clock.now += 1.0
    assert sum(ages.age_s(one) is not None for one in known) == KEPT
    assert ages.age_s(known[4]) is None
    assert ages.age_s(known[5]) is not None


@pytest.mark.parametrize(
    ("age_s", "expected"), [(None, True), (0.0, False), (STALE_S, False), (STALE_S + 1, True)]
)
def test_what_is_old_or_was_never_measured_is_stale(age_s: float | None, expected: bool) -> None:
    assert stale(age_s) == expected
