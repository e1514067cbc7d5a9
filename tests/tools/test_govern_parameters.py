"""What is learnt of hidden boards is measured, board by board and all in all."""

from __future__ import annotations

import pytest
from benchlib.govern_parameters import BOARDS, parameters

pytestmark = pytest.mark.slow  # hours of simulated time

HEADLINE = {"tdbl_err_median", "leak_err_median", "forecast_mae_k", "band_coverage"}


def test_two_boards_of_each_kind_are_learnt_as_well_as_they_have_to_be() -> None:
    lines: list[str] = []
    found = parameters(2, lines.append)
    assert len(lines) == 2 * len(BOARDS)
    assert set(found) >= HEADLINE | {f"{name}_{key}" for name in BOARDS for key in HEADLINE}
    assert 0.0 < found["tdbl_err_median"] <= 0.1
    assert 0.0 < found["leak_err_median"] <= 0.2
    assert 0.0 < found["forecast_mae_k"] <= 1.0 < found["pi5_stays_k"]
    assert 0.9 <= found["band_coverage"] <= 1.0
