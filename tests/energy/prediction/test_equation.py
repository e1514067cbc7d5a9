"""The energy equation finds the joules that made a sweep, and says how well it fits."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_rt.energy.prediction.equation import LEAST, EnergyEquation, Sample, fit_equation
from edge_rt.energy.prediction.roofline import Ceilings, Workload, least_s

CEILINGS = Ceilings(80e9, 10e9)
TRUE = EnergyEquation(flop_j=40e-12, byte_j=200e-12, static_w=3.0)
INTENSITIES = (0.25, 1.0, 4.0, 8.0, 16.0, 64.0, 256.0)


def sweep(equation: EnergyEquation, noise: float = 0.0, seed: int = 1) -> list[Sample]:
    """A run for each intensity, some longer than others."""
    dice = random.Random(seed)
    runs: list[Sample] = []
    for number, intensity in enumerate(INTENSITIES):
        work = Workload(intensity * 1e9 * (1 + number % 3), 1e9 * (1 + number % 3))
        seconds = least_s(work, CEILINGS)
        energy_j = equation.energy_j(work, seconds) * dice.lognormvariate(0, noise)
        runs.append(Sample(work, seconds, energy_j))
    return runs


JOULES = st.floats(1e-12, 1e-9)


@given(JOULES, JOULES, st.floats(0.0, 30.0))
def test_an_exact_sweep_gives_back_its_equation(flop: float, byte: float, static: float) -> None:
    fit = fit_equation(sweep(EnergyEquation(flop, byte, static)))
    assert fit.equation.flop_j == pytest.approx(flop, rel=1e-4)
    assert fit.equation.byte_j == pytest.approx(byte, rel=1e-4)
    assert fit.equation.static_w == pytest.approx(static, rel=1e-4, abs=1e-3)
    assert fit.r2 == pytest.approx(1.0, abs=1e-4)
    assert fit.held_out_ratio < 1e-3


@given(st.integers(0, 1000))
def test_coefficients_are_never_negative_however_noisy_the_meter(seed: int) -> None:
    fit = fit_equation(sweep(TRUE, noise=1.0, seed=seed))
    assert min(fit.equation.flop_j, fit.equation.byte_j, fit.equation.static_w) >= 0
    assert fit.r2 is not None
    assert fit.r2 <= 1


def test_noise_shows_in_what_is_reported() -> None:
    clean, noisy = fit_equation(sweep(TRUE, 0.005)), fit_equation(sweep(TRUE, 0.2))
    assert clean.held_out_ratio < 0.02 < noisy.held_out_ratio
    assert clean.r2 is not None
    assert noisy.r2 is not None
    assert noisy.r2 < clean.r2 < 1


def test_equal_powers_have_no_r2() -> None:
    flat = fit_equation(sweep(EnergyEquation(0.0, 0.0, 5.0)))
    assert flat.r2 is None
    assert flat.equation.static_w == pytest.approx(5.0)


def test_too_few_or_impossible_runs_are_refused() -> None:
    with pytest.raises(ValueError, match=f"3, at least {LEAST}"):
        fit_equation(sweep(TRUE)[:3])
    for seconds, energy_j in ((0.0, 1.0), (1.0, 0.0), (1.0, float("nan"))):
        with pytest.raises(ValueError, match="must be positive"):
            Sample(Workload(1.0, 1.0), seconds, energy_j)
