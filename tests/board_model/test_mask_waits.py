"""What an answer waits for its constraint is learnt, and predicted for the next one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from calibrated import BOARD, SMOL, calibration

from edge_rt.board_model.model_cost import ModelCost
from edge_rt.core.routing import Prediction, RequestTokens, Served


@pytest.fixture
def cost() -> ModelCost:
    return ModelCost(SMOL, BOARD, [calibration()])


def predict(cost: ModelCost, *, constrained: bool) -> Prediction:
    return cost.predict(1, RequestTokens(64, 0, 100), constrained=constrained)


def learn(cost: ModelCost, free: Prediction, *waits_s: float) -> None:
    """Answers that took as long as predicted, and waited for masks besides."""
    answer = Served(64, 0, 100, free.prefill_s, free.decode_s, free.energy_j)
    for wait_s in waits_s:
        assert free.energy_j is not None
        joules = free.energy_j + 1.5 * wait_s
        decode_s = free.decode_s + wait_s
        took = replace(answer, decode_s=decode_s, energy_j=joules, mask_wait_s=wait_s)
        cost.learn(1, took)


def test_a_prediction_holds_the_usual_wait(cost: ModelCost) -> None:
    free = predict(cost, constrained=False)
    assert predict(cost, constrained=True) == free
    learn(cost, free, 1.0, 1.0, 30.0)
    held = predict(cost, constrained=True)
    assert held.mask_wait_s == pytest.approx(1.0)
    assert held.prefill_s == pytest.approx(free.prefill_s)
    assert held.seconds == pytest.approx(free.seconds + 1.0)
    assert held.decode_s == pytest.approx(free.decode_s + 1.0)
    assert free.energy_j is not None
    assert held.energy_j == pytest.approx(free.energy_j + 1.5, rel=0.01)


def test_waits_teach_nothing_of_free_answers(cost: ModelCost) -> None:
    free = predict(cost, constrained=False)
    learn(cost, free, 1.0, 2.0)
    after = predict(cost, constrained=False)
    assert (after.seconds, after.energy_j) == pytest.approx((free.seconds, free.energy_j))
    assert after.mask_wait_s == 0.0
