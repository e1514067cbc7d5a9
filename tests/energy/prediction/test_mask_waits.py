"""What an answer waits for its constraint is learnt, and predicted for the next one."""

from __future__ import annotations

from typing import Any

import pytest

from edge_rt.core.routing import Prediction, Served, Unpredicted
from edge_rt.energy.prediction.mask_waits import MaskWaits

FREE = Prediction(4.2, 1.0, 3.0, 8.0, 16.4, 16.4 / 4.2, 0.1, 0.2, "learnt")


def waited(seconds: float) -> Served:
    return Served(64, 0, 50, 1.0, 3.0 + seconds, 8.0 * (1 + seconds / 4.0), seconds)


def test_a_prediction_holds_the_usual_wait(kit: Any) -> None:
    waits, entry = MaskWaits(), kit.entry
    assert waits.on(FREE, entry, 50) == FREE
    for seconds in (1.0, 1.0, 30.0):
        free = waits.learn(entry, waited(seconds))
        assert (free.decode_s, free.energy_j) == pytest.approx((3.0, 8.0))
        assert waits.learn(entry, free) == free
    found = waits.on(FREE, entry, 100)
    assert isinstance(found, Prediction)
    assert (found.prefill_s, found.decode_s, found.mask_wait_s) == pytest.approx((1.0, 5.0, 2.0))
    assert (found.seconds, found.energy_j) == pytest.approx((6.2, 12.0))
    assert found.total_j == pytest.approx(12.0 + 2.0 * 6.2)  # as many idle watts as before


def test_what_cannot_be_predicted_stays_so(kit: Any) -> None:
    assert MaskWaits().on(Unpredicted("why"), kit.entry, 9) == Unpredicted("why")
