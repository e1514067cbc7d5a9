"""The monitor at the board's input."""

from __future__ import annotations

import pytest
from faults import figures
from trees import Tree, thor

from edge_rt.sensors.ina238 import Ina238


def test_the_input_monitor_multiplies_by_itself(tree: Tree) -> None:
    thor(tree)
    got = figures(Ina238(tree.sysfs))
    assert got == {
        ("VIN", "power_w"): pytest.approx(20.0),
        ("VIN", "voltage_v"): pytest.approx(19.0),
        ("VIN", "current_a"): pytest.approx(1.052),
    }
