"""Speeds are learnt of engines that are slow, too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import DT_S, QUIET

from edge_rt.config.schema import BudgetConfig
from edge_rt.core.limits import Observation
from edge_rt.governor.policy.choice import OperatingPoint
from edge_rt.governor.policy.pace import Pace
from edge_rt.governor.policy.setting import EngineSetting


class Slow:
    """An engine of so many tokens a second on four threads, half of that on one."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._made, self._looks = 0.0, 0

    def look(self, threads: int) -> Observation:
        before = int(self._made)
        self._made += self._rate * DT_S * (1.0 if threads == 4 else 0.5)
        self._looks += 1
        tokens, time_s = int(self._made) - before, self._looks * DT_S
        seen = replace(QUIET, time_s=time_s, threads=threads, busy_s=DT_S, running=1)
        return replace(seen, tokens=tokens)


@pytest.mark.parametrize("rate", [3.0, 5.0, 8.0, 11.0, 40.0])
def test_two_thread_counts_are_compared_at_any_speed(rate: float) -> None:
    pace, engine = Pace(4), Slow(rate)
    before = pace.speed(EngineSetting(4)) / pace.speed(EngineSetting(1))
    assert before > 2.2
    for threads in (4, 1, 4, 1):
        for _ in range(round(6.0 / DT_S)):
            pace.look(engine.look(threads), EngineSetting(threads), 4)
    # Of eight tokens, one more or less counts.
    assert pace.speed(EngineSetting(4)) / pace.speed(EngineSetting(1)) == pytest.approx(
        2.0, rel=0.13
    )


def test_passes_of_requests_for_fewer_threads_tell_nothing_of_a_count() -> None:
    pace, engine, before = Pace(4), Slow(40.0), Pace(4)
    for spare_s in (0.0, 3 * DT_S, 0.0):
        for _ in range(round(6.0 / DT_S)):
            look = engine.look(1 if spare_s else 4)
            pace.look(replace(look, threads=4, spare_s=spare_s), EngineSetting(4), 4)
    assert [pace.speed(EngineSetting(n)) for n in (1, 2, 4)] == [
        before.speed(EngineSetting(n)) for n in (1, 2, 4)
    ]


def test_short_passes_of_prompts_do_not_hide_how_many_tokens_fit_into_a_longer_one() -> None:
    """Passes of a + b·n seconds: what a costs is not taken for the speed of reading."""
    a_s, b_s, pace, setting = 0.1, 0.005, Pace(4), EngineSetting(4)
    choice = OperatingPoint(setting, 0.9, 0.9, 1.0, 5.0, (5.0, 5.0))
    decoding = replace(QUIET, threads=4, running=1, busy_s=0.1, tokens=1)
    tokens = pace.chunk(choice, BudgetConfig(power_w=5.0))
    assert tokens is not None
    for _ in range(2):
        pace.look(decoding, setting, 4)
        pass_s = a_s + b_s * tokens
        reading = replace(QUIET, threads=4, running=1, busy_s=pass_s)
        pace.look(replace(reading, prompt_s=pass_s, prompt_tokens=tokens), setting, 4)
        tokens = pace.chunk(choice, BudgetConfig(power_w=5.0))
        assert tokens is not None
    assert a_s + b_s * tokens == pytest.approx(pace.prompt_pass_s, rel=0.05)
    assert tokens > 30
