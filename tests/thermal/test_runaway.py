"""Beyond the critical temperature each degree heats the chip by more than another one."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from edge_rt.thermal.leakage import Leakage, critical_c

LEAKAGES = st.builds(Leakage, st.just(0.0) | st.floats(1e-3, 20.0), st.floats(8.0, 40.0))
RESISTANCES = st.just(0.0) | st.floats(0.01, 30.0)


@given(LEAKAGES, RESISTANCES, st.floats(0.001, 20.0))
def test_each_degree_brings_more_than_one_beyond_the_critical_temperature(
    leakage: Leakage, resistance: float, beside_c: float
) -> None:
    limit_c = critical_c(leakage, resistance)
    if math.isinf(limit_c):
        assert resistance * leakage.slope_w_per_c(150.0) < 1.0
    else:
        assert resistance * leakage.slope_w_per_c(limit_c + beside_c) >= 1.0
        assert resistance * leakage.slope_w_per_c(limit_c - beside_c) < 1.0
