"""Simulated boards tell their hidden leakage through the sensors that they have."""

from __future__ import annotations

from statistics import median

import pytest
from idle_boards import Lab

from edge_rt.thermal.cooling import LeakageFit, calibrate

HOT_C, SETTLE_S, COOL_S = 70.0, 3, 600
SEEDS = range(6)


@pytest.mark.parametrize("name", ["raspberry-pi-5", "jetson-orin-nano-8gb"])
def test_the_hidden_leakage_is_found_within_a_tenth(name: str) -> None:
    doublings: list[float] = []
    references: list[float] = []
    widths: list[float] = []
    held = 0
    for seed in SEEDS:
        lab = Lab(name, seed)
        lab.warm(HOT_C)
        fit = calibrate(list(lab.seconds(COOL_S))[SETTLE_S:])
        assert isinstance(fit, LeakageFit), fit
        doublings.append(abs(fit.leakage.doubling_c / lab.truth.doubling_c - 1.0))
        references.append(abs(fit.leakage.reference_w / lab.truth.reference_w - 1.0))
        held += fit.doubling_low_c <= lab.truth.doubling_c <= fit.doubling_high_c
        widths.append(fit.doubling_high_c / fit.doubling_low_c)
    assert median(doublings) <= 0.05
    assert median(references) <= 0.06
    assert max(doublings) <= 0.20
    assert max(references) <= 0.25
    assert held >= len(SEEDS) - 1
    assert median(widths) <= 2.0
