"""What power, voltage and current of one rail can have been read together."""

from __future__ import annotations

import pytest

from edge_rt.board.readers.bounds import contradiction


@pytest.mark.parametrize(
    ("watts", "volts", "amps"),
    [
        (5.2, 5.0, 1.0),
        (15.0, 5.0, 1.0),  # a step between two readings
        (0.4, 0.0, 0.09),  # an offset of a rail that is off
        (-0.9, 5.0, -0.06),  # a small current in reverse, read as a larger one
    ],
)
def test_readings_that_may_be_one_after_the_other_agree(
    watts: float, volts: float, amps: float
) -> None:
    assert contradiction(watts, volts, amps) is None


@pytest.mark.parametrize(
    ("watts", "volts", "amps", "told"),
    [
        (0.0, 0.0, 1.04, "1.04 A flow at 0.00 V"),
        (0.0, 0.0, -1.04, "-1.04 A flow at 0.00 V"),  # in reverse, it flows all the same
        (1.0, 5.0, 1.0, "5.00 V x 1.00 A are 5.00 W"),
        (21.0, 5.0, 1.0, "5.00 V x 1.00 A are 5.00 W"),
        (5.0, 5.0, -1.0, "5.00 V x -1.00 A are -5.00 W"),
        (0.0, 5.0, -1.0, "5.00 V x -1.00 A are -5.00 W"),
    ],
)
def test_readings_that_cannot_be_one_rails_are_refused(
    watts: float, volts: float, amps: float, told: str
) -> None:
    reason = contradiction(watts, volts, amps)
    assert reason is not None
    assert told in reason
