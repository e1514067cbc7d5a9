"""Speeds by setting, and the length of passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from look_help import QUIET

from edge_rt.config.schema import BudgetConfig
from edge_rt.governor.policy.choice import OperatingPoint
from edge_rt.governor.policy.pace import Pace, ratios
from edge_rt.governor.policy.setting import EngineSetting


def test_more_threads_and_faster_clocks_are_faster_but_not_in_proportion() -> None:
    present = EngineSetting(2, 0.5)
    for more in (EngineSetting(4, 0.5), EngineSetting(2)):
        decode, prompt = ratios(more, present)
        assert 1.3 < decode < 1.8 < prompt < 2.0
    decode, prompt = ratios(EngineSetting(4, 1.0, 0.5), EngineSetting(4, 1.0, 1.0))
    assert 0.5 < prompt < decode < 1.0


def test_short_passes_of_prompts_do_not_hide_how_many_tokens_fit_into_a_longer_one() -> None:
    """Passes of a + b·n seconds: what a costs is not taken for the speed of reading."""
    a_s, b_s, pace, setting = 0.1, 0.005, Pace(), EngineSetting(4)
    choice = OperatingPoint(setting, 0.9, 0.9, 1.0, 5.0, (5.0, 5.0))
    decoding = replace(QUIET, threads=4, running=1, busy_s=0.1, tokens=1)
    tokens = pace.chunk(choice, BudgetConfig(power_w=5.0))
    assert tokens is not None
    for _ in range(2):
        pace.look(decoding, setting)
        pass_s = a_s + b_s * tokens
        reading = replace(QUIET, threads=4, running=1, busy_s=pass_s)
        pace.look(replace(reading, prompt_s=pass_s, prompt_tokens=tokens), setting)
        tokens = pace.chunk(choice, BudgetConfig(power_w=5.0))
        assert tokens is not None
    assert a_s + b_s * tokens == pytest.approx(pace.prompt_pass_s, rel=0.05)
    assert tokens > 30
