"""Belief is lost by misses in a row to one side, and comes back with hits."""

from __future__ import annotations

import pytest

from edge_rt.thermal.band import ForecastTrust
from edge_rt.thermal.course import HORIZONS_S, Band, Score

MANY, NARROW_K = 50, 1.0
LAST = len(HORIZONS_S) - 1


def judge(belief: ForecastTrust, *errors_k: float, index: int = LAST) -> list[bool]:
    return [belief.judge(Score(index, error_k, 0.0, Band(1.0, 1.0))) for error_k in errors_k]


def hits(belief: ForecastTrust, count: int) -> None:
    for index in range(len(HORIZONS_S)):
        judge(belief, *[0.1] * count, index=index)


def test_two_misses_to_one_side_are_one_too_many() -> None:
    belief = ForecastTrust()
    assert judge(belief, 3.0, 3.0) == [False, True]
    assert belief.shaken
    why = belief.why_not(MANY, NARROW_K)
    assert why is not None
    assert "3.0 K too low" in why


def test_forecasts_that_were_too_high_are_told_as_such() -> None:
    belief = ForecastTrust()
    judge(belief, -3.0, -2.0)
    why = belief.why_not(MANY, NARROW_K)
    assert why is not None
    assert "2.0 K too high" in why


@pytest.mark.parametrize(
    "errors_k", [(3.0, -3.0, 3.0, -3.0), (3.0, 0.1, 3.0, 0.1), (1.2, 1.2, 1.2)]
)
def test_misses_to_both_sides_or_one_by_one_or_by_a_little_are_chance(
    errors_k: tuple[float, ...],
) -> None:
    belief = ForecastTrust()
    assert not any(judge(belief, *errors_k))
    assert belief.why_not(MANY, NARROW_K) is None


def test_hits_in_a_row_at_both_horizons_bring_it_back() -> None:
    belief = ForecastTrust()
    judge(belief, 3.0, 3.0)
    judge(belief, *[0.1] * 20)
    assert belief.shaken
    judge(belief, *[0.1] * 3, index=0)
    assert belief.shaken
    judge(belief, 0.1, index=0)
    assert not belief.shaken
    assert belief.why_not(MANY, NARROW_K) is None


def test_a_miss_on_the_way_back_begins_anew() -> None:
    belief = ForecastTrust()
    judge(belief, 3.0, 3.0)
    hits(belief, 3)
    judge(belief, 3.0)
    hits(belief, 3)
    assert belief.shaken
    hits(belief, 1)
    assert not belief.shaken


def test_too_few_forecasts_or_a_broad_band_speak_against_it() -> None:
    belief = ForecastTrust()
    few, broad = belief.why_not(2, NARROW_K), belief.why_not(MANY, 12.3)
    assert few is not None
    assert broad is not None
    assert "long enough" in few
    assert "30 s" in broad
    assert "12.3 K" in broad
