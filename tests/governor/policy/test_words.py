"""What the governor says of figures that nobody has measured."""

from __future__ import annotations

import pytest
from look_help import governor, settle

from edge_rt.config.schema import BudgetConfig


@pytest.mark.parametrize(
    ("power_w", "said"),
    [
        (4.0, "leaves nothing beyond the 4 W that the board draws idle"),
        (None, "leaves nothing beyond the about 4 W that the board draws idle by a model of it"),
    ],
)
def test_idle_power_of_a_model_is_told_as_such(power_w: float | None, said: str) -> None:
    limits = settle(governor(BudgetConfig(power_w=2.0)), running=1, power_w=power_w)
    assert limits.why.startswith(f"the power cap of 2 W {said}")
