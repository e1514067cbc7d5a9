"""The search for the best constant setting, which the governor is held against."""

from __future__ import annotations

import pytest
from benchlib.trace import Trace
from model_board import constant, simulate
from twin_scenes import at_full, best_constant, capped_scene, tokens_per_s

SCENE = capped_scene("raspberry-pi-5", 0, seconds=20.0)


def test_where_all_is_allowed_full_speed_is_the_best() -> None:
    best = best_constant(SCENE, lambda _: True)
    assert (best.threads, best.duty) == (4, 1.0)
    assert best.tokens_per_s == tokens_per_s(SCENE, at_full(SCENE))


def test_it_finds_what_trying_all_of_them_finds() -> None:
    cap_w = 0.7 * at_full(SCENE).mean_w(7.0)

    def keeps(trace: Trace) -> bool:
        return trace.under(cap_w, 7.0) >= 0.995

    best = best_constant(SCENE, keeps)
    traces = [simulate(SCENE, constant(n, d / 20)) for n in range(1, 5) for d in range(1, 21)]
    assert best.tokens_per_s == max(tokens_per_s(SCENE, trace) for trace in traces if keeps(trace))


def test_where_nothing_is_allowed_it_says_so() -> None:
    with pytest.raises(ValueError, match="Raspberry Pi 5"):
        best_constant(SCENE, lambda _: False)
