"""What runs tell becomes a calibration; what they do not tell is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from calibrated import SMOL

from edge_rt.board_model.calibration import PhasePowers
from edge_rt.core.events import Timings
from edge_rt.core.routing import LoadConfig, Served
from edge_rt.energy.calibration.measurement import Measurement
from edge_rt.energy.calibration.result import calibrated, calibration
from edge_rt.thermal.leakage import LeakagePrior, fit_leakage

FORM = LoadConfig(0, "f16")
DATE = datetime(2026, 11, 25, tzinfo=timezone.utc)
LENGTHS = (16, 64, 256)


def read_s(tokens: int) -> float:
    return 0.1 + 0.01 * (tokens - 1)


def run(tokens: int, energy_j: float | None) -> Measurement:
    """One that draws 2 W more than idle while it reads, and 1 W while it decodes."""
    prefill_s, decode_s = read_s(tokens), 2.4
    known = energy_j is not None
    return Measurement(
        timings=Timings(0.0, prefill_s, decode_s, tokens, 0, 25),
        seconds=prefill_s + decode_s,
        served=Served(tokens, 0, 25, prefill_s, decode_s, energy_j),
        prefill_j=2.0 * prefill_s if known else None,
        decode_j=1.0 * decode_s if known else None,
        idle_w=3.0,
        power_w=4.0,
        temp_c=50.0,
        quality="measured",
    )


def drawn(entry: Any, energies_j: Sequence[float | None]) -> PhasePowers | None:
    measured = [run(n, j) for n, j in zip(LENGTHS, energies_j, strict=True)]
    return calibration("a board", entry, FORM, 1, measured, SMOL, DATE).draws


def added_j(tokens: int) -> float:
    return 2.0 * read_s(tokens) + 1.0 * 2.4


def test_the_joules_error_is_that_of_the_runs(kit: Any) -> None:
    draws = drawn(kit.entry, [1.25 * added_j(n) for n in LENGTHS])
    assert draws is not None
    assert (draws.prefill_w, draws.decode_w) == pytest.approx((5.0, 4.0))
    assert draws.error_ratio == pytest.approx(0.2)


def test_runs_that_added_no_joules_have_no_error_of_them(kit: Any) -> None:
    some = drawn(kit.entry, [0.0, added_j(64), 1.25 * added_j(256)])
    none = drawn(kit.entry, [0.0] * 3)
    assert some is not None
    assert some.error_ratio == pytest.approx(0.1)
    assert none is not None
    assert none.error_ratio is None


def test_without_joules_there_are_no_watts(kit: Any) -> None:
    assert drawn(kit.entry, [None] * 3) is None


def test_one_run_that_was_disturbed_does_not_spoil_the_watts(kit: Any) -> None:
    runs = [run(n, added_j(n)) for n in (64, 64, 64, 256)]
    prefill_j, decode_j = runs[0].prefill_j, runs[0].decode_j
    assert prefill_j is not None
    assert decode_j is not None
    runs[0] = replace(runs[0], prefill_j=0.1 * prefill_j, decode_j=0.1 * decode_j)
    draws = calibration("a board", kit.entry, FORM, 1, runs, SMOL, DATE).draws
    assert draws is not None
    assert (draws.prefill_w, draws.decode_w) == pytest.approx((5.0, 4.0))


def test_what_the_model_reached_is_kept_and_told(kit: Any) -> None:
    runs = [run(tokens, None) for tokens in LENGTHS]
    made = calibration("a board", kit.entry, FORM, 1, runs, SMOL, DATE)
    assert made.sweep is not None
    assert made.sweep.byte_per_s == pytest.approx(SMOL.file_bytes / made.promise.step_s)
    told = calibrated("a board", [made], fit_leakage((), LeakagePrior()), "")
    assert (told.flop_per_s, told.bytes_per_s) == (made.sweep.flop_per_s, made.sweep.byte_per_s)
