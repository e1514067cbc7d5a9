"""Forecasts of a board's temperature, and how they come out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from edge_rt.thermal.course import HORIZONS_S, Trial
from edge_rt.thermal.model import ThermalModel

LOOK_S = 0.2
_EVERY = 25  # looks between forecasts that are judged


@dataclass(frozen=True)
class Look:
    """What is seen, None where nothing is, and below it what is so."""

    time_s: float
    temp_c: float | None
    power_w: float | None
    fan: float | None
    true_c: float  # of the chip
    came_w: float  # what the supply's sensor said, whether it was read or not
    busy: float  # cores that are to work


@dataclass(frozen=True)
class Outcome:
    """One forecast: when, by how much it was off, and the half width that was told.

    `moved_k` is how far the temperature went meanwhile: the error of "it stays as it is".
    """

    made_s: float
    horizon_s: float
    error_k: float
    band_k: float
    moved_k: float


@dataclass
class _Pending:
    look: Look
    trial: Trial


def judge(model: ThermalModel, seen: Iterable[Look]) -> list[Outcome]:
    """Tell `model` all that is seen; judge its forecasts given the power that really came."""
    found: list[Outcome] = []
    running: list[_Pending] = []
    for number, look in enumerate(seen):
        model.observe(look.time_s, look.temp_c, look.power_w, look.fan)
        found += _come_of_age(running, look)
        running = [each for each in running if each.trial.passed < len(HORIZONS_S)]
        if number % _EVERY == 0 and (trial := model.trial()) is not None:
            running.append(_Pending(look, trial))
    return found


def _come_of_age(running: Iterable[_Pending], look: Look) -> Iterator[Outcome]:
    for made, trial in ((each.look, each.trial) for each in running):
        trial.advance(LOOK_S, look.came_w)
        horizon_s = HORIZONS_S[trial.passed]
        if trial.age_s >= horizon_s - 1e-6:
            found, moved_k = trial.score(look.true_c), look.true_c - made.true_c
            yield Outcome(made.time_s, horizon_s, found.error_k, found.band_k, moved_k)
            trial.passed += 1


@dataclass(frozen=True)
class Score:
    """Mean absolute error, share of errors within their bands, median half width, and the mean
    absolute error of "it stays as it is"."""

    mae_k: float
    covered: float
    band_k: float
    moved_k: float


def score(
    outcomes: Sequence[Outcome],
    horizon_s: float = 30.0,
    since_s: float = 0.0,
    until_s: float = float("inf"),
) -> Score:
    """Return the score of forecasts for `horizon_s` made from `since_s` to `until_s`."""
    chosen = [o for o in outcomes if o.horizon_s == horizon_s and since_s <= o.made_s < until_s]
    return Score(
        fmean(abs(o.error_k) for o in chosen),
        fmean(float(abs(o.error_k) <= o.band_k) for o in chosen),
        median(o.band_k for o in chosen),
        fmean(abs(o.moved_k) for o in chosen),
    )
