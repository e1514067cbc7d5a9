"""The base is the best there is: a calibration, a scaled one, measured ceilings, the profile's."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from calibrated import DRAWS, HARDWARE, SMOL, TIMED, calibration

from edge_rt.energy.calibration.record import ModelCalibration, Sweep
from edge_rt.energy.prediction.basis import ROOFLINE_RATIO, SCALED_RATIO, Base, Bases, Hardware
from edge_rt.energy.prediction.equation import Watts

SWEEP = Sweep(flop_per_s=40e9, byte_per_s=8e9, flop_j=50e-12, byte_j=300e-12, static_w=3.5)
REQUEST = (256, 0, 64)


def base(threads: int, *calibrations: ModelCalibration, hardware: Hardware = HARDWARE) -> Base:
    bases = Bases(hardware)
    bases.know("smol", SMOL, calibrations)
    found = bases.of("smol", threads)
    assert found is not None
    return found


def test_a_calibration_is_taken_as_it_is() -> None:
    found = base(1, calibration())
    assert found.firm
    assert found.basis == "calibrated"
    assert found.phases_s(*REQUEST) == (TIMED.prefill_s(256), TIMED.decode_s(256, 64))
    assert found.watts == Watts(3.0, 2.0, 1.5)
    assert found.error_ratio == 0.04  # of what was held out


def test_joules_have_an_error_of_their_own() -> None:
    draws = msgspec.structs.replace(DRAWS, error_ratio=0.2)
    for told, ratio, scaled in (
        (draws, 0.2, SCALED_RATIO),
        (msgspec.structs.replace(DRAWS, error_ratio=0.5), 0.5, 0.5),
        (DRAWS, 0.04, SCALED_RATIO),  # not known: that of the seconds
        (None, ROOFLINE_RATIO, ROOFLINE_RATIO),  # the watts are those on paper
    ):
        found = [base(threads, calibration(draws=told)) for threads in (1, 2)]
        assert [one.energy_error_ratio for one in found] == [ratio, scaled]
        assert found[0].error_ratio == 0.04
    assert base(2).energy_error_ratio == ROOFLINE_RATIO


def test_the_newest_of_several_counts() -> None:
    slower = replace(TIMED, step_s=1.0)
    found = base(1, calibration(days=2, promise=slower), calibration(days=1))
    assert found.times == slower


def test_the_nearest_threads_are_scaled_by_cores_and_by_the_bus() -> None:
    one, two, four = (base(t, calibration(), calibration(threads=4)) for t in (1, 2, 4))
    assert not two.firm
    assert two.error_ratio == SCALED_RATIO
    assert one.phases_s(*REQUEST)[0] == pytest.approx(2 * two.phases_s(*REQUEST)[0])
    assert two.watts == Watts(3.0, 4.0, 3.0)
    assert four.firm
    three = base(3, calibration(threads=2))
    # Two of four cores fill the bus, so a third brings nothing to decoding.
    assert three.phases_s(*REQUEST)[1] == pytest.approx(TIMED.decode_s(256, 64))


def test_more_threads_than_cores_are_no_faster() -> None:
    assert base(64, calibration(threads=4)).phases_s(*REQUEST) == base(
        4, calibration(threads=4)
    ).phases_s(*REQUEST)


def test_without_a_calibration_the_roofline_stands_in() -> None:
    found = base(2)
    assert (found.basis, found.firm, found.error_ratio) == ("roofline", False, ROOFLINE_RATIO)
    assert found.watts == Watts(3.0, 3.0, 3.0)
    assert base(4).phases_s(*REQUEST)[0] < found.phases_s(*REQUEST)[0]


def test_ceilings_and_joules_of_a_sweep_serve_other_models() -> None:
    bases = Bases(HARDWARE)
    bases.know("smol", SMOL, [calibration(threads=4, sweep=SWEEP)])
    bases.know("other", SMOL, ())
    found = bases.of("other", 4)
    assert found is not None
    assert found.basis == "roofline"
    # Reading a prompt is bound by computing: 40 GFLOP/s at 50 pJ are 2 W, and bytes come on top.
    assert found.phases_s(*REQUEST)[0] == pytest.approx(2 * base(4).phases_s(*REQUEST)[0])
    assert found.watts is not None
    assert 2.5 < found.watts.prefill_w < 3.5
    # Decoding is bound by memory: 8 GB/s at 300 pJ, and what flows beside idle.
    assert 2.9 < found.watts.decode_w < 5.0
    fewer = bases.of("other", 2)
    assert fewer is not None
    assert fewer.watts is not None
    assert fewer.watts.prefill_w == pytest.approx(found.watts.prefill_w / 2)


def test_where_no_watts_are_known_none_are_told() -> None:
    bare = replace(HARDWARE, watts=None)
    assert base(2, hardware=bare).watts is None
    assert base(1, calibration(draws=None), hardware=bare).watts is None
    assert base(1, calibration(draws=None)).watts == Watts(3.0, 1.5, 1.5)


def test_the_last_token_of_a_prompt_is_always_computed() -> None:
    found = base(1, calibration())
    whole = found.phases_s(100, 100, 8)
    assert whole == found.phases_s(100, 99, 8) == found.phases_s(100, 500, 8)
    assert found.phases_s(0, 0, 0) == found.phases_s(1, -5, 1)


def test_a_model_that_is_not_known_has_no_base() -> None:
    bases = Bases(HARDWARE)
    assert bases.of("smol", 1) is None
    bases.know("smol", SMOL, [calibration()])
    bases.know("smol", SMOL, [])
    found = bases.of("smol", 1)
    assert found is not None
    assert found.basis == "roofline"
    assert bases.models == ("smol",)
