"""Simulated boards tell their hidden leakage through the sensors that they have."""

from __future__ import annotations

from statistics import median

import pytest
from heat_lab import calibrate_board

SEEDS = range(4)


@pytest.mark.parametrize("name", ["raspberry-pi-5", "jetson-orin-nano-8gb"])
def test_the_hidden_leakage_is_found_within_its_interval(name: str) -> None:
    """Over 18 to 20 K its growth is right, whether it is known to be or not."""
    found = [calibrate_board(name, seed) for seed in SEEDS]
    assert median(each.growth_err for each in found) <= 0.12
    assert all(each.growth_err <= 0.15 for each in found if each.measured)
    assert sum(each.held for each in found) >= len(found) - 1
