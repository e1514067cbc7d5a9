"""Simulated boards tell their hidden leakage through the sensors that they have."""

from __future__ import annotations

from statistics import median

import pytest
from benchlib.heat_lab import Calibrated, calibrate_board

SEEDS = range(6)


@pytest.mark.parametrize("name", ["raspberry-pi-5", "jetson-orin-nano-8gb"])
def test_the_hidden_leakage_is_found_within_a_tenth(name: str) -> None:
    found: list[Calibrated] = []
    for seed in SEEDS:
        outcome = calibrate_board(name, seed)
        assert isinstance(outcome, Calibrated), outcome
        found.append(outcome)
    assert median(each.doubling_err for each in found) <= 0.07
    assert median(each.reference_err for each in found) <= 0.08
    assert max(each.doubling_err for each in found) <= 0.20
    assert max(each.reference_err for each in found) <= 0.25
    assert sum(each.held for each in found) >= len(SEEDS) - 1
    assert median(each.width for each in found) <= 2.0
