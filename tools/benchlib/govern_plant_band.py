"""Forecasts of the second plant's temperature, and whether their bands hold.

Forecasts are fed with the power that really comes. The band that the daemon publishes allows for
other power, too; see tests/governor/test_published_band.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchlib.heat_forecasts import Look, Score, judge, score
from benchlib.plant_cases import BOARDS, SEEDS, load_profile
from benchlib.plant_figures import draw
from benchlib.plant_kinds import KINDS
from benchlib.plant_load import Program, Weather, Work
from benchlib.plant_run import Run, Scene
from benchlib.trace import steps
from edge_rt.core.limits import Limits, Observation
from edge_rt.governor.power.draws import priors_of
from edge_rt.thermal.model import ThermalModel
from edge_rt.thermal.network import ThermalPrior

SECONDS = 1200.0
_BURSTY = Work(1, 300.0, 100.0, pause_s=15.0)
WEATHERS: Mapping[str, tuple[tuple[float, Weather], ...]] = {
    "calm": ((0.0, Weather(25.0)),),
    "hot": ((0.0, Weather(40.0)),),
    "dead fan": ((0.0, Weather(35.0)), (500.0, Weather(35.0, fan_works=False))),
    "closed case": ((0.0, Weather(25.0)), (400.0, Weather(30.0, shut=True))),
}


@dataclass(frozen=True)
class Bands:
    """Forecasts for 30 s of one board in one weather."""

    board: str
    weather: str
    seed: int
    score: Score

    @property
    def line(self) -> str:
        """For people."""
        found = self.score
        return (
            f"band {self.board} {self.weather} seed{self.seed}: covers {found.covered:.1%},"
            f" ±{found.band_k:.2f} K, off by {found.mae_k:.2f} K"
        )


def band_jobs(quick: bool, only: str = "") -> list[tuple[str, str, int]]:
    """Board, weather and seed of each run."""
    seeds = SEEDS[:1] if quick else SEEDS
    weathers = ["hot"] if quick else list(WEATHERS)
    boards = ["pi5"] if quick else list(BOARDS)
    found = [(b, w, s) for b in boards for w in weathers for s in seeds]
    words = only.split()
    return [job for job in found if all(w in f"band {job[0]} {job[1]} seed{job[2]}" for w in words)]


def bands(job: tuple[str, str, int], quick: bool) -> Bands:
    """Run one of them; every forecast counts."""
    board, weather, seed = job
    profile = load_profile(BOARDS[board])
    power, full = priors_of(profile), profile.draw.loaded_w
    kind = KINDS[BOARDS[board]]
    loaded_w = power.idle_w + kind.cores * power.core_w if full is None else full.value
    prior = ThermalPrior.generic(loaded_w, fan=bool(kind.fan_points), idle_w=power.idle_w)
    scene = Scene(
        draw(kind, seed),
        profile,
        _BURSTY,
        seed,
        0.4 * SECONDS if quick else SECONDS,
        Program(weather=WEATHERS[weather]),
    )
    return Bands(board, weather, seed, score(judge(ThermalModel(prior), looks(scene))))


def looks(scene: Scene) -> Iterator[Look]:
    """Return what is seen of a board that nobody governs, five times a second."""
    seen: list[Observation] = []

    def watch(one: Observation) -> Limits:
        seen.append(one)
        return Limits(scene.figures.kind.cores)

    run = Run(scene, watch)
    for step in range(steps(scene.seconds)):
        run.step(step)
        for one in seen:
            yield Look(
                one.time_s,
                one.temp_c,
                one.power_w,
                one.fan,
                true_c=run.board.chip_c,
                came_w=one.power_w or 0.0,
                busy=run.board.busy_cores,
            )
        seen.clear()


def coverage(found: Sequence[Bands]) -> dict[str, float]:
    """Share of the forecasts within their bands by weather, and the worst of any run."""
    shares = {
        f"band_{weather.replace(' ', '_')}": _mean([b for b in found if b.weather == weather])
        for weather in dict.fromkeys(b.weather for b in found)
    }
    worst = min(b.score.covered for b in found)
    return {"band_coverage": min(shares.values()), "band_coverage_run_min": worst, **shares}


def _mean(found: Sequence[Bands]) -> float:
    return sum(b.score.covered for b in found) / len(found)
