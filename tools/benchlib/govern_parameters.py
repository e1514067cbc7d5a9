"""What is learnt of simulated boards whose figures are hidden: leakage, and the way of the heat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median

from benchlib.heat_board import prior_of
from benchlib.heat_forecasts import Outcome, judge, looks, score
from benchlib.heat_lab import Calibrated, calibrate_board
from edge_rt.thermal.model import ThermalModel

BOARDS = {"pi5": "raspberry-pi-5", "orin": "jetson-orin-nano-8gb"}
SECONDS = 1200.0  # of each run under a bursty load, from a cold start that nobody has watched


def parameters(seeds: int = 20, progress: Callable[[str], None] = print) -> dict[str, float]:
    """Calibrate `seeds` boards of each kind by cooling, and forecast each under a bursty load.

    Forecasts are for 30 s ahead and given the power that really came, as the load's future is
    nobody's guess; all count, from the first one on. `NAME_stays_k` is how far off "it stays as
    it is" would have been. Errors of doubling and leakage are shares of the truth.
    `leak_measured` is the share of calibrations that measured it; the others keep the default.
    """
    found: dict[str, float] = {}
    fits: list[Calibrated] = []
    outcomes: list[list[Outcome]] = []
    for short, name in BOARDS.items():
        own_fits, own_outcomes = list[Calibrated](), list[list[Outcome]]()
        for seed in range(seeds):
            own_fits.append(calibrate_board(name, seed))
            own_outcomes.append(judge(ThermalModel(prior_of(name)), looks(name, seed, SECONDS)))
            progress(f"{name} {seed + 1}/{seeds}: {_line(own_fits[-1], own_outcomes[-1])}")
        found |= {f"{short}_{key}": value for key, value in _detail(own_fits, own_outcomes).items()}
        fits += own_fits
        outcomes += own_outcomes
    return _headline(fits, outcomes) | found


def _line(fit: Calibrated, outcomes: Sequence[Outcome]) -> str:
    scored = score(outcomes)
    return (
        f"T_dbl off by {fit.doubling_err:.1%}, leakage by {fit.reference_err:.1%};"
        f" forecasts by {scored.mae_k:.2f} K, bands cover {scored.covered:.1%}"
    )


def _headline(
    fits: Sequence[Calibrated], outcomes: Sequence[Sequence[Outcome]]
) -> dict[str, float]:
    scored = score([each for run in outcomes for each in run])
    return {
        "tdbl_err_median": median(fit.doubling_err for fit in fits),
        "leak_err_median": median(fit.reference_err for fit in fits),
        "forecast_mae_k": scored.mae_k,
        "band_coverage": scored.covered,
    }


def _detail(fits: Sequence[Calibrated], outcomes: Sequence[Sequence[Outcome]]) -> dict[str, float]:
    runs = [score(run) for run in outcomes]
    scored = score([each for run in outcomes for each in run])
    return _headline(fits, outcomes) | {
        "tdbl_err_max": max(fit.doubling_err for fit in fits),
        "leak_err_max": max(fit.reference_err for fit in fits),
        "leak_growth_err_max": max((fit.growth_err for fit in fits if fit.measured), default=0.0),
        "leak_measured": fmean(float(fit.measured) for fit in fits),
        "tdbl_interval_share": fmean(float(fit.held) for fit in fits),
        "tdbl_interval_ratio": median(fit.width for fit in fits),
        "forecast_mae_max_k": max(run.mae_k for run in runs),
        "band_coverage_min": min(run.covered for run in runs),
        "band_k": scored.band_k,
        "stays_k": scored.moved_k,
    }
