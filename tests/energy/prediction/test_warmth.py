"""What a warmer chip takes more of is told by what it leaks, and by nothing that is not known."""

from __future__ import annotations

import msgspec
import pytest
from calibrated import BOARD, DRAWS, SMOL, calibration

from edge_rt.board_model.rates import Rates
from edge_rt.core.routing import Prediction, Served
from edge_rt.energy.calibration.record import ModelCalibration
from edge_rt.energy.prediction.predictor import Predictor

CAL_C = 45.0


class Chip:
    """Leaks 0.2 W more at 65 °C than at 45 °C."""

    temp_c = 65.0

    def __call__(self, at_c: float | None) -> float:
        return 0.0 if at_c is None else self._leaks_w(self.temp_c) - self._leaks_w(at_c)

    def _leaks_w(self, temp_c: float) -> float:
        return 0.2 * 2.0 ** ((temp_c - CAL_C) / 20.0)


def found_at(temp_c: float | None) -> ModelCalibration:
    return calibration(draws=msgspec.structs.replace(DRAWS, temp_c=temp_c))


def added_w(predictor: Predictor) -> float:
    found = predictor.predict("smol", 1, 256, 0, 64)
    assert isinstance(found, Prediction)
    assert found.energy_j is not None
    return found.energy_j / (found.prefill_s + found.decode_s)


def knowing(one: ModelCalibration, chip: Chip | None = None) -> Predictor:
    predictor = Predictor(Rates()) if chip is None else Predictor(Rates(), chip)
    predictor.know("smol", SMOL, BOARD, [one])
    return predictor


def test_joules_grow_by_what_leaks_more_than_at_the_calibration() -> None:
    as_calibrated = added_w(knowing(found_at(CAL_C)))
    assert added_w(knowing(found_at(CAL_C), Chip())) == pytest.approx(as_calibrated + 0.2)
    assert added_w(knowing(found_at(65.0), Chip())) == pytest.approx(as_calibrated)
    assert added_w(knowing(found_at(85.0), Chip())) == pytest.approx(as_calibrated - 0.4)


def test_what_is_not_known_changes_nothing() -> None:
    assert added_w(knowing(found_at(None), Chip())) == added_w(knowing(found_at(None)))


def test_what_an_answer_teaches_holds_at_other_temperatures() -> None:
    """A hot board's joules are no fault of the calibration's, so they correct nothing."""
    chip = Chip()
    predictor = knowing(found_at(CAL_C), chip)
    seconds = predictor.predict("smol", 1, 256, 0, 64)
    assert isinstance(seconds, Prediction)
    served = Served(256, 0, 64, seconds.prefill_s, seconds.decode_s, seconds.energy_j)
    for _ in range(9):
        predictor.learn("smol", 1, served)
    chip.temp_c = CAL_C
    assert added_w(predictor) == pytest.approx(added_w(knowing(found_at(CAL_C))))
